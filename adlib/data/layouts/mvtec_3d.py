"""MVTec 3D-AD as distributed (Bergmann et al., VISAPP 2022): rgb/, xyz/ and gt/ in every folder of scans.

The index holds the RGB images; `adlib.data.clouds.read_rgbd` reads the points of one.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from adlib.data.dataset import Dataset, Sample
from adlib.data.layouts.listing import chosen_categories, images, subfolders
from adlib.data.layouts.reading import NOTHING_SAID, Reading
from adlib.errors import InputError

SPLITS = ("train", "validation", "test")


def matches(path: Path) -> bool:
    return _is_category(path) or any(_is_category(p) for p in subfolders(path))


def load(path: Path, category: str | None = None, reading: Reading = NOTHING_SAID) -> Dataset:
    """Index the RGB images of one category folder or of its parent; in both cases names are relative to the parent."""
    root = path.parent if _is_category(path) else path
    names = [path.name] if _is_category(path) else [p.name for p in subfolders(path) if _is_category(p)]
    samples = [s for name in chosen_categories(names, category, path) for s in _category(root / name, reading)]
    if not samples:
        raise InputError(f"{path} has no category with train/good/rgb in it; check the path.")
    return Dataset(root.name, root, tuple(samples))


def _is_category(path: Path) -> bool:
    return os.path.isdir(path / "train" / "good" / "rgb")


def _category(path: Path, reading: Reading) -> Iterator[Sample]:
    if not images(path / "train" / "good" / "rgb"):
        raise InputError(
            f"The category {path.name} has no images in {path / 'train' / 'good' / 'rgb'}; put some there."
        )
    for split in SPLITS:
        for kind in subfolders(path / split):
            for image in images(kind / "rgb"):
                yield _sample(image, path, split, kind, reading)


def _sample(image: Path, category: Path, split: str, kind: Path, reading: Reading) -> Sample:
    if kind.name == "good":
        return Sample(image, category.name, split, 0, "good", group=reading.group_of(image, category.parent))
    mask = kind / "gt" / f"{image.stem}.png"
    return Sample(image, category.name, split, 1, kind.name, mask if mask.is_file() else None)
