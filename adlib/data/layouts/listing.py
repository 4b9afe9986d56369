"""Lists of files and folders that every layout shares."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from adlib.data.images import printable
from adlib.errors import InputError

IMAGE_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".pgm", ".ppm"}
TRAIN_SHARE = 0.8


def require_folder(path: str | os.PathLike) -> Path:
    """An absolute path of a folder that exists; symbolic links stay as they are."""
    path = Path(os.path.abspath(Path(path).expanduser()))
    if not path.exists():
        raise InputError(f"There is no folder {printable(path)}; check the path.")
    if not path.is_dir():
        raise InputError(f"{printable(path)} is a file, not a folder; give the folder that holds the images.")
    return path


def subfolders(folder: Path) -> list[Path]:
    """Folders directly in a folder, sorted by code point; hidden ones and a Mac's archive leftovers are left out."""
    return [p for p in _entries(folder) if os.path.isdir(p) and p.name != "__MACOSX"]


def images(folder: Path) -> list[Path]:
    """Image files directly in a folder, by their ending in either case, sorted by code point; none where it is missing.

    Left out are hidden files (a Mac's "._x.png" among them). A link that leads nowhere stays in: reading it says so.
    """
    found = (p for p in _entries(folder) if p.suffix.lower() in IMAGE_ENDINGS)
    return [p for p in found if os.path.isfile(p) or (os.path.islink(p) and not os.path.isdir(p))]


def images_below(folder: Path) -> list[Path]:
    """Image files in a folder and all its subfolders; links are followed, but never upwards and never twice."""
    found, waiting = [], [folder]
    visited = {str(parent) for parent in Path(os.path.realpath(folder)).parents}
    while waiting:
        current = waiting.pop()
        if (real := os.path.realpath(current)) in visited:
            continue
        visited.add(real)
        found += images(current)
        waiting += subfolders(current)
    return sorted(found, key=str)


def masks_by_stem(folder: Path) -> dict[str, Path]:
    """Mask files of a folder by file name without ending."""
    return {p.stem: p for p in images(folder)}


def mask_of(image: Path, masks: Mapping[str, Path]) -> Path | None:
    """The mask named <stem>_mask or <stem>."""
    return masks.get(f"{image.stem}_mask") or masks.get(image.stem)


def split_good(good: Iterable[Path], root: Path, split_seed: int) -> dict[Path, str]:
    """80% of good images, at least one, to "train", the others to "test", by a permutation of the sorted paths."""
    good = sorted(good, key=lambda p: p.relative_to(root).as_posix())
    order = np.random.default_rng(split_seed).permutation(len(good))
    train = set(order[: max(1, int(TRAIN_SHARE * len(good)))].tolist())
    return {path: "train" if i in train else "test" for i, path in enumerate(good)}


def chosen_categories(there: Iterable[str], category: str | None, path: Path) -> list[str]:
    """All categories, or the one asked for. Raises InputError, with those there are, for any other."""
    there = sorted(there)
    if category is None:
        return there
    if category not in there:
        raise InputError(f"{path} has no category {category!r}; it has {', '.join(there) or 'none'}.")
    return [category]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda p: p.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(
            f"Cannot list the folder {folder}: {error.strerror or error}; check the path and its rights."
        ) from error
