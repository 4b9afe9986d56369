"""What PLY and PCD share: a header of words, then one row per point, as text or as bytes."""

import numpy as np

LONGEST_HEADER = 65536  # bytes

Fields = list[tuple[str, str]]  # name and numpy type of each value of a row


def header_and_body(content: bytes, last: bytes) -> tuple[list[list[str]], bytes]:
    """Words of the lines of a header without comments, to the line that begins with `last`, and the bytes after it."""
    lines, start = [], 0
    while start < min(len(content), LONGEST_HEADER):
        end = content.find(b"\n", start)
        line = content[start : end if end >= 0 else len(content)]
        start = end + 1 if end >= 0 else len(content)
        words = line.decode("ascii", errors="replace").split()
        if words and words[0] not in ("comment", "obj_info") and not words[0].startswith("#"):
            lines.append(words)
        if line.startswith(last):
            return lines, content[start:]
    raise ValueError(f"its header has no line {last.decode()!r}")


def binary_columns(body: bytes, fields: Fields, count: int) -> dict[str, np.ndarray]:
    """Name -> (count,) values of rows of bytes."""
    row = np.dtype(fields)
    _require(count, len(body) // max(row.itemsize, 1))
    values = np.frombuffer(body, dtype=row, count=count)
    return {name: values[name] for name, _ in fields}


def ascii_columns(body: bytes, fields: Fields, count: int) -> dict[str, np.ndarray]:
    """Name -> (count,) values of lines of words."""
    rows = [words for line in body.splitlines() if (words := line.split())][: max(count, 0)]
    _require(count, len(rows))
    if any(len(words) < len(fields) for words in rows):
        raise ValueError(f"a point has fewer than {len(fields)} values")
    # By way of Python's numbers: an integer of 32 bits does not fit a 32-bit float.
    return {
        name: np.array([float(words[column]) for words in rows]).astype(kind)
        for column, (name, kind) in enumerate(fields)
    }


def _require(count: int, there: int) -> None:
    if count < 1:
        raise ValueError("it has no points")
    if there < count:
        raise ValueError(f"it ends after {there:,} of {count:,} points")
