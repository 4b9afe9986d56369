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

from platformdirs import user_cache_dir

from adlib.errors import InputError


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
