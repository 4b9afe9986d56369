"""Download a file completely or not at all: resumed after an interruption, verified, renamed at the end."""

import errno
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from adlib.errors import InputError
from adlib.files import sha256_of
from adlib.progress import progress

_PAUSES = (0.5, 2.0, 8.0)  # seconds before each further attempt
_TIMEOUT = 30.0  # seconds without a byte until the connection counts as broken
_BROKEN = (http.client.HTTPException, OSError)  # OSError: resets, timeouts, TLS errors and urllib's URLError
_FULL = (errno.ENOSPC, errno.EDQUOT)


class DownloadError(InputError):
    """A file could not be downloaded; `reason` says why in a few words."""

    def __init__(self, url: str, reason: str, advice: str) -> None:
        super().__init__(f"Cannot download {url}: {reason}; {advice}.")
        self.reason = reason


def download(
    url: str,
    destination: str | Path,
    sha256: str | None = None,
    sha256_prefix: str | None = None,
    show_progress: bool = True,
) -> Path:
    """Fetch `url` into the file `destination` and return its path.

    The bytes go to `<destination>.part`, which is renamed when it is complete. So readers never see half a file, and a
    later call resumes an interrupted one. Processes that want the same file wait for the first one. An existing file is
    kept if it passes the check (any content does without a sha256) and replaced otherwise.

    url: http or https address.
    destination: the file to write.
    sha256: all 64 hex digits of the content, where known.
    sha256_prefix: its first digits, where only they are known.
    show_progress: whether to show a progress bar.
    Raises DownloadError (an InputError) for a missing page, no connection, wrong bytes or a full disk.
    """
    destination = Path(destination)
    expected = (sha256 or sha256_prefix or "").lower()
    if not url.startswith(("http://", "https://")):
        raise DownloadError(url, "not an http or https address", "give the full address")
    if matches(destination, expected):
        return destination
    part = destination.with_name(destination.name + ".part")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(destination.with_name(f".{destination.name}.lock")):
            if not matches(destination, expected):  # another process may have finished while we waited
                _fetch(url, part, show_progress)
                if not matches(part, expected):
                    digest = sha256_of(part)
                    part.unlink()
                    raise DownloadError(url, f"wrong bytes (sha256 {digest}, not {expected}...)", "try again later")
                os.replace(part, destination)
    except OSError as error:
        reason = "the disk is full" if error.errno in _FULL else f"{destination} cannot be written ({error})"
        raise DownloadError(url, reason, "free some space or choose another folder") from error
    return destination


def matches(path: Path, expected: str) -> bool:
    """Whether `path` is a file whose hex sha256 begins with `expected` ("" fits every file)."""
    return path.is_file() and (not expected or sha256_of(path).startswith(expected))


def _fetch(url: str, part: Path, show_progress: bool) -> None:
    """Fill `part` up to the length that the server states, in at most len(_PAUSES) + 1 attempts."""
    with progress(label=part.name.removesuffix(".part"), unit="B", show=show_progress) as bar:
        bar.unit_scale = True
        for pause in (*_PAUSES, None):
            had = part.stat().st_size if part.exists() else 0
            try:
                return _attempt(url, part, bar)
            except urllib.error.HTTPError as error:
                reason = f"the server answers {error.code} {error.reason}"
                hopeless = error.code < 500 and error.code != 429
            except _BROKEN as error:
                if isinstance(error, OSError) and error.errno in _FULL:
                    raise
                reason = f"incomplete answer ({getattr(error, 'reason', None) or error or type(error).__name__})"
                arrived = part.exists() and part.stat().st_size != had
                # Without a network the first attempt is enough; retry only where bytes have arrived before.
                hopeless = isinstance(error, urllib.error.URLError) and not arrived and not had
            if hopeless or pause is None:
                raise DownloadError(url, reason, "check the address and the network, then start again")
            time.sleep(pause)


def _attempt(url: str, part: Path, bar: tqdm) -> None:
    """One request for the rest of `part`. Returns when it is complete; raises one of `_BROKEN` otherwise."""
    had = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "adlib", "Accept-Encoding": "identity"}
    if had:
        headers["Range"] = f"bytes={had}-"
    try:
        # Python's own `urlopen` keeps the proxies of its first call, and a notebook's user may set one after a failure.
        answer = urllib.request.build_opener().open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        # There is nothing beyond what we have: it is either the whole file or the rest of another one.
        if error.headers.get("Content-Range") == f"bytes */{had}":
            return
        part.unlink()
        return _attempt(url, part, bar)
    with answer:
        start, total = _span(answer)
        if start not in (0, had):
            part.unlink()
            raise http.client.HTTPException(f"asked for byte {had}, got byte {start}")
        bar.total, bar.n = total, start
        with open(part, "ab" if start else "wb") as file:
            while block := answer.read(1 << 18):
                file.write(block)
                bar.update(len(block))
    size = part.stat().st_size
    if total is not None and size != total:
        if size > total:
            part.unlink()
        raise http.client.HTTPException(f"{size} of {total} bytes")


def _span(answer: http.client.HTTPResponse) -> tuple[int, int | None]:
    """Offset of the answer's bytes in the file, and the length of the whole file (None where it is not stated)."""
    if answer.status == 206:
        content_range = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if content_range is None:
            raise http.client.HTTPException("a partial answer without its range")
        return int(content_range[1]), None if content_range[2] == "*" else int(content_range[2])
    length = answer.headers.get("Content-Length")
    return 0, None if length is None else int(length)
