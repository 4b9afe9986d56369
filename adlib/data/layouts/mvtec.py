"""MVTec AD as distributed (Bergmann et al., CVPR 2019), and every data set with its layout."""

import os
from pathlib import Path

from adlib.data.dataset import Dataset, Sample
from adlib.data.layouts.listing import chosen_categories, subfolders
from adlib.data.layouts.masks import Masks
from adlib.data.layouts.reading import NOTHING_SAID, Reading, is_good
from adlib.data.layouts.suspects import refuse_hidden_masks
from adlib.errors import InputError


def matches(path: Path) -> bool:
    return _is_category(path) or any(_is_category(p) for p in subfolders(path))


def load(path: Path, category: str | None = None, reading: Reading = NOTHING_SAID) -> Dataset:
    """Index one category folder or its parent; in both cases names are relative to the parent.

    Folders are read with all that is below them. Below validation only good/ is read; ok/ and normal/ mean the same, in
    any case, and so does val for validation. Every other folder below train is a kind of labelled defects.
    """
    root = path.parent if _is_category(path) else path
    names = [path.name] if _is_category(path) else [p.name for p in subfolders(path) if _is_category(p)]
    samples = [s for name in chosen_categories(names, category, path) for s in _category(root / name, reading)]
    if not samples:
        raise InputError(f"{path} has no category with train/good in it; check the path.")
    return Dataset(root.name, root, tuple(samples))


def _is_category(path: Path) -> bool:
    return os.path.isdir(path / "train")


def _category(path: Path, reading: Reading) -> list[Sample]:
    masks = Masks(path, reading.masks)
    samples = [_good(p, path, "train", reading) for p in _good_images(path / "train", masks)]
    if not samples:
        raise InputError(
            f"The category {path.name} has no good training images in {path / 'train' / 'good'}; put some there."
        )
    held_out = [p for name in ("validation", "val") for p in _good_images(path / name, masks)]
    samples += [_good(p, path, "validation", reading) for p in held_out]
    for folder in masks.kinds(path / "test"):
        if is_good(folder):
            samples += [_good(p, path, "test", reading) for p in masks.images(folder)]
        else:
            samples += [Sample(p, path.name, "test", 1, folder.name, mask) for p, mask in masks.with_masks(folder)]
    refuse_hidden_masks(samples, path / "test", reading.masks)
    return samples + _labelled(path, masks, {s.mask for s in samples})


def _good_images(split: Path, masks: Masks) -> list[Path]:
    return [p for folder in subfolders(split) if is_good(folder) for p in masks.images(folder)]


def _labelled(path: Path, masks: Masks, taken: set[Path | None]) -> list[Sample]:
    """Labelled defects of train/<kind>. Their masks are where test images have theirs, or the same below train.

    taken: masks of test images, whose names and kinds a training image may share; they are not its own.
    """
    own, samples = Masks(path / "train", masks.told), []
    for folder in own.kinds(path / "train"):
        if not is_good(folder):
            shared = dict(masks.with_masks(folder))
            for image, mask in own.with_masks(folder):
                mask = mask or (shared[image] if shared[image] not in taken else None)
                samples.append(Sample(image, path.name, "train", 1, folder.name, mask))
    refuse_hidden_masks(samples, path / "train", masks.told)
    return samples


def _good(image: Path, category: Path, split: str, reading: Reading) -> Sample:
    return Sample(image, category.name, split, 0, "good", group=reading.group_of(image, category.parent))
