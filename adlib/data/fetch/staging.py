"""Create a folder atomically: it appears under its name when it is complete, or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from adlib.data.names import printable
from adlib.errors import InputError
from adlib.progress import progress

_FULL = (errno.ENOSPC, errno.EDQUOT)


def refuse_existing(destination: Path) -> None:
    """Raise InputError where `destination` exists already; an empty folder does not count."""
    if destination.is_dir() and not any(destination.iterdir()):
        return
    if os.path.lexists(destination):
        raise InputError(f"{printable(destination)} exists already; give another folder, or verify it with --check.")


@contextmanager
def building(destination: Path) -> Iterator[Path]:
    """A working folder next to `destination`; at the end its subfolder `made` is renamed to `destination`.

    The working folder is `.<name>.part` and is removed on every exit; leftovers of a killed process are removed by the
    next one. Two processes with the same destination take turns, and the second is refused.

    destination: the folder to create.
    Raises InputError where `destination` exists, the disk is full or a file cannot be read or written.
    """
    destination = Path(os.path.abspath(destination))
    staging = destination.with_name(f".{destination.name}.part")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(destination.with_name(f".{destination.name}.lock")):
            refuse_existing(destination)
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir()
            try:
                yield staging
                if destination.is_dir():
                    destination.rmdir()  # it is empty: Windows cannot rename onto a folder
                os.rename(staging / "made", destination)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        if error.errno in _FULL:
            raise InputError(
                f"The disk is full: {printable(destination)} was not made; free some space and start again."
            ) from error
        raise InputError(f"{printable(destination)} was not made: {error}; fix this and start again.") from error


def copy_below(source: Path, target: Path) -> None:
    """Copy a file, or a folder with all its files; contents only, so that a read-only original gives writable copies.

    Links are followed; a link to a parent folder raises the system's OSError ('too many levels').
    """
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return
    for folder, _, names in progress(os.walk(source, followlinks=True), label=f"copying {source.name}", unit="dir"):
        below = target / Path(folder).relative_to(source)
        below.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copyfile(Path(folder) / name, below / name)


def move_below(source: Path, target: Path) -> None:
    """Move a file or a folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    os.rename(source, target)
