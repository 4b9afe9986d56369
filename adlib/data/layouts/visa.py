"""VisA as distributed (Zou et al., ECCV 2022), with its one-class split `split_csv/1cls.csv`."""

import csv
import os
from pathlib import Path

from adlib.data.dataset import Dataset, Sample
from adlib.data.layouts.listing import chosen_categories
from adlib.data.layouts.reading import NOTHING_SAID, Reading
from adlib.errors import InputError

SPLIT_FILE = Path("split_csv") / "1cls.csv"
COLUMNS = ("object", "split", "label", "image", "mask")
LABELS = {"normal": 0, "anomaly": 1}


def matches(path: Path) -> bool:
    return (path / SPLIT_FILE).is_file() or _is_category(path)


def load(path: Path, category: str | None = None, reading: Reading = NOTHING_SAID) -> Dataset:
    """Index the images in the split file; `path` holds that file and the categories, or is one category."""
    root = path.parent if _is_category(path) else path
    rows = _rows(root / SPLIT_FILE)
    names = {row["object"] for row in rows}
    wanted = chosen_categories(names & {path.name} if _is_category(path) else names, category, path)
    samples = [_sample(row, root, line, reading) for line, row in enumerate(rows, start=2) if row["object"] in wanted]
    for name in wanted:
        if not any(s.category == name and s.split == "train" and s.label == 0 for s in samples):
            raise InputError(f"The category {name} has no good training images in {root / SPLIT_FILE}; add some.")
    if not samples:
        raise InputError(f"{root / SPLIT_FILE} lists no images of {path.name}; check the path.")
    return Dataset(root.name, root, tuple(samples))


def _is_category(path: Path) -> bool:
    return os.path.isdir(path / "Data" / "Images")


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            # A spreadsheet in a language with decimal commas saves semicolons.
            table = csv.DictReader(file, delimiter=max(",;\t", key=head.count))
            missing = [c for c in COLUMNS if c not in (table.fieldnames or ())]
            if missing:
                raise InputError(f"{path} lacks the column {missing[0]!r}; use VisA's own split file.")
            return list(table)
    except FileNotFoundError:
        raise InputError(f"There is no {path}; put VisA's split_csv folder next to its categories.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"Cannot read {path}: {error}; use VisA's own split file.") from error


def _sample(row: dict[str, str], root: Path, line: int, reading: Reading) -> Sample:
    where = f"{root / SPLIT_FILE}, row {line},"
    if row["label"] not in LABELS or row["split"] not in ("train", "test"):
        raise InputError(f"{where} has split {row['split']!r} and label {row['label']!r}; use VisA's own split file.")
    label = LABELS[row["label"]]
    image = _existing(root, row["image"], where)
    mask = _existing(root, row["mask"], where) if label and row["mask"] else None
    group = "" if label else reading.group_of(image, root)
    return Sample(image, row["object"], row["split"], label, "anomaly" if label else "good", mask, group)


def _existing(root: Path, name: str, where: str) -> Path:
    path = root / (name or "").replace("\\", "/")  # Windows tools write backslashes
    if not path.is_file() or ".." in path.parts or root not in path.parents:
        raise InputError(f"{where} names {name!r}, which does not exist; unpack the data set again.")
    return path
