"""PCD, the Point Cloud Library's format, version 0.7: ascii or binary."""

import numpy as np

from adlib.data.clouds.tables import ascii_columns, binary_columns, header_and_body

KINDS = {"I": "i", "U": "u", "F": "f"}


def columns(content: bytes) -> tuple[dict[str, np.ndarray], tuple[int, ...]]:
    """Field -> values (N,), and the shape of the points: (N,), or (height, width) where the height is above 1.

    A packed colour becomes red, green and blue. Raises ValueError for a damaged file.
    """
    lines, body = header_and_body(content, b"DATA")
    header = {words[0]: words[1:] for words in lines}
    kind = header["DATA"][0]
    if kind not in ("ascii", "binary"):
        raise ValueError(f"its data are {kind}, and only ascii and binary can be read")
    names = header["FIELDS"]
    repeats = [int(count) for count in header.get("COUNT", ["1"] * len(names))]
    if set(repeats) != {1}:
        raise ValueError("a field has more than one value per point")
    types = ["<" + KINDS[letter] + size for letter, size in zip(header["TYPE"], header["SIZE"], strict=True)]
    width, height = int(header["WIDTH"][0]), int(header["HEIGHT"][0])
    read = ascii_columns if kind == "ascii" else binary_columns
    found = read(body, list(zip(names, types, strict=True)), width * height)
    shape = (width * height,) if height == 1 else (height, width)
    return _unpacked(found), shape


def _unpacked(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """With red, green and blue where there is a packed colour: the lower three bytes of 32 bits, also of a float."""
    packed = found.get("rgb", found.get("rgba"))
    if packed is None:
        return found
    bits = packed.astype("<f4").view("<u4") if packed.dtype.kind == "f" else packed.astype("<u4")
    return found | {name: (bits >> shift) & 255 for name, shift in (("red", 16), ("green", 8), ("blue", 0))}
