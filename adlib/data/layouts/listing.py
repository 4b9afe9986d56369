"""Listing of files and folders, shared by all layouts."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from adlib.data.images import printable, real_path
from adlib.errors import InputError

IMAGE_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".pgm", ".ppm"}
TRAIN_FRACTION = 0.8


def require_folder(path: str | os.PathLike) -> Path:
    """The absolute path of an existing folder; symbolic links are not resolved."""
    path = real_path(path)
    if not path.exists():
        raise InputError(f"There is no folder {printable(path)}; check the path.")
    if not path.is_dir():
        raise InputError(f"{printable(path)} is a file, not a folder; give the folder that holds the images.")
    return path


def subfolders(folder: Path) -> list[Path]:
    """Folders directly in a folder, sorted by code point, without hidden folders and macOS archive leftovers."""
    return [p for p in _entries(folder) if os.path.isdir(p) and p.name != "__MACOSX"]


def images(folder: Path) -> list[Path]:
    """Image files directly in a folder, by their ending in either case, sorted by code point; [] where it is missing.

    Hidden files are left out (macOS's "._x.png" among them). Broken links are kept, so that reading them raises.
    """
    candidates = (p for p in _entries(folder) if p.suffix.lower() in IMAGE_ENDINGS)
    return [p for p in candidates if os.path.isfile(p) or (os.path.islink(p) and not os.path.isdir(p))]


def images_below(folder: Path) -> list[Path]:
    """Image files in a folder and all its subfolders; links are followed, but never upwards or twice."""
    files, waiting = [], [folder]
    visited = {str(parent) for parent in Path(os.path.realpath(folder)).parents}
    while waiting:
        current = waiting.pop()
        if (real := os.path.realpath(current)) in visited:
            continue
        visited.add(real)
        files += images(current)
        waiting += subfolders(current)
    return sorted(files, key=str)


def masks_by_stem(folder: Path) -> dict[str, Path]:
    """Mask files of a folder by file name without ending."""
    return {p.stem: p for p in images(folder)}


def mask_of(image: Path, masks: Mapping[str, Path]) -> Path | None:
    """The mask named <stem>_mask or <stem>."""
    return masks.get(f"{image.stem}_mask") or masks.get(image.stem)


def split_good(good: Iterable[Path], root: Path, split_seed: int) -> dict[Path, str]:
    """A random 80% of the good images (at least one) to "train", the others to "test"; the paths are sorted first."""
    good = sorted(good, key=lambda p: p.relative_to(root).as_posix())
    order = np.random.default_rng(split_seed).permutation(len(good))
    train = set(order[: max(1, int(TRAIN_FRACTION * len(good)))].tolist())
    return {path: "train" if i in train else "test" for i, path in enumerate(good)}


def chosen_categories(available: Iterable[str], category: str | None, path: Path) -> list[str]:
    """All categories, or the one requested. Raises InputError, listing the categories, for an unknown name."""
    available = sorted(available)
    if category is None:
        return available
    chosen = [name for name in available if printable(name) == printable(category)]
    if not chosen:
        names = ", ".join(map(printable, available))
        raise InputError(f"{printable(path)} has no category {category!r}; it has {names or 'none'}.")
    return chosen


def _entries(folder: Path) -> list[Path]:
    try:
        entries = sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda p: p.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(
            f"Cannot list the folder {folder}: {error.strerror or error}; check the path and its rights."
        ) from error
    _refuse_twins(folder, Counter(printable(p.name) for p in entries))
    return entries


def _refuse_twins(folder: Path, written: Counter[str]) -> None:
    """InputError where two names are written alike: results could not tell their files apart."""
    for name, count in written.items():
        if count > 1:
            raise InputError(f"{printable(folder)} holds {count} names that are all written {name}; rename one.")
