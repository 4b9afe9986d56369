"""Atomic files, written to a temporary name and renamed when they are complete; and the folder of the caches."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout
from platformdirs import user_cache_dir

from adlib.errors import InputError

NAME_BYTES = 243  # file systems allow names of 255 bytes, and the longest ending is .safetensors


def default_cache_folder() -> Path:
    """`$ADLIB_CACHE`, or else the user's cache folder of this platform."""
    return Path(os.environ.get("ADLIB_CACHE") or user_cache_dir("adlib"))


@contextmanager
def atomic_write(path: str | Path, mode: str = "w", durable: bool = True) -> Iterator[IO[Any]]:
    """Open a temporary file next to `path`; on exit without an error it atomically replaces `path`.

    A reader sees the old content or the new, never a part of it.

    path: the file to write.
    mode: "w" (UTF-8 text) or "wb".
    durable: wait until the content is on the disk, so that it also survives a power cut; caches do not need it.
    Raises InputError where the disk is full or the folder cannot be written; `path` is then unchanged.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror or error}; choose a folder you may write to."
        ) from error
    try:
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner can read
        with os.fdopen(handle, mode, **({} if "b" in mode else {"encoding": "utf-8"})) as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(f"The disk is full: cannot write {path}; free some space and start again.") from error
        if error.errno == errno.EFBIG:
            raise InputError(f"{path} would be larger than this system allows; choose another file system.") from error
        raise
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


@contextmanager
def sole_writer(path: str | Path, way_out: str) -> Iterator[None]:
    """Hold the lock of a file that grows, or is read and then rewritten.

    The lock belongs to the open file `.NAME.lock` next to it, so the system frees it when a process is killed. A second
    writer is refused rather than kept waiting: the first may need hours, and waiting would look like hanging.

    path: the file; its folder is created.
    way_out: what else the user can do, as the end of "wait for it, or ...".
    Raises InputError where another process writes the file, and where the folder cannot be written.
    """
    path = Path(path)
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InputError(f"Another call is writing {path} at this moment; wait for it, or {way_out}.") from None
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror or error}; choose a folder you may write to."
        ) from error
    try:
        yield
    finally:
        lock.release()


def short_name(text: str, most: int = NAME_BYTES) -> str:
    """A text that fits into a file name: longer ones are cut, and end in 8 hex digits that tell them apart.

    text: part of a file name.
    most: largest number of bytes in UTF-8, at least 9.
    Returns the text unchanged where it fits.
    """
    content = text.encode("utf-8", "surrogateescape")
    if len(content) <= most:
        return text
    return f"{content[: most - 9].decode('utf-8', 'ignore')}~{hashlib.sha256(content).hexdigest()[:8]}"


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` atomically as sorted, indented UTF-8 JSON. NaN is refused, since JSON has none."""
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with atomic_write(path) as file:
        file.write(text + "\n")


def sha256_of(path: str | Path) -> str:
    """Hex sha256 of a file's content."""
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
