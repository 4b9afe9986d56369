"""A folder of one's own images: good ones, and a subfolder per kind of defect (chapter 23)."""

from pathlib import Path

from adlib.data.dataset import Dataset, Sample
from adlib.data.layouts.listing import chosen_categories, images, split_good, subfolders
from adlib.data.layouts.masks import Masks
from adlib.data.layouts.reading import NOTHING_SAID, Reading, is_good
from adlib.data.layouts.suspects import refuse_hidden_masks
from adlib.errors import InputError


def matches(path: Path) -> bool:
    return bool(images(path)) or any(map(is_good, subfolders(path)))


def load(path: Path, category: str | None = None, reading: Reading = NOTHING_SAID) -> Dataset:
    """Index a folder as one category of the same name.

    Images directly in it or below good/ (ok/, normal/) are good. Images below any other subfolder are defective, and
    the subfolder's name is their defect. Masks are optional, see `Masks`. With defective images 80% of the good images
    are for training and the rest for testing; without any, all are for training.
    """
    chosen_categories([path.name], category, path)
    masks = Masks(path, reading.masks)
    kinds = masks.kinds(path)
    good = [*masks.images_in(path), *(p for folder in kinds if is_good(folder) for p in masks.images(folder))]
    defective = [
        Sample(image, path.name, "test", 1, folder.name, mask)
        for folder in kinds
        if not is_good(folder)
        for image, mask in masks.with_masks(folder)
    ]
    if not good:
        what = f"only defective images ({len(defective)})" if defective else "no images"
        raise InputError(f"The category {path.name} has {what} in {path}; put good images there or into good/.")
    groups = {p: reading.group_of(p, path) for p in good}
    splits = split_good(good, path, reading.split_seed, groups) if defective else dict.fromkeys(good, "train")
    samples = [Sample(p, path.name, split, 0, "good", group=groups[p]) for p, split in splits.items()]
    refuse_hidden_masks((*samples, *defective), path, reading.masks)
    return Dataset(path.name, path, (*samples, *defective))
