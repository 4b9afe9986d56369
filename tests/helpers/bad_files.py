"""Files that users really give to a program: images that are damaged, unusual, or only look so.

Each case ends in correct work or in one clear sentence, and no file is lost. `check` and `predict` print the sentence
in their own output, the other commands in one line on standard error.
"""

import ctypes
import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

RANDOM = np.random.default_rng(0)
SMALL = ("--method", "patchcore", "--resolution", "48", "--set", "coreset=20", "--shots", "2")
_CAPABILITIES_3 = 0x20080522
_READ_ANYTHING = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


def noise(*size: int) -> np.ndarray:
    """(height, width[, channels]) uint8 noise around mid-grey."""
    return RANDOM.integers(90, 160, size, dtype=np.uint8)


def truncated(path: Path) -> None:
    """A PNG without its end."""
    Image.fromarray(noise(64, 64)).save(path, format="PNG")
    path.write_bytes(path.read_bytes()[:-400])


def chunk_lost(path: Path) -> None:
    """A PNG with 30 bytes overwritten by zeros."""
    Image.fromarray(noise(64, 64)).save(path, format="PNG")
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)


def bomb(path: Path) -> None:
    """A PNG whose header claims 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def floats(value: float) -> Callable[[Path], None]:
    """A float TIFF of 0.5 everywhere except one pixel of `value`."""

    def make(path: Path) -> None:
        values = np.full((40, 40), 0.5, dtype=np.float32)
        values[3, 4] = value
        Image.fromarray(values).save(path, format="TIFF")

    return make


def saved(image: Image.Image, kind: str) -> Callable[[Path], None]:
    """An image in a format, whatever the file is called."""
    return lambda path: image.save(path, format=kind)


def broken_exif(path: Path) -> None:
    """A JPEG with invalid EXIF data."""
    Image.fromarray(noise(64, 64, 3)).save(path, format="JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff\x01\x02")


def animated(path: Path) -> None:
    """A GIF of three frames."""
    frames = [Image.fromarray(noise(64, 64)) for _ in range(3)]
    frames[0].save(path, format="GIF", save_all=True, append_images=frames[1:])


def no_rights(path: Path) -> None:
    """An image without read permission."""
    saved(L64, "PNG")(path)
    path.chmod(0)


L64 = Image.fromarray(noise(64, 64))
RGB64 = Image.fromarray(noise(64, 64, 3))
# name of the file, how it is made, and words of the reason why it cannot be read, "" where it can be read
PICTURES = [
    ("truncated.png", truncated, "cut off"),
    ("lost.png", chunk_lost, "damaged"),
    ("zero.png", lambda path: path.write_bytes(b""), "0 bytes"),
    ("text.png", lambda path: path.write_text("not a picture"), "not an image"),
    ("bomb.png", bomb, "pixels"),
    ("nan.tiff", floats(np.nan), "NaN"),
    ("inf.tiff", floats(np.inf), "infinite"),
    ("range.tiff", floats(7.0), "window"),
    ("loop.png", lambda path: path.symlink_to(path.name), "Cannot open"),
    ("dangling.png", lambda path: path.symlink_to("nowhere.png"), "no image"),
    ("rights.png", no_rights, "permission"),
    ("one.png", saved(Image.new("L", (1, 1), 120), "PNG"), ""),
    ("long.png", saved(Image.fromarray(noise(20, 20_000)), "PNG"), ""),
    ("cmyk.jpg", saved(RGB64.convert("CMYK"), "JPEG"), ""),
    ("exif.jpg", broken_exif, ""),
    ("deep.png", saved(Image.fromarray(noise(64, 64).astype(np.uint16) * 256), "PNG"), ""),
    ("float.tiff", floats(0.7), ""),
    ("seen_through.png", saved(RGB64.convert("RGBA"), "PNG"), ""),
    ("palette.png", saved(RGB64.convert("P"), "PNG"), ""),
    ("bits.png", saved(L64.convert("1"), "PNG"), ""),
    ("单个 气孔\n(1).png", saved(L64, "PNG"), ""),
    ("LOUD.PNG", saved(L64, "PNG"), ""),
    ("jpeg_inside.png", saved(RGB64, "JPEG"), ""),
]
CANNOT_BE_READ = [case for case in PICTURES if case[2]]


def name_of(case: tuple) -> str:
    """A case's name in pytest's list."""
    return case[0].replace("\n", "_")


def in_short(value: str | tuple[str, ...]) -> str:
    """Words, or arguments of a call, shortened for pytest's list."""
    return (value if isinstance(value, str) else " ".join(value))[:70]


@contextmanager
def rights_count() -> Iterator[None]:
    """Drop the superuser's right to read any file, where the tests run as superuser."""
    if os.geteuid() != 0 or sys.platform != "linux":
        yield
        return
    system = ctypes.CDLL(None)
    header, sets = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0), (ctypes.c_uint32 * 6)()
    assert system.capget(header, sets) == 0
    before = sets[0]
    sets[0] &= ~_READ_ANYTHING  # of the effective rights; the permitted rights stay, so that they can be restored
    assert system.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = before
        assert system.capset(header, sets) == 0


def place(folder: Path, case: tuple) -> Path:
    """Make the file of a case in a folder."""
    name, make, _ = case
    path = folder / name
    make(path)
    return path


def one_sentence(code: int, err: str) -> str:
    """The one line that a refused call prints on standard error, besides forecasts."""
    lines = [line for line in err.splitlines() if not line.startswith(("Forecast:", "Look at"))]
    assert code == 2 and len(lines) == 1 and lines[0].startswith("adlib: "), (code, err)
    return lines[0]


def refused(call: Callable, places: Mapping[str, Path], arguments: tuple[str, ...], words: str) -> None:
    """A call with bad arguments prints one sentence that contains `words`, and changes none of the given files."""
    before = {name: path.read_bytes() for name, path in places.items() if path.is_file()}
    code, _, err = call(*(places.get(a, a) for a in arguments))
    assert words in one_sentence(code, err)
    assert {name: path.read_bytes() for name, path in places.items() if path.is_file()} == before
    assert not list(Path("runs").rglob("*.json"))
