"""What adlib wrote is marked, so that it is never read as images of a data set.

A user works inside the data folder, where default output folders land too. So a folder with figures, maps or overlays
of adlib holds a hidden text file with their names; files of the user next to them are still read.
"""

from pathlib import Path

from adlib.files import atomic_write

MARKER = ".adlib-output"
PREDICTED = ("maps", "overlays", "scale.png")  # next to predict.json, as `adlib predict` writes them
_EXPLANATION = "# adlib wrote what is named below; it is never read as images. Delete a line to have its file read."


def write_output(path: Path, content: bytes) -> None:
    """Write an image of adlib's own, atomically, and mark it. Raises InputError as `atomic_write` does."""
    mark_output(path.parent, path.name)
    with atomic_write(path, "wb") as file:
        file.write(content)


def mark_output(folder: Path, *names: str) -> None:
    """Mark files or subfolders as adlib's own, before they are written; both need not exist."""
    known = _named_in(folder)
    new = [name for name in names if name not in known]
    if new:
        lines = [_EXPLANATION, *known, *new]
        with atomic_write(folder / MARKER, "wb") as file:
            file.write("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))


def outputs_in(folder: Path) -> frozenset[str]:
    """Names of the files and subfolders of a folder that adlib wrote."""
    predicted = PREDICTED if (folder / "predict.json").is_file() else ()  # folders older than the mark
    return frozenset((*_named_in(folder), *predicted))


def is_output(path: Path) -> bool:
    """Whether adlib wrote a file or folder."""
    return path.name in outputs_in(path.parent)


def _named_in(folder: Path) -> list[str]:
    try:
        text = (folder / MARKER).read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return []
    return [line for line in text.split("\n") if line and not line.startswith("#")]
