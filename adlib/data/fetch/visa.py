"""VisA: 12 categories with the official one-class split (Zou et al., ECCV 2022)."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from adlib.data.fetch.source import Source, Verdict, compare, place_all, root_below, split_counts, tally
from adlib.data.layouts import load_dataset
from adlib.data.layouts.listing import images
from adlib.data.layouts.visa import SPLIT_FILE

PAPER = "Zou et al., ECCV 2022, and its split_csv/1cls.csv"


def _published(train: int, good: int) -> dict[str, int]:
    # Table 1 of the paper counts normal and anomalous images; 1cls.csv divides the normal ones.
    return {**split_counts(train, good, 100), "normal images": train + good, "anomalous images": 100}


# 9,621 normal images (8,659 for training) and 1,200 anomalous ones.
PUBLISHED = {
    "candle": _published(900, 100),
    "capsules": _published(542, 60),
    "cashew": _published(450, 50),
    "chewinggum": _published(453, 50),
    "fryum": _published(450, 50),
    "macaroni1": _published(900, 100),
    "macaroni2": _published(900, 100),
    "pcb1": _published(904, 100),
    "pcb2": _published(901, 100),
    "pcb3": _published(905, 101),
    "pcb4": _published(904, 101),
    "pipe_fryum": _published(450, 50),
}


def arrange(found: Path, made: Path, place: Callable[[Path, Path], None], options: Namespace) -> list[str]:
    """The categories as they are, next to split_csv, from which `load_dataset` reads the split."""
    root = root_below(found, lambda p: (p / SPLIT_FILE).is_file(), f"{SPLIT_FILE.as_posix()}")
    place_all([*PUBLISHED, SPLIT_FILE.parent.name, "LICENSE-DATASET"], root, made, place)
    return []


def check(folder: Path) -> Verdict:
    """Compare every category in the folder with the split file and the paper."""
    counts = {}
    for name in PUBLISHED:
        image_folder = folder / name / "Data" / "Images"
        if image_folder.is_dir():
            counts.update(tally(load_dataset(folder, name, layout="visa")))
            counts[name]["normal images"] = len(images(image_folder / "Normal"))
            counts[name]["anomalous images"] = len(images(image_folder / "Anomaly"))
    return compare(counts, PUBLISHED, PAPER)


SOURCE = Source(
    name="VisA",
    page="https://github.com/amazon-science/spot-diff",
    licence="Licence: CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/).\n"
    "Cite: Zou et al., SPot-the-Difference Self-Supervised Pre-training for Anomaly Detection and Segmentation,\n"
    "ECCV 2022.",
    archive="VisA_20220922.tar",
    url="https://amazon-visual-anomaly.s3.us-west-2.amazonaws.com/VisA_20220922.tar",
    sha256="2eb8690c803ab37de0324772964100169ec8ba1fa3f7e94291c9ca673f40f362",
    arrange=arrange,
    check=check,
)
