"""A folder that appears under its name when it is whole, or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from adlib.data.images import printable
from adlib.errors import InputError
from adlib.progress import progress

_FULL = (errno.ENOSPC, errno.EDQUOT)


def refuse_existing(destination: Path) -> None:
    """InputError where something lies at `destination` already; an empty folder is nothing."""
    if destination.is_dir() and not any(destination.iterdir()):
        return
    if os.path.lexists(destination):
        raise InputError(f"{printable(destination)} exists already; give another folder, or verify it with --check.")


@contextmanager
def building(destination: Path) -> Iterator[Path]:
    """A working folder beside `destination`; what was put into its subfolder `made` gets that name at the end.

    The working folder is `.<name>.part` and goes away on every way out; what a killed process left is removed by the
    next one. Two processes that want the same name take turns, and the second one is refused.
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
                    destination.rmdir()  # an empty one: Windows renames onto nothing
                os.rename(staging / "made", destination)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        if error.errno in _FULL:
            raise InputError(
                f"The disk is full: {printable(destination)} was not made; free some space and start again."
            ) from error
        raise InputError(f"{printable(destination)} was not made: {error}; mend this and start again.") from error


def copy_below(source: Path, target: Path) -> None:
    """Copy a file, or a folder with all it holds; contents only, so that a read-only original gives writable copies.

    Links are followed; a link to a folder above is an OSError of the system ('too many levels').
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
    """The same for what is ours to move."""
    target.parent.mkdir(parents=True, exist_ok=True)
    os.rename(source, target)
