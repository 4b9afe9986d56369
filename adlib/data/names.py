"""Names of files as text: storable, printable on one line, and found again."""

import os
from pathlib import Path

from adlib.errors import InputError


def storable(path: str | os.PathLike) -> str:
    """A path as text that a UTF-8 file can hold: bytes that are no UTF-8 are written as their escapes."""
    return os.fsdecode(path).encode("utf-8", "backslashreplace").decode("utf-8")


def printable(path: str | os.PathLike) -> str:
    """A path as one printable line, whatever bytes its name holds."""
    text = storable(path)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def real_path(path: str | os.PathLike) -> Path:
    """The absolute path of a file or folder; its names may also be given as `printable` or `storable` write them.

    Symbolic links are not resolved. Raises InputError where such a name stands for two files.
    """
    path = Path(os.path.abspath(Path(path).expanduser()))
    found = Path(path.anchor)
    for name in path.parts[1:]:
        found /= _real_name(found, name) if "\\" in name else name
    return found


def _real_name(folder: Path, name: str) -> str:
    try:
        alike = [entry for entry in os.listdir(folder) if printable(entry) == printable(name)]
    except OSError:  # the caller finds that there is no such folder
        alike = []
    if len(alike) > 1:
        raise InputError(f"{printable(folder)} holds {len(alike)} names that are all written {name}; rename one.")
    return alike[0] if alike else name
