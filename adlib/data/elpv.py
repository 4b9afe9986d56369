"""ELPV: electroluminescence images of solar cells from the installed package `elpv-dataset` (Deitsch et al. 2019).

2,624 images of 300 x 300 pixels of monocrystalline (`mono`) and polycrystalline (`poly`) cells, each with a probability
of a defect: 0, 1/3, 2/3 or 1. Image labels only, no masks. There is no published split; ours is elpv_split.csv.
"""

import csv
import hashlib
from importlib.util import find_spec
from pathlib import Path

from adlib.data.dataset import Dataset, Sample
from adlib.data.layouts.listing import chosen_categories
from adlib.errors import InputError

SPLIT_FILE = Path(__file__).with_name("elpv_split.csv")
TEST_GOOD = TEST_DEFECTIVE = 150
VALIDATION = 60
PACKAGE = "elpv_dataset"


def load_elpv(category: str | None = None) -> Dataset:
    """Index the installed images by the fixed split.

    category: "mono" or "poly"; None for both.
    Raises InputError, with the command that installs the package, where it is missing.
    """
    root = package_data()
    with open(SPLIT_FILE, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = chosen_categories({row["category"] for row in rows}, category, Path("elpv"))
    samples = []
    for row in rows:
        if row["category"] in wanted:
            label = int(row["label"])
            path = root / "images" / row["image"]
            samples.append(Sample(path, row["category"], row["split"], label, "defective" if label else "good"))
    return Dataset("elpv", root, tuple(samples), layout="elpv")


def package_data() -> Path:
    """The folder of the installed package that holds labels.csv and images/."""
    spec = find_spec(PACKAGE)
    data = Path(spec.origin).parent / "data" if spec and spec.origin else None
    if data is None or not (data / "labels.csv").is_file():
        raise InputError("The package with the ELPV images is not installed; run: pip install elpv-dataset")
    return data


def derive_split(data: Path) -> list[dict[str, str]]:
    """The rows of elpv_split.csv from labels.csv: image, category, split, label.

    Good is probability 0, defective probability 1; images in between are left out. Per category and label, images are
    ordered by the sha256 of their file name. The first 150 good and 150 defective images are the test set, the next 60
    good images are held out for thresholds (validation), and the other good images are for training. The other
    defective images are left out.
    """
    images: dict[tuple[str, str], list[str]] = {}
    for line in (data / "labels.csv").read_text(encoding="utf-8").splitlines():
        path, probability, category = line.split()
        if float(probability) in (0, 1):
            images.setdefault((category, str(int(float(probability)))), []).append(Path(path).name)
    rows = []
    for (category, label), names in images.items():
        names.sort(key=lambda name: hashlib.sha256(name.encode()).hexdigest())
        if label == "1":
            splits = ["test"] * TEST_DEFECTIVE
        else:
            splits = ["test"] * TEST_GOOD + ["validation"] * VALIDATION
            splits += ["train"] * (len(names) - len(splits))
        rows += [
            {"image": name, "category": category, "split": split, "label": label}
            for name, split in zip(names, splits, strict=False)
        ]
    return sorted(rows, key=lambda row: row["image"])
