"""What a name such as 'agnostic' or 'official' means in parameters of a method."""

from typing import Any

from adlib.detectors.patchcore import OFFICIAL
from adlib.errors import InputError, check_choice

PREPROCESS = ("agnostic", "informed", "none")
# Parts that lie turned at will (Damm et al. 2025, supplement): only there does 'informed' turn the references.
TURNED = {("mvtec", "hazelnut"), ("mvtec", "screw"), ("toy", "nut")}
# At few shots a share would leave a handful of patches: 1% of one picture's 1,024 is ten. So a number: on ELPV's
# polycrystalline cells, 32 shots, 2,500 gave half a point of AUROC more and took much longer to search.
FEW_SHOT_CORESET = 1_000
# The mean of the highest 1% of patches did better there than the paper's maximum, by a point.
FEW_SHOT_TOP_SHARE = 0.01
# AnomalyDINO's 448 pixels are 32 x 32 of DINOv2's patches; for convolutional networks, whose cells see far beyond
# themselves, 256 did better than 192, 224 and 320 on ELPV's polycrystalline cells.
CONVOLUTIONAL_RESIZE = 256
# The paper takes a transformer's last layer, which knows much of the whole picture. A convolutional network's deeper
# blocks come nearest: there three beat the coarser default layer alone by two points (benchmarks/choose_few_shot.py).
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
    """Options of a run as a user would name them; a dictionary for `plan(options=...)`.

    resolution: shorter side in pixels, None for the method's own; preprocess: AnomalyDINO's modes: "agnostic" turns
    every reference picture and masks where the mask test passes, "informed" turns only where parts lie turned, "none"
    does neither; official: PatchCore with the switches of its official code.
    The mask's threshold is in units of DINOv2's tokens, so other backbones go unmasked.
    Raises InputError on an unknown mode, and where an option does not belong to the method.
    """
    check_choice("preprocess mode", preprocess, PREPROCESS)
    options: dict[str, Any] = {}
    if method == "anomalydino":
        options["rotate"] = preprocess == "agnostic" or (preprocess == "informed" and (dataset, category) in TURNED)
        if "vit" not in backbone:
            options["resize"] = CONVOLUTIONAL_RESIZE
        if backbone in DEEP_LAYERS:
            options["layers"] = DEEP_LAYERS[backbone]
        options["mask"] = "test" if preprocess != "none" and backbone.startswith("dinov2") else "never"
    if method == "patchcore":
        options |= OFFICIAL if official else {}
        if shots is not None and not official:
            options |= {"coreset": FEW_SHOT_CORESET, "top_share": FEW_SHOT_TOP_SHARE}
    elif official:
        raise InputError(f"official names switches of PatchCore; {method} has none.")
    if resolution is not None:
        options["resize"] = resolution
    return options
