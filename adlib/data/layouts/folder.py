"""A folder of one's own images: good ones, and a subfolder per kind of defect (chapter 23)."""

from pathlib import Path

from adlib.data.dataset import Dataset, Sample
from adlib.data.layouts.listing import (
    chosen_categories,
    images,
    images_below,
    mask_of,
    masks_by_stem,
    split_good,
    subfolders,
)
from adlib.errors import InputError

MASKS = "ground_truth"


def matches(path: Path) -> bool:
    return bool(images(path)) or _good_folder(path) is not None


def load(path: Path, category: str | None = None, split_seed: int = 0) -> Dataset:
    """Index a folder as one category of the same name.

    Images directly in it or below good/ are good. Images below any other subfolder are defective, and the subfolder's
    name is their defect. Masks are optional: ground_truth/<defect>/<stem>_mask.png or <stem>.png. With defective images
    80% of the good images are for training and the rest for testing; without any, all are for training.
    """
    chosen_categories([path.name], category, path)
    good_folder = _good_folder(path)
    good = images(path) + (images_below(good_folder) if good_folder else [])
    defective = []
    for folder in subfolders(path):
        if folder == good_folder or folder.name == MASKS:
            continue
        masks = masks_by_stem(path / MASKS / folder.name)
        defective += [Sample(p, path.name, "test", 1, folder.name, mask_of(p, masks)) for p in images_below(folder)]
    if not good:
        what = f"only defective images ({len(defective)})" if defective else "no images"
        raise InputError(f"The category {path.name} has {what} in {path}; put good images there or into good/.")
    splits = split_good(good, path, split_seed) if defective else dict.fromkeys(good, "train")
    samples = [Sample(p, path.name, split, 0, "good") for p, split in splits.items()]
    return Dataset(path.name, path, (*samples, *defective))


def _good_folder(path: Path) -> Path | None:
    return next((p for p in subfolders(path) if p.name.casefold() == "good"), None)
