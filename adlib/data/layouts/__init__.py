"""From a folder to a Dataset: recognise the layout of its files and list them (chapter 00). One module per layout."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from adlib.data.dataset import Dataset, whole_number
from adlib.data.images import storable
from adlib.data.layouts import folder, mtd, mvtec, visa
from adlib.data.layouts.listing import require_folder
from adlib.errors import InputError, check_choice

# In the order in which "auto" tries them: the more a layout requires, the earlier.
LAYOUTS = {"visa": visa, "mtd": mtd, "mvtec": mvtec, "folder": folder}
BUILT_IN = ("elpv", "toy")


def load_dataset(
    source: str | os.PathLike,
    category: str | None = None,
    layout: str = "auto",
    split_seed: int = 0,
    root: str | os.PathLike | None = None,
) -> Dataset:
    """Index a data set; no image is opened.

    source: "elpv" (installed package), "toy" (rendered on first use), or a folder, which holds the categories or is
        one of them (mvtec, visa). For a folder named toy, write "./toy".
    category: one category, or None for all.
    layout: "auto" or one of
        mvtec   MVTec AD: <category>/train/good, test/<defect>, ground_truth/<defect>/<stem>_mask.png or <stem>.png;
                validation/good where there is one
        visa    VisA as distributed: <category>/Data/Images and Data/Masks, split_csv/1cls.csv
        mtd     Magnetic Tile Defects as distributed: MT_Free/Imgs, MT_<defect>/Imgs, masks next to the images
        folder  your own: images in the folder or in good/ are good, every other subfolder is a kind of defect
    split_seed: seed of the split where none is published (mtd, folder): a random 80% of the good images train.
    root: where "toy" is written; None for its default folder.
    Raises InputError if the folder is missing, fits no layout, has no good training image, or lacks the category.
    """
    if source in BUILT_IN:
        if layout != "auto":
            raise InputError(f"{source} has its own layout; omit layout={layout!r}.")
        return _BUILT_IN[source](category, root)
    if root is not None:
        raise InputError('root is only for "toy"; for a folder give its path as the source.')
    split_seed = whole_number("split_seed", split_seed, 0)
    path = require_folder(source)
    check_choice("layout", layout, ("auto", *LAYOUTS))
    if layout == "auto":
        layout = _recognise(path)
    dataset = LAYOUTS[layout].load(path, category, split_seed)
    return _storable(replace(dataset, layout=layout))


def _storable(dataset: Dataset) -> Dataset:
    """The data set with all its names as results can hold them."""
    samples = (replace(s, category=storable(s.category), defect=storable(s.defect)) for s in dataset.samples)
    return replace(dataset, name=storable(dataset.name), samples=tuple(samples))


def _recognise(path: Path) -> str:
    for name, module in LAYOUTS.items():
        if module.matches(path):
            return name
    raise InputError(
        f"Cannot recognise the layout of {path}: there is no split_csv/1cls.csv (visa), no MT_Free/Imgs (mtd), no"
        " train/good in it or its subfolders (mvtec), and neither images nor a subfolder good (folder);"
        " check the path or arrange the files in one of these layouts."
    )


def _toy(category: str | None, root: str | os.PathLike | None) -> Dataset:
    from adlib.data.toy import CATEGORIES, default_toy_root, make_toy

    names = list(CATEGORIES) if category is None else [category]
    path = default_toy_root() if root is None else Path(root)
    if root is not None:  # a category made there with other arguments is kept
        names = [name for name in names if not os.path.isdir(path / name)]
    make_toy(path, names)
    return replace(mvtec.load(require_folder(path), category), name="toy", layout="mvtec")


def _elpv(category: str | None, root: str | os.PathLike | None) -> Dataset:
    from adlib.data.elpv import load_elpv

    if root is not None:
        raise InputError("elpv comes with its package; omit root.")
    return load_elpv(category)


_BUILT_IN: dict[str, Callable[[str | None, str | os.PathLike | None], Dataset]] = {"elpv": _elpv, "toy": _toy}
