"""MVTec AD as distributed (Bergmann et al., CVPR 2019), and every data set with its layout."""

import os
from pathlib import Path

from adlib.data.dataset import Dataset, Sample
from adlib.data.layouts.listing import chosen_categories, images, mask_of, masks_by_stem, subfolders
from adlib.errors import InputError


def matches(path: Path) -> bool:
    return _is_category(path) or any(_is_category(p) for p in subfolders(path))


def load(path: Path, category: str | None = None, split_seed: int = 0) -> Dataset:
    """Index one category folder or its parent; in both cases names are relative to the parent.

    Below train and validation only `good` is read.
    """
    root = path.parent if _is_category(path) else path
    names = [path.name] if _is_category(path) else [p.name for p in subfolders(path) if _is_category(p)]
    samples = [s for name in chosen_categories(names, category, path) for s in _category(root / name)]
    if not samples:
        raise InputError(f"{path} has no category with train/good in it; check the path.")
    return Dataset(root.name, root, tuple(samples))


def _is_category(path: Path) -> bool:
    return os.path.isdir(path / "train")


def _category(path: Path) -> list[Sample]:
    samples = [Sample(p, path.name, "train", 0, "good") for p in images(path / "train" / "good")]
    if not samples:
        raise InputError(
            f"The category {path.name} has no good training images in {path / 'train' / 'good'}; put some there."
        )
    samples += [Sample(p, path.name, "validation", 0, "good") for p in images(path / "validation" / "good")]
    for folder in subfolders(path / "test"):
        if folder.name.casefold() == "good":
            samples += [Sample(p, path.name, "test", 0, "good") for p in images(folder)]
        else:
            masks = masks_by_stem(path / "ground_truth" / folder.name)
            samples += [Sample(p, path.name, "test", 1, folder.name, mask_of(p, masks)) for p in images(folder)]
    return samples
