"""One reader per kind of file, and what all share: units, missing points, and one sentence where a file is damaged."""

import io
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from adlib.data.clouds import pcd, ply
from adlib.data.clouds.cloud import Cloud, as_cloud
from adlib.data.images import read_image
from adlib.data.masks import read_mask
from adlib.data.names import printable
from adlib.errors import InputError

NO_POINT = -32768  # of int16 coordinates
TENTHS = 10  # int16 coordinates are tenths of a mm
METRES = 1000.0  # mm
COLOURS = ("red", "green", "blue")


def read_cloud(path: str | os.PathLike, scale: float = 1.0) -> Cloud:
    """Read a cloud by the ending of its file.

    .ply   ascii or binary; x, y, z, and red, green, blue and label where they are there
    .pcd   ascii or binary, not compressed; x, y, z, rgb or rgba, label; organised where its height is above 1
    .npz   arrays xyz (..., 3), and rgb and label where they are there; int16 xyz: tenths of a mm, -32768 is no point
    .tif   three channels x, y, z of 32-bit floats, organised; 0, 0, 0 is no point; also .tiff

    path: the file.
    scale: mm per unit of the file's coordinates, 1000 for metres; int16 arrays have their unit.
    Raises InputError for a missing, unknown, damaged, cut-off or empty file, and for one without a single point.
    """
    name = printable(os.fspath(path))
    ending = Path(path).suffix.lower()
    if ending not in READERS:
        raise InputError(f"{name} is no point cloud that can be read; give one of {', '.join(READERS)}.")
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"There is no file {name}; check the path.") from None
    except OSError as error:
        raise InputError(f"Cannot read {name}: {error.strerror or error}; give a point cloud.") from error
    try:
        cloud = READERS[ending](content, scale)
    except (ValueError, KeyError, IndexError, OverflowError, MemoryError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{name} is damaged or not a {ending[1:].upper()} file: {_reason(error)}; export it again."
        ) from error
    return as_cloud(replace(cloud, name=name))


def read_rgbd(image: str | os.PathLike, scale: float = METRES) -> Cloud:
    """Read one organised scan of MVTec 3D-AD from its image `rgb/<stem>.png`: points from `xyz/<stem>.tiff`.

    image: path of the RGB image.
    scale: mm per unit of the coordinates.
    Returns points (H, W, 3), colours, and, where there is `gt/<stem>.png`, label (H, W), 1 on the defect.
    Raises InputError where a file is missing or damaged, and where their sizes differ.
    """
    image = Path(image)
    folder = image.parent.parent
    points = next((p for end in (".tiff", ".tif") if (p := folder / "xyz" / f"{image.stem}{end}").is_file()), None)
    if points is None:
        raise InputError(
            f"There is no {printable(folder / 'xyz' / image.stem)}.tiff with the points of {printable(image)}."
        )
    cloud = read_cloud(points, scale)
    truth = folder / "gt" / f"{image.stem}.png"
    label = read_mask(truth).astype(np.uint8) if truth.is_file() else None
    return as_cloud(replace(cloud, rgb=np.asarray(read_image(image)), label=label))


def _reason(error: Exception) -> str:
    """The first line of an error, without a full stop."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words[:150].rstrip(".")


def _table(read: Callable[[bytes], tuple[dict[str, np.ndarray], tuple[int, ...]]]) -> Callable[[bytes, float], Cloud]:
    """A reader of files that give columns, name -> (N,), and the shape of their points."""

    def reader(content: bytes, scale: float) -> Cloud:
        columns, shape = read(content)
        if missing := [axis for axis in "xyz" if axis not in columns]:
            raise ValueError(f"its points have no {missing[0]}")
        xyz = _stacked(columns, "xyz", shape) * scale
        rgb = _colours(_stacked(columns, COLOURS, shape)) if all(name in columns for name in COLOURS) else None
        label = columns["label"].astype(np.int64).reshape(shape) if "label" in columns else None
        return Cloud(xyz.astype(np.float32), rgb, label)

    return reader


def _stacked(columns: dict[str, np.ndarray], names: Sequence[str], shape: tuple[int, ...]) -> np.ndarray:
    return np.stack([columns[name] for name in names], axis=1).reshape(*shape, len(names))


def _colours(values: np.ndarray) -> np.ndarray:
    """As uint8; floats are fractions of full brightness."""
    return (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8) if values.dtype.kind == "f" else values.astype(np.uint8)


def _npz(content: bytes, scale: float) -> Cloud:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        if not hasattr(arrays, "files") or "xyz" not in arrays.files:
            raise ValueError("it has no array xyz")
        xyz, rgb, label = (arrays[name] if name in arrays.files else None for name in ("xyz", "rgb", "label"))
    if xyz.dtype == np.int16:
        missing = (xyz == NO_POINT).any(axis=-1, keepdims=True)
        xyz = np.where(missing, np.nan, xyz / np.float32(TENTHS))
    elif xyz.dtype.kind not in "fiu":
        raise ValueError(f"its xyz are {xyz.dtype}, not numbers")
    else:
        xyz = xyz * scale
    return Cloud(xyz.astype(np.float32), rgb, label)


def _tiff(content: bytes, scale: float) -> Cloud:
    import tifffile  # with scikit-image; slow to import

    try:
        xyz = tifffile.imread(io.BytesIO(content))
    except Exception as error:  # tifffile raises errors of its own and of its decoders
        raise ValueError(str(error)) from error
    if xyz.ndim != 3 or xyz.shape[2] != 3 or xyz.dtype.kind != "f":
        raise ValueError(f"it holds {xyz.dtype} values of shape {xyz.shape}, not floats of shape (H, W, 3)")
    missing = (xyz == 0).all(axis=2, keepdims=True)
    return Cloud(np.where(missing, np.nan, xyz * scale).astype(np.float32))


READERS: dict[str, Callable[[bytes, float], Cloud]] = {
    ".ply": _table(ply.columns),
    ".pcd": _table(pcd.columns),
    ".npz": _npz,
    ".tif": _tiff,
    ".tiff": _tiff,
}
"""Ending -> reader."""
