"""Images for the tests of reading images, written and compared."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adlib.data.images import read_image
from adlib.errors import InputError

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (12, 17, 3), dtype=np.uint8)
DEEP = RANDOM.integers(0, 65536, (12, 17), dtype=np.uint16)


def save(path: Path, image, **options) -> Path:
    """Write an array or PIL image; returns its path."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(path, **options)
    return path


def deep_colour_png(pixels: np.ndarray) -> bytes:
    """A 16-bit RGB PNG file, which PIL cannot write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def same(image: Image.Image, expected: np.ndarray) -> bool:
    """Whether an image is plain RGB, has these pixels and no attached information."""
    assert image.mode == "RGB" and type(image) is Image.Image and not image.info
    return np.array_equal(np.asarray(image), expected)


def one_sentence(path, *words: str, reader=read_image) -> str:
    """The one printable sentence, with all these words, with which a path is refused."""
    with pytest.raises(InputError) as caught:
        reader(path)
    text = str(caught.value)
    assert "\n" not in text and text.isprintable() and text.endswith(".")
    for word in words:
        assert word in text
    return text
