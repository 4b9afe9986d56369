"""MVTec AD: 15 categories (Bergmann et al., CVPR 2019 and IJCV 2021)."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from adlib.data.fetch.source import Source, Verdict, compare, place_all, root_below, split_counts, tally
from adlib.data.layouts import load_dataset

PAPER = "Bergmann et al., CVPR 2019, Table 1"

# Good training, good test and defective test images: 3,629, 467 and 1,258 in all.
PUBLISHED = {
    "bottle": split_counts(209, 20, 63),
    "cable": split_counts(224, 58, 92),
    "capsule": split_counts(219, 23, 109),
    "carpet": split_counts(280, 28, 89),
    "grid": split_counts(264, 21, 57),
    "hazelnut": split_counts(391, 40, 70),
    "leather": split_counts(245, 32, 92),
    "metal_nut": split_counts(220, 22, 93),
    "pill": split_counts(267, 26, 141),
    "screw": split_counts(320, 41, 119),
    "tile": split_counts(230, 33, 84),
    "toothbrush": split_counts(60, 12, 30),
    "transistor": split_counts(213, 60, 40),
    "wood": split_counts(247, 19, 60),
    "zipper": split_counts(240, 32, 119),
}


def arrange(found: Path, made: Path, place: Callable[[Path, Path], None], options: Namespace) -> list[str]:
    """The categories as they are, with readme and licence; `load_dataset` reads this layout."""
    root = root_below(found, lambda p: any((p / name / "train" / "good").is_dir() for name in PUBLISHED), "category")
    place_all([*PUBLISHED, "readme.txt", "license.txt"], root, made, place)
    return []


def check(folder: Path) -> Verdict:
    return compare(tally(load_dataset(folder, layout="mvtec")), PUBLISHED, PAPER)


SOURCE = Source(
    name="MVTec AD",
    page="https://www.mvtec.com/company/research/datasets/mvtec-ad",
    licence="Licence: CC BY-NC-SA 4.0, not for commercial use (https://creativecommons.org/licenses/by-nc-sa/4.0/).\n"
    "Cite: Bergmann et al., MVTec AD - A Comprehensive Real-World Dataset for Unsupervised Anomaly Detection,\n"
    "CVPR 2019.",
    archive="mvtec_anomaly_detection.tar.xz",
    # MVTec's share link changes now and then; the sha256 tells whether the bytes are the right ones.
    url="https://www.mydrive.ch/shares/150996/b52ecdcbf521176e9db9c731f2304b27/download/420938113-1629960298/"
    "mvtec_anomaly_detection.tar.xz",
    sha256="cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d",
    arrange=arrange,
    check=check,
)
