"""PLY (Turk 1994, 'The PLY Polygon File Format'): the vertices, ascii or binary; faces are left out."""

import numpy as np

from adlib.data.clouds.tables import ascii_columns, binary_columns, header_and_body

# Both the old and the new names of the types are in use.
TYPES = {
    "char": "i1",
    "uchar": "u1",
    "short": "i2",
    "ushort": "u2",
    "int": "i4",
    "uint": "u4",
    "float": "f4",
    "double": "f8",
}
TYPES |= {"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"}
TYPES |= {"float32": "f4", "float64": "f8"}
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


def columns(content: bytes) -> tuple[dict[str, np.ndarray], tuple[int, ...]]:
    """Property -> values (N,) of the vertices, and the shape (N,). Raises ValueError for a damaged file."""
    lines, body = header_and_body(content, b"end_header")
    if not lines or lines[0] != ["ply"]:
        raise ValueError("it does not begin with 'ply'")
    kind = next((words[1] for words in lines if words[0] == "format"), "missing")
    if kind not in ORDERS:
        raise ValueError(f"its format is {kind}")
    count, fields = _vertices(lines, ORDERS[kind])
    read = ascii_columns if kind == "ascii" else binary_columns
    return read(body, fields, count), (count,)


def _vertices(lines: list[list[str]], order: str) -> tuple[int, list[tuple[str, str]]]:
    """Number of the vertices, and (name, type) of their properties."""
    elements = [i for i, words in enumerate(lines) if words[0] == "element"]
    if not elements or lines[elements[0]][1] != "vertex":
        raise ValueError("its first element is not 'vertex'")
    end = elements[1] if len(elements) > 1 else len(lines)
    properties = [words for words in lines[elements[0] + 1 : end] if words[0] == "property"]
    if any(words[1] not in TYPES for words in properties):
        raise ValueError("a property of its vertices is a list or of an unknown type")
    return int(lines[elements[0]][2]), [(words[2], order + TYPES[words[1]]) for words in properties]
