"""A rendered data set for industrial anomaly detection: four kinds of part, good or with a defect of known position.

A part and its defect come from separate random streams, so the same part exists with and without its defect. Tests and
first examples use it where no real data is at hand; results on it say nothing about real parts. `toy_depth` renders
RGB-D scans of a fifth kind of part, in memory.
"""

import errno
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from adlib.data.toy import fabric, nut, tile, weld
from adlib.data.toy.depth import DepthSample, depth_part, toy_depth
from adlib.errors import InputError, check_choice, check_whole
from adlib.files import default_cache_folder, write_json
from adlib.progress import progress as progress_bar

__all__ = [
    "CATEGORIES",
    "DepthSample",
    "default_toy_root",
    "depth_part",
    "make_toy",
    "pair",
    "render",
    "toy_depth",
]

_PAINTERS = {"weld": weld, "tile": tile, "nut": nut, "fabric": fabric}

CATEGORIES: dict[str, tuple[str, ...]] = {name: tuple(painter.DEFECTS) for name, painter in _PAINTERS.items()}
"""Category -> names of its defects."""

MARKER = "toy.json"
DRAWING = 1  # raise it when the same seed gives another image, so that old folders are not taken for new ones
MIN_SIZE = 64
_MASK_FRACTION = 0.3  # the mask holds pixels with more than this fraction of the defect's full strength
_BLOCK = 100_000  # seeds per split and defect, so train and test never share one


def _draw(category: str, defect: str | None, seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Image (size, size, 3) uint8 and mask (size, size) uint8 0/255; see `render`."""
    check_choice("toy category", category, CATEGORIES)
    if defect is not None and defect not in CATEGORIES[category]:
        choice = ", ".join(CATEGORIES[category])
        raise InputError(f"Toy category {category!r} has no defect {defect!r}; choose None or one of {choice}.")
    check_whole("size", size, MIN_SIZE)
    check_whole("seed", seed, 0)
    name = zlib.crc32(category.encode())  # hash() differs from process to process
    part = np.random.default_rng([seed, name])
    flaw = np.random.default_rng([seed, name, zlib.crc32((defect or "good").encode())])
    image, alpha = _PAINTERS[category].draw(size, part, defect, flaw)
    mask = alpha > _MASK_FRACTION * alpha.max() if defect is not None else np.zeros((size, size), bool)
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8), mask.astype(np.uint8) * 255


def render(category: str, defect: str | None = None, seed: int = 0, size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Render one part; the same arguments always give the same image.

    category: one of `CATEGORIES`.
    defect: one of the category's defects; None for a good part.
    seed: which part, 0 or more.
    size: side in pixels, at least 64.
    Returns the RGB image (size, size, 3) uint8 and the mask (size, size) uint8: 255 on the defect, 0 elsewhere.
    Raises InputError for an unknown category or defect, a size below 64 and a negative seed.
    """
    return _draw(category, defect, seed, size)


def pair(category: str, defect: str, seed: int = 0, size: int = 256) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same part with and without a defect.

    category, defect, seed, size: as in `render`; a defect is required.
    Returns (defective image, good image, mask), shaped as in `render`. Both images equal those that `render` gives for
    this seed. They differ on the mask and, where a defect fades out or casts a shadow, faintly around it.
    """
    if defect is None:
        raise InputError("`pair` needs a defect; for a good part alone use `render`.")
    defective, mask = _draw(category, defect, seed, size)
    good, _ = _draw(category, None, seed, size)
    return defective, good, mask


def default_toy_root() -> Path:
    """The default folder of the toy data set: `toy` in the default cache folder."""
    return default_cache_folder() / "toy"


def make_toy(
    root: str | Path,
    categories: Sequence[str] | None = None,
    train: int = 40,
    test_good: int = 20,
    test_defective: int = 10,
    size: int = 256,
    seed: int = 0,
    progress: bool = True,
) -> Path:
    """Write the toy data set in MVTec AD's layout below `root` and return `root`.

    An image depends only on seed, size, split and number, so a larger count keeps the first images. A category is
    complete or absent, even if the process is killed. A category made before with the same arguments is kept.

    root: folder to write to.
    categories: names from CATEGORIES; None for all.
    train: good training images per category.
    test_good: good test images per category.
    test_defective: test images per defect.
    size: side of an image in pixels, at least 64.
    seed: another seed gives other images.
    progress: whether to show a progress bar.
    Raises InputError where a category was made with other arguments, and where `root` cannot be written.
    """
    root = Path(root)
    if isinstance(categories, str):
        raise InputError(f"`categories` is the string {categories!r}; give a list of names, such as [{categories!r}].")
    names = list(CATEGORIES) if categories is None else list(dict.fromkeys(categories))
    for name in names:
        check_choice("toy category", name, CATEGORIES)
    counts = {"train": train, "test_good": test_good, "test_defective": test_defective}
    for name, count in counts.items():
        check_whole(name, count, 0)
        if count > _BLOCK:
            raise InputError(f"`{name}` is {count}; give at most {_BLOCK}.")
    check_whole("size", size, MIN_SIZE)
    check_whole("seed", seed, 0)
    arguments = {key: int(value) for key, value in (counts | {"size": size, "seed": seed, "drawing": DRAWING}).items()}
    missing = [name for name in names if not _is_made(root / name, arguments)]
    total = sum(train + test_good + test_defective * len(CATEGORIES[name]) for name in missing)
    with progress_bar(total=total, label="toy data", unit="img") if progress else _NoBar() as bar:
        for name in missing:
            _make_category(root, name, arguments, bar)
    return root


class _NoBar:
    """Replaces the progress bar where none is wanted."""

    def __enter__(self) -> "_NoBar":
        return self

    def __exit__(self, *_: object) -> None: ...

    def update(self) -> None: ...


def _is_made(folder: Path, arguments: dict[str, int]) -> bool:
    """Whether `folder` holds this category, made with these arguments. InputError where it holds something else."""
    if not folder.exists():
        return False
    try:
        stored = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        if not isinstance(stored, dict):
            raise ValueError("not an object")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} exists but has no readable {MARKER}, so it is not a toy category; choose another root."
        ) from error
    for key, value in arguments.items():
        if stored.get(key) != value:
            raise InputError(
                f"{folder} was made with {key} {stored.get(key)}, not {value}; delete it or choose another root."
            )
    return True


def _plan(category: str, arguments: dict[str, int]) -> list[tuple[str, str | None, int]]:
    """(folder below the category, defect, seed) of every image; each split and defect has its own block of seeds."""
    splits = [("train/good", None, "train"), ("test/good", None, "test_good")]
    splits += [(f"test/{defect}", defect, "test_defective") for defect in CATEGORIES[category]]
    first = arguments["seed"] * _BLOCK * 10
    return [
        (folder, defect, first + block * _BLOCK + index)
        for block, (folder, defect, count) in enumerate(splits)
        for index in range(arguments[count])
    ]


def _make_category(root: Path, category: str, arguments: dict[str, int], bar: object) -> None:
    """Render a category into a hidden folder next to its final place, and rename it when it is complete."""
    temporary = None
    try:
        root.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{category}.", suffix=".part", dir=root))
        temporary.chmod(0o755)  # mkdtemp makes folders that only their owner can read
        for folder, defect, seed in _plan(category, arguments):
            image, mask = _draw(category, defect, seed, arguments["size"])
            number = f"{seed % _BLOCK:03d}"
            _save(image, temporary / folder / f"{number}.png")
            if defect is not None:
                _save(mask, temporary / "ground_truth" / defect / f"{number}_mask.png")
            bar.update()
        write_json(temporary / MARKER, arguments)
        try:
            os.rename(temporary, root / category)
        except OSError:
            if not _is_made(root / category, arguments):  # another process may have been quicker
                raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(f"The disk is full: cannot write {root}; free some space and start again.") from error
        reason = error.strerror or error
        raise InputError(f"Cannot write {root / category}: {reason}; choose a root you may write to.") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _save(image: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, compress_level=1)
