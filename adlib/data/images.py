"""Read any image as 8-bit RGB, or refuse it in one sentence (chapter 00, docs/data.md)."""

import hashlib
import math
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from adlib.data.names import printable
from adlib.data.pages import split_page
from adlib.errors import InputError

ImageLike = str | os.PathLike | Image.Image | np.ndarray
Window = tuple[float, float]

MAX_PIXELS = 1_000_000_000
_FULL_SCALE = {"b": 1, "u1": 255, "u2": 65535, "f": 1}
# PIL's pixel limit is global, and a lazily opened image breaks where two threads decode it at once.
_PIL_LOCK = threading.Lock()
_TRANSPARENT = {"LA", "La", "PA", "RGBA", "RGBa"}
_DEEP_COLOUR = "adlib: 16-bit colour"
_ORIENTATION_TAG = 0x0112
_SUBFILE_TAG = 254  # of TIFF: its bit 0 marks a reduced copy of another page
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(image: ImageLike, window: Window | None = None) -> Image.Image:
    """An image as 8-bit RGB, upright (EXIF orientation applied), without metadata.

    Transparent parts are composited on black. Of a file with several pages the first is read, or the page that the path
    names (see `adlib.data.pages`).

    image: path, PIL image, or array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of uint8, uint16, bool or float.
    window: (low, high) in the image's own units, mapped linearly to 0..255 and clipped. Without a window the whole
        range of the type is mapped: 0..65535 for 16 bits (a 12-bit radiograph is then nearly black), 0..1 for floats.
        Colour files of 16 bits are read by their high bytes and take no window.
    Raises InputError where the file is missing, damaged, cut off, larger than MAX_PIXELS or not an image; where,
    without a window, floats are outside [0, 1] or integers outside 16 bits; and for NaN or infinity.
    """
    name = image_name(image)
    if window is not None:
        window = _checked(window)
    if isinstance(image, np.ndarray):
        return Image.fromarray(_to_rgb8(image, window, name))
    decoded = decode_image(image)
    with as_input_error(name):
        if window is not None and decoded.info.get(_DEEP_COLOUR):
            raise InputError(f"{name} has 16-bit colours, which are read by their high bytes; omit the window.")
        if decoded.mode in ("I", "F") or decoded.mode.startswith("I;16"):
            rgb = Image.fromarray(_to_rgb8(_grey_values(decoded, window, name), window, name))
        elif decoded.mode in _TRANSPARENT or "transparency" in decoded.info:
            rgb = Image.fromarray(_to_rgb8(np.asarray(decoded.convert("RGBA")), window, name))
        elif window is not None:
            rgb = Image.fromarray(_to_rgb8(np.asarray(decoded.convert("RGB")), window, name))
        else:
            rgb = decoded.convert("RGB")
    rgb.info = {}  # an orientation tag left here would rotate the image a second time
    return rgb


def content_key(image: ImageLike) -> str:
    """64 hex digits that identify an image by its content: equal for equal files, different for different pixels.

    image: a path gives the sha256 of the file's bytes, and of the page where it names one. A PIL image or an array
        gives the sha256 of mode or type, shape, pixels and whatever else decides its look (palette, transparency,
        orientation).
    Raises InputError if a file cannot be read.
    """
    name = image_name(image)
    if isinstance(image, np.ndarray):
        little = image.astype(image.dtype.newbyteorder("<"), copy=False)
        return hashlib.sha256(f"{little.dtype.str} {image.shape}\n".encode() + little.tobytes()).hexdigest()
    if not isinstance(image, Image.Image):
        place, page = split_page(image)
        with _regular_file(place) as file, as_input_error(name):
            key = hashlib.sha256(file.read()).hexdigest()
        return key if page is None else hashlib.sha256(f"{key} page {page}".encode()).hexdigest()
    with as_input_error(name), _PIL_LOCK:
        palette = (image.palette.mode, image.palette.tobytes()) if image.palette else None
        look = (image.mode, image.size, palette, image.info.get("transparency"), _orientation(image))
        return hashlib.sha256(f"{look}\n".encode() + image.tobytes()).hexdigest()


@dataclass(frozen=True)
class Probe:
    """What `probe_image` finds out about an image file.

    mode: its PIL mode.
    size: (W, H), upright.
    highest: the highest value of a 16-bit image, None for others.
    """

    mode: str
    size: tuple[int, int]
    highest: int | None = None


def probe_image(path: str | os.PathLike) -> Probe:
    """Mode and size of an undamaged image file, in a fraction of the time of decoding it.

    PNG files are checked by their checksums, and JPEG files are decoded at an eighth of their size. Other formats, and
    16-bit images, are decoded. Raises InputError as `read_image` does.
    """
    with _opened(path) as image:
        mode, size = image.mode, image.size
        turned = "exif" in image.info and _orientation(image) >= 5  # by a quarter: width and height change places
        if image.format == "PNG" and not mode.startswith("I"):
            image.verify()
        elif image.format == "JPEG":
            image.draft(None, (size[0] // 8, size[1] // 8))
            image.load()
        else:
            upright = _upright(image)
            highest = upright.getextrema()[1] if mode.startswith("I") else None
            return Probe(mode, upright.size, highest)
    return Probe(mode, size[::-1] if turned else size)


def decode_image(image: str | os.PathLike | Image.Image) -> Image.Image:
    """An image as stored, decoded and upright; a copy of a PIL image. Raises InputError as `read_image` does."""
    if isinstance(image, Image.Image):
        with as_input_error(image_name(image)), _PIL_LOCK:
            _refuse_empty(image)
            return _upright(image)
    with _opened(image) as opened:
        return _upright(opened)


def is_image(path: str | os.PathLike) -> bool:
    """Whether PIL knows a file by its first bytes; the rest may be damaged."""
    try:
        with _opened(path):
            return True
    except InputError:
        return False


def is_turned(path: str | os.PathLike) -> bool:
    """Whether an image file is stored turned or mirrored, by its EXIF data. Raises InputError as `read_image` does."""
    with _opened(path) as image:
        return "exif" in image.info and _orientation(image) != 1


def pages_in(path: str | os.PathLike) -> list[int]:
    """Numbers, from 1, of the pages of an image file; reduced copies of a page in a TIFF are no pages.

    A JPEG file has one page, whatever previews a camera put into it. Raises InputError as `read_image` does.
    """
    with _opened(path) as image:
        if image.format == "MPO":
            return [1]
        return [n for n in range(1, getattr(image, "n_frames", 1) + 1) if _is_page(image, n)]


def _is_page(image: Image.Image, number: int) -> bool:
    image.seek(number - 1)
    return not (getattr(image, "tag_v2", {}).get(_SUBFILE_TAG, 0) & 1)


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator[Image.Image]:
    """An image file with its header read, at the page that the path names; errors inside the block are one sentence."""
    place, page = split_page(path)
    with _regular_file(place) as file, as_input_error(image_name(path)):
        with _PIL_LOCK:  # 89 Mpixel, PIL's own limit, is less than a line-scan camera delivers
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                image = Image.open(file)
            finally:
                Image.MAX_IMAGE_PIXELS = limit
        if image.width * image.height > MAX_PIXELS:
            raise InputError(f"{image_name(path)} has more than {MAX_PIXELS:,} pixels; cut it into parts.")
        _refuse_empty(image)
        if page is not None:
            image.seek(page - 1)
        yield image


@contextmanager
def _regular_file(path: str | os.PathLike) -> Iterator:
    name = image_name(path)
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{name} is a folder, not an image; give the path of a file.")
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            raise InputError(f"{name} is not a regular file; give the path of an image file.")
        if status.st_size == 0:
            raise InputError(f"The image {name} is empty (0 bytes); copy it again.")
        file = open(path, "rb")
    except FileNotFoundError:
        raise InputError(f"There is no image {name}; check the path.") from None
    except PermissionError:
        raise InputError(f"No permission to read the image {name}; change its access rights.") from None
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"Cannot open the image {name}: {reason}; check the path.") from error
    with file:
        yield file


@contextmanager
def as_input_error(name: str) -> Iterator[None]:
    """PIL's decoders raise many exceptions on bad bytes: OSError, SyntaxError, struct.error, IndexError and more."""
    # Some packages switch this on for the whole process; a half-decoded image must not pass for a whole one.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(
            f"{name} is not an image of a known format, or is damaged at its start; save it as PNG, JPEG or TIFF."
        ) from None
    except MemoryError as error:
        raise InputError(f"{name} does not fit into memory; make it smaller.") from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"The image {name} is damaged or cut off ({reason}); copy it again.") from error


def image_name(image: ImageLike) -> str:
    """An image's name for a message: one printable line, whatever the file is called."""
    if isinstance(image, np.ndarray):
        return f"the given array {image.shape}"
    if isinstance(image, Image.Image):
        image = getattr(image, "filename", "") or "the given image"
    if not isinstance(image, str | os.PathLike):
        raise InputError(f"An image is a path, a PIL image or a numpy array, not {type(image).__name__}.")
    return printable(image)


def _refuse_empty(image: Image.Image) -> None:
    if 0 in image.size:
        raise InputError(
            f"{image_name(image)} has no pixels ({image.width} x {image.height}); give an image with pixels."
        )


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 (upright) to 8; 1 where the EXIF data is damaged."""
    try:
        return image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:
        return 1


def _upright(image: Image.Image) -> Image.Image:
    deep = image.mode[0] not in "IF" and any(";16" in str(tile) for tile in getattr(image, "tile", ()))
    image.load()
    if deep:
        image.info[_DEEP_COLOUR] = True
    turn = _UPRIGHT.get(_orientation(image))
    return image.copy() if turn is None else image.transpose(turn)


def _checked(window: Window) -> Window:
    try:
        low, high = (float(v) for v in window)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"A window is two finite numbers (low, high) with low < high, not {window!r}.")
    return low, high


def _grey_values(image: Image.Image, window: Window | None, name: str) -> np.ndarray:
    values = np.asarray(image)
    if image.mode == "I":  # 32-bit integers; older PIL versions also read 16-bit PNG files so
        if window is not None:
            return values.astype(np.float64)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(
                f"The values of {name} run from {values.min()} to {values.max()}, beyond 16 bits;"
                " give a window=(low, high)."
            )
    return values.astype(np.float32 if image.mode == "F" else np.uint16)


def _to_rgb8(values: np.ndarray, window: Window | None, name: str) -> np.ndarray:
    """(H, W) or (H, W, 1|3|4) of any accepted type -> (H, W, 3) uint8."""
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (1, 3, 4)):
        raise InputError(f"An image array is (H, W) or (H, W, 1|3|4), but {name} is not.")
    if values.size == 0:
        raise InputError(f"{name} has no pixels; give an image with pixels.")
    kind = values.dtype.kind
    full_scale = _FULL_SCALE.get(kind) or _FULL_SCALE.get(f"{kind}{values.dtype.itemsize}")
    if full_scale is None:
        raise InputError(f"An image array is uint8, uint16, bool or float, but {name} is {values.dtype}; convert it.")
    if kind == "f":
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise InputError(f"{name} holds NaN or infinite values; replace them first.")
        if window is None and not (low >= 0 and high <= 1):
            raise InputError(
                f"The values of {name} run from {low:g} to {high:g}, not 0 to 1; give a window=(low, high)."
            )
    if values.ndim == 2:
        values = values[..., None]
    rgb = _eight_bits(values[..., :3], window or (0, full_scale))
    if values.shape[2] == 4:
        opacity = _eight_bits(values[..., 3:], (0, full_scale))
        rgb = ((rgb.astype(np.uint16) * opacity + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(rgb, (*rgb.shape[:2], 3)))


def _eight_bits(values: np.ndarray, window: Window) -> np.ndarray:
    """Map low..high to 0..255, clipped and rounded."""
    if values.dtype == np.uint8 and window == (0, 255):
        return values
    if values.dtype.kind == "f":
        return _scale(values, window)
    # A lookup table: exact, and without a float copy of a large image.
    levels = np.arange(np.iinfo(values.dtype).max + 1) if values.dtype.kind == "u" else np.arange(2)
    return _scale(levels, window)[values.astype(np.intp if values.dtype.kind == "b" else values.dtype, copy=False)]


def _scale(values: np.ndarray, window: Window) -> np.ndarray:
    low, high = window
    return (np.clip((values - low) / (high - low), 0, 1) * 255 + 0.5).astype(np.uint8)
