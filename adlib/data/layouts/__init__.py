"""From a folder to a Dataset: recognise the layout of its files and list them, one module per layout.

Chapter 00 shows it; docs/data.md lists the layouts.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from adlib.data.dataset import Dataset, whole_number
from adlib.data.layouts import folder, mtd, mvtec, mvtec_3d, visa
from adlib.data.layouts.listing import require_folder
from adlib.data.layouts.reading import Reading
from adlib.data.layouts.stacks import spread_samples
from adlib.data.names import storable
from adlib.errors import InputError, check_choice

# In the order in which "auto" tries them: the more a layout requires, the earlier.
LAYOUTS = {"visa": visa, "mtd": mtd, "mvtec_3d": mvtec_3d, "mvtec": mvtec, "folder": folder}
BUILT_IN = ("elpv", "toy")


def load_dataset(
    source: str | os.PathLike,
    category: str | None = None,
    layout: str = "auto",
    split_seed: int = 0,
    root: str | os.PathLike | None = None,
    *,
    masks: str | None = None,
    pages: str = "ask",
    group: str | None = None,
) -> Dataset:
    """Index a data set; only the headers of files that may hold several pages are read, and what may be a hidden mask.

    source: "elpv" (installed package), "toy" (rendered on first use), or a folder, which holds the categories or is
        one of them (mvtec, mvtec_3d, visa). For a folder named toy, write "./toy".
    category: one category, or None for all.
    layout: "auto" or one of
        mvtec   MVTec AD: <category>/train/good, test/<defect>, ground_truth/<defect>/<stem>_mask.png or <stem>.png;
                validation/good where there is one; also folders below these
        mvtec_3d  MVTec 3D-AD as distributed: the RGB images <category>/train/good/rgb, test/<defect>/rgb, masks in gt
        visa    VisA as distributed: <category>/Data/Images and Data/Masks, split_csv/1cls.csv
        mtd     Magnetic Tile Defects as distributed: MT_Free/Imgs, MT_<defect>/Imgs, masks next to the images
        folder  your own: images in the folder or in good/ are good, every other subfolder is a kind of defect
    split_seed: seed of the split where none is published (mtd, folder): a random 80% of the good images train.
    root: where "toy" is written; None for its default folder.
    masks: for mvtec and folder: which files are masks. None for the usual names (a folder ground_truth, gt, mask or
        masks in any case; <stem>_mask or <stem>_gt next to <stem>), or the name of a folder, or an ending such as
        ".png" of masks next to images of another ending, or "none".
    pages: of files with several pages: "first", "each" as an image of its own, or "ask", which refuses them.
    group: a regular expression that finds an image's group (part, film, camera) in its path below the data set, see
        `Reading`; the split and the images held out for a threshold then keep groups whole.
    Raises InputError if the folder is missing, fits no layout, has no good training image, or lacks the category; where
    files have several pages; and where images look like masks and `masks` is None.
    """
    if source in BUILT_IN:
        if layout != "auto":
            raise InputError(f"{source} has its own layout; omit layout={layout!r}.")
        if masks is not None or group is not None:
            raise InputError(f"{source} has its own masks and no groups; omit masks and group.")
        return _BUILT_IN[source](category, root)
    if root is not None:
        raise InputError('root is only for "toy"; for a folder give its path as the source.')
    reading = Reading(whole_number("split_seed", split_seed, 0), masks, group)
    path = require_folder(source)
    check_choice("layout", layout, ("auto", *LAYOUTS))
    if layout == "auto":
        layout = _recognise(path)
    dataset = LAYOUTS[layout].load(path, category, reading)
    samples = spread_samples(dataset.samples, pages)
    return _storable(replace(dataset, layout=layout, group=storable(group or ""), samples=samples))


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
        " train/good/rgb (mvtec_3d), no train/good in it or its subfolders (mvtec), and neither images nor a subfolder"
        " good (folder);"
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
