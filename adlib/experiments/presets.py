"""The parameters of a method behind names such as 'agnostic' and 'official'."""

from typing import Any

from adlib.detectors import anomalydino, patchcore
from adlib.errors import InputError, check_choice

PREPROCESS = ("agnostic", "informed", "none")
# Methods whose official code differs from the paper, and their switches as that code sets them.
OFFICIAL: dict[str, dict[str, Any]] = {"patchcore": patchcore.OFFICIAL, "anomalydino": anomalydino.OFFICIAL}
# Methods made for few images: they take the same features, of references that are rotated or not.
FEW_SHOT = ("anomalydino", "subspacead")
# Parts at arbitrary rotation (Damm et al. 2025, supplement): only there does 'informed' rotate the references.
TURNED = {("mvtec", "hazelnut"), ("mvtec", "screw"), ("toy", "nut")}
# A number of patches, since at few shots a fraction would leave a handful: 1% of one image's 1,024 is ten. On ELPV's
# polycrystalline cells, 32 shots, 2,500 gave half a point of AUROC more and took much longer to search.
FEW_SHOT_CORESET = 1_000
# The mean of the highest 1% of patches did better there than the paper's maximum, by a point.
FEW_SHOT_TOP_SHARE = 0.01
# AnomalyDINO's 448 pixels are 32 x 32 of DINOv2's patches; for convolutional networks, whose receptive fields reach far
# beyond a cell, 256 did better than 192, 224 and 320 on ELPV's polycrystalline cells.
CONVOLUTIONAL_RESIZE = 256
# The paper takes a transformer's last layer, which holds much context of the whole image. A convolutional network's
# deeper blocks come nearest: three beat the coarser default layer alone by two points (benchmarks/choose_few_shot.py).
# MuSc and RAD take them, too, so that they can be compared; the default layers' finer grid would take MuSc 16 times
# as long.
DEEP_LAYERS = {"efficientnet_lite0": ("blocks3", "blocks4", "blocks5")}


def method_options(
    method: str,
    dataset: str,
    category: str,
    backbone: str,
    *,
    resolution: int | None = None,
    preprocess: str = "agnostic",
    shots: int | None = None,
    official: bool = False,
) -> dict[str, Any]:
    """Parameters of a method from options as a user names them; a dictionary for `plan(options=...)`.

    method: name of a detector.
    dataset: name of the data set; with `category` it decides whether "informed" rotates.
    category: name of the category; WinCLIP writes it into its sentences.
    backbone: name of the network.
    resolution: shorter side in pixels; None for the method's own.
    preprocess: AnomalyDINO's mode. "agnostic" rotates every reference image and masks where the mask test passes;
        "informed" rotates only where parts are at arbitrary rotation, and masks likewise; "none" does neither. The
        mask's threshold is in units of DINOv2's tokens, so other backbones are not masked. SubspaceAD rotates in the
        same modes and has no mask.
    shots: number of references; None for all.
    official: PatchCore or AnomalyDINO with the switches of its official code.

    Raises InputError on an unknown mode, and where an option does not belong to the method.
    """
    check_choice("preprocess mode", preprocess, PREPROCESS)
    if official and method not in OFFICIAL:
        raise InputError(f"official selects switches of {' or '.join(OFFICIAL)}, and {method} has none; leave it out.")
    options: dict[str, Any] = dict(OFFICIAL[method]) if official else {}
    if method in FEW_SHOT:
        options["rotate"] = preprocess == "agnostic" or (preprocess == "informed" and (dataset, category) in TURNED)
        if "vit" not in backbone:
            options["resize"] = CONVOLUTIONAL_RESIZE
    if method == "anomalydino":
        options["mask"] = "test" if preprocess != "none" and backbone.startswith("dinov2") else "never"
    if method in (*FEW_SHOT, "musc", "rad") and backbone in DEEP_LAYERS:
        options["layers"] = DEEP_LAYERS[backbone]
    if method == "winclip":
        options["object_name"] = category.replace("_", " ")
    if method == "patchcore" and shots is not None and not official:
        options |= {"coreset": FEW_SHOT_CORESET, "top_share": FEW_SHOT_TOP_SHARE}
    if resolution is not None:
        options["resize"] = resolution
    return options
