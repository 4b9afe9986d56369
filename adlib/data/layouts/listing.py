"""Listing of files and folders, shared by all layouts."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from adlib.data.images import is_image
from adlib.data.names import printable, real_path
from adlib.errors import InputError
from adlib.outputs import outputs_in

# Pixel formats that PIL decodes by itself. A file without any ending is an image where PIL knows its first bytes.
IMAGE_ENDINGS = set(
    ".png .apng .jpg .jpeg .jpe .jfif .bmp .dib .tif .tiff .webp .gif .avif .jp2 .j2k .jpx .jpc .j2c .jpf"
    " .pgm .ppm .pbm .pnm .pfm .tga .pcx .sgi .rgb .qoi".split()
)
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

    Left out: hidden files (macOS's "._x.png" among them), and what adlib wrote. Broken links are kept, so that reading
    them raises.
    """
    return [p for p in files(folder) if _looks_like_an_image(p)]


def files(folder: Path) -> list[Path]:
    """All files directly in a folder that are not hidden and not adlib's own, sorted by code point."""
    return [p for p in _entries(folder) if os.path.isfile(p) or (os.path.islink(p) and not os.path.isdir(p))]


def images_below(folder: Path) -> list[Path]:
    """Image files in a folder and all its subfolders; links are followed, but never upwards or twice."""
    return sorted((path for current in folders_below(folder) for path in images(current)), key=str)


def folders_below(folder: Path) -> list[Path]:
    """A folder and all its subfolders but adlib's own; links are followed, but never upwards or twice."""
    found, waiting = [], [folder]
    visited = {str(parent) for parent in Path(os.path.realpath(folder)).parents}
    while waiting:
        current = waiting.pop()
        if (real := os.path.realpath(current)) in visited:
            continue
        visited.add(real)
        found.append(current)
        waiting += subfolders(current)
    return found


def outputs_below(folder: Path) -> list[Path]:
    """Files that adlib wrote in a folder and its subfolders."""
    own = [current / name for current in folders_below(folder) for name in outputs_in(current)]
    found = [p for entry in own for p in ([entry] if entry.is_file() else entry.rglob("*"))]
    return sorted(p for p in found if p.is_file())


def split_good(
    good: Iterable[Path], root: Path, split_seed: int, groups: Mapping[Path, str] | None = None
) -> dict[Path, str]:
    """A random 80% of the good images (at least one) to "train", the others to "test"; the paths are sorted first.

    groups: image -> its group; whole groups then go to one side, about 80% of the images to "train". None, or one
        group for all, splits image by image.
    """
    good = sorted(good, key=lambda p: p.relative_to(root).as_posix())
    names = [groups[p] if groups else "" for p in good]
    if len(set(names)) > 1:
        return _split_groups(good, names, split_seed)
    order = np.random.default_rng(split_seed).permutation(len(good))
    train = set(order[: max(1, int(TRAIN_FRACTION * len(good)))].tolist())
    return {path: "train" if i in train else "test" for i, path in enumerate(good)}


def _split_groups(good: list[Path], names: list[str], split_seed: int) -> dict[Path, str]:
    """Whole groups, in random order, to "train" while they fit into 80% of the images; at least one on either side."""
    order = [str(name) for name in np.random.default_rng(split_seed).permutation(sorted(set(names)))]
    train, room = {order[0]}, TRAIN_FRACTION * len(good) - names.count(order[0])
    for name in order[1:-1]:
        if names.count(name) <= room:
            train.add(name)
            room -= names.count(name)
    return {path: "train" if name in train else "test" for path, name in zip(good, names, strict=True)}


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


def _looks_like_an_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_ENDINGS or (not path.suffix and is_image(path))


def _entries(folder: Path) -> list[Path]:
    try:
        own = outputs_in(folder)
        entries = (p for p in folder.iterdir() if not p.name.startswith(".") and p.name not in own)
        entries = sorted(entries, key=lambda p: p.name)
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
