"""MVTec 3D-AD: 10 categories of RGB images with organised points (Bergmann et al., VISAPP 2022)."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from adlib.data.fetch.source import Source, Verdict, compare, place_all, root_below, split_counts, tally
from adlib.data.layouts import load_dataset

PAPER = "Bergmann et al., VISAPP 2022, Table 1"

# Good training, good test and defective test scans: 2,656, 249 and 948 in all.
PUBLISHED = {
    "bagel": split_counts(244, 22, 88),
    "cable_gland": split_counts(223, 21, 87),
    "carrot": split_counts(286, 27, 132),
    "cookie": split_counts(210, 28, 103),
    "dowel": split_counts(288, 26, 104),
    "foam": split_counts(236, 20, 80),
    "peach": split_counts(361, 26, 106),
    "potato": split_counts(300, 22, 92),
    "rope": split_counts(298, 32, 69),
    "tire": split_counts(210, 25, 87),
}


def arrange(found: Path, made: Path, place: Callable[[Path, Path], None], options: Namespace) -> list[str]:
    """The categories as they are, with readme and licence; `load_dataset` reads this layout."""
    root = root_below(
        found, lambda p: any((p / name / "train" / "good" / "rgb").is_dir() for name in PUBLISHED), "category"
    )
    place_all([*PUBLISHED, "readme.txt", "license.txt"], root, made, place)
    return []


def check(folder: Path) -> Verdict:
    """Compare the numbers of images and masks with the paper, and say which images have no points."""
    dataset = load_dataset(folder, layout="mvtec_3d")
    verdict = compare(tally(dataset), PUBLISHED, PAPER)
    without = [s for s in dataset.samples if not (s.path.parent.parent / "xyz" / f"{s.path.stem}.tiff").is_file()]
    for name in sorted({sample.category for sample in without}):
        count = sum(sample.category == name for sample in without)
        verdict.mismatches.append(f"{name}: {count} images have no points in xyz/.")
        verdict.verified = [other for other in verdict.verified if other != name]
    return verdict


SOURCE = Source(
    name="MVTec 3D-AD",
    page="https://www.mvtec.com/company/research/datasets/mvtec-3d-ad",
    licence="Licence: CC BY-NC-SA 4.0, not for commercial use (https://creativecommons.org/licenses/by-nc-sa/4.0/).\n"
    "Cite: Bergmann et al., The MVTec 3D-AD Dataset for Unsupervised 3D Anomaly Detection and Localization,\n"
    "VISAPP 2022.",
    archive="mvtec_3d_anomaly_detection.tar.xz",
    # MVTec's share link changes now and then. No sha256 of the archive is published: the counts are compared.
    url="https://www.mydrive.ch/shares/45920/dd1eb345346df066c63b5c95676b961b/download/428824485-1643285832/"
    "mvtec_3d_anomaly_detection.tar.xz",
    sha256=None,
    arrange=arrange,
    check=check,
)
