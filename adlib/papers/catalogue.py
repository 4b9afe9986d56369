"""Published numbers, each with its source and how it was read (`published.csv` next to this file).

A number's `variant` describes its protocol in the words of its source; `setting` gives the same in parameters of this
library, as far as source or code state them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import pandas as pd

from adlib.detectors import anomalydino, patchcore
from adlib.errors import InputError

# Categories behind a mean over a data set.
CATEGORIES = {"mvtec": 15, "visa": 12, "mvtec_3d": 10}


def published(**where: str) -> pd.DataFrame:
    """Rows of published numbers, such as published(method="PatchCore", dataset="mtd").

    where: column -> the value that its rows must have.

    Returns the columns method, variant, dataset, category, shots ("full" for all good training images, or a number as
    text; defective images, where a method learns from some, are in the variant), metric, value and std (percent;
    seconds for seconds_per_image), source, how_read. Raises InputError on an unknown column.
    """
    with files("adlib.papers").joinpath("published.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file, dtype={"shots": str, "variant": str}, keep_default_na=False, na_values={"std": [""]})
    for column, value in where.items():
        if column not in table:
            raise InputError(f"Published numbers have no column {column!r}; they have {', '.join(table.columns)}.")
        table = table[table[column] == value]
    return table


@dataclass(frozen=True)
class Setting:
    """The protocol of a published number, in parameters of this library; what is unknown is not compared.

    backbone: as in `Protocol`, or `ENSEMBLE`; None where unknown.
    map_frame: as in `Protocol`; None where unknown.
    selection: as in `Protocol`; None where unknown.
    options: as in `Protocol`, without the unknown ones.
    run_by: who ran it instead of the method's authors, and what is known of that run; "" for the authors themselves.
    note: what no parameter expresses; "" for nothing.
    """

    backbone: str | None = None
    map_frame: str | None = None
    selection: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    run_by: str = ""
    note: str = ""


ENSEMBLE = "an ensemble of DenseNet-201, ResNeXt-101 and WideResNet-101-2"
# Common to the published numbers of PatchCore: they come from its code, not from its equations.
_PATCHCORE = {
    **{name: value for name, value in patchcore.OFFICIAL.items() if name not in ("resize", "crop")},
    "neighbourhood": 3,
    "neighbours": 1,
    "top_share": 0.0,
    "sigma": 4.0,
}
# Others who ran PatchCore, and what is known of their runs. IM-IAD's repository (M-3LAB/open-iad) first had a coreset
# of 0.001 at 256 pixels: of one image's 1,024 patches one. Later it had 0.1.
_RUN_BY = {
    "IM-IAD": "run by IM-IAD's authors, whose early code keeps 0.1% of the patches (of one image, one patch); "
    "the settings of this number are not stated",
    "WinCLIP": "run by WinCLIP's authors on their own draws of the references; other settings are not stated",
}
# The commands of its repository: 256 -> 224 and 366 -> 320. For 280 the first number is not stated.
_RESIZED = {224: 256, 320: 366}
_OFFICIAL_NAME = re.compile(r"official IM(\d+)_(\w+?)_L2-3_P(\d+)_D1024-\d+_PS-(\d)_AN-(\d)")
_SHARE = re.compile(r"(?:^|\s)(\d+)%(?=\s|$)")
_SIDE = re.compile(r"(\d+)\s?px")


def setting(method: str, variant: str) -> Setting:
    """The protocol of a published number of PatchCore, AnomalyDINO or WinCLIP.

    method: as in the column of `published`.
    variant: as in the column of `published`.

    Raises InputError for another method.
    """
    if method == "PatchCore":
        return _patchcore(variant)
    if method == "AnomalyDINO":
        return _anomalydino(variant)
    if method in ("WinCLIP", "WinCLIP+"):  # ViT-B/16+ at 240 pixels, random references
        return Setting("clip_vitb16_plus_240", None, "random", {"resize": 240, "aspect": "square"})
    raise InputError(
        f"The settings behind the numbers of {method} are not listed; choose PatchCore, AnomalyDINO or WinCLIP."
    )


def _patchcore(variant: str) -> Setting:
    for name, run_by in _RUN_BY.items():
        if variant.startswith(name):
            noise = re.search(r"\d+% noisy training images", variant)
            return Setting(run_by=run_by, note=f"trained on {noise[0]}" if noise else "")
    options: dict[str, Any] = dict(_PATCHCORE)
    note = ""
    if official := _OFFICIAL_NAME.match(variant):
        side, network, share, window, neighbours = official.groups()
        options |= _frame(int(side)) | {"coreset": float(f"0.{share[1:]}"), "neighbourhood": int(window)}
        options["neighbours"] = int(neighbours)
        ensemble, backbone = network == "Ensemble", "wide_resnet50_2"
    else:
        ensemble = "ensemble" in variant
        backbone = "wide_resnet101_2" if variant.startswith("wide_resnet101_2") else "wide_resnet50_2"
        if side := _SIDE.search(variant):
            options |= _frame(int(side[1]))
        if share := _SHARE.search(variant):
            options["coreset"] = int(share[1]) / 100
    if "IVFPQ" in variant:
        note = "exact search instead of the approximate IVFPQ index"
    if ensemble:  # two of its networks are not in this library
        backbone = ENSEMBLE
        options.pop("dims")
    return Setting(backbone, "network", None, options, note=note)


def _frame(crop: int) -> dict[str, int]:
    return {"crop": crop} | ({"resize": _RESIZED[crop]} if crop in _RESIZED else {})


def _anomalydino(variant: str) -> Setting:
    options: dict[str, Any] = {"neighbourhood": 1, "top_share": 0.01, "sigma": 4.0}
    if side := _SIDE.search(variant):
        options["resize"] = int(side[1])
    if "agnostic" in variant:
        options |= {"rotate": True, "mask": "test"}
    # As PatchCore's, these numbers come from the code.
    return Setting("dinov2_vits14", "original", "slice", options | anomalydino.OFFICIAL)
