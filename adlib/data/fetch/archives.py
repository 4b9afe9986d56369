"""Unpack an untrusted archive: only plain files and folders inside the target, or nothing at all."""

import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from adlib.data.names import printable
from adlib.errors import InputError
from adlib.progress import progress

_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar (plain, gz, bz2, xz) or zip archive into `folder`.

    archive: the file.
    folder: the target folder; after an error it holds what was unpacked so far, and the caller removes it (as
        `building` does).
    Raises InputError for a file of another kind, for a damaged or encrypted archive, and for one that holds a path
    outside `folder`, a link or a device.
    """
    try:
        if tarfile.is_tarfile(archive):
            _unpack_tar(archive, folder)
        elif zipfile.is_zipfile(archive):
            _unpack_zip(archive, folder)
        else:
            raise InputError(
                f"{printable(archive)} is neither a tar nor a zip archive, or only a part of one; download it again."
            )
    except _DAMAGED as error:
        raise InputError(f"{printable(archive)} is damaged ({error}); remove it and download it again.") from error


def _unpack_tar(archive: Path, folder: Path) -> None:
    if not hasattr(tarfile, "data_filter"):  # came with the security releases 3.10.12, 3.11.4 and 3.12
        raise InputError("This Python unpacks tar archives unsafely; use 3.10.12, 3.11.4 or newer.")
    with tarfile.open(archive) as tar:
        for member in progress(tar, label=f"unpacking {archive.name}", unit="file"):
            _refuse_outside(archive, member.name)
            if not (member.isreg() or member.isdir()):  # the filter allows links that stay inside; no data set has any
                _refuse(archive, member.name, "a link" if member.issym() or member.islnk() else "a device")
            tar.extract(member, folder, filter="data")


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as zipped:
        members = zipped.infolist()
        for member in members:
            _refuse_outside(archive, member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where the archive was not made on Unix
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                _refuse(archive, member.filename, "a link" if kind == stat.S_IFLNK else "a device")
            if member.flag_bits & 1:
                raise InputError(f"{printable(archive)} is encrypted; decrypt it by hand and give the folder.")
        for member in progress(members, label=f"unpacking {archive.name}", unit="file"):
            target = folder / member.filename
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with zipped.open(member) as source, open(target, "wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
            except NotImplementedError as error:
                raise InputError(f"{printable(archive)} cannot be unpacked ({error}); unpack it by hand.") from error


def _refuse_outside(archive: Path, name: str) -> None:
    # A backslash separates folders on Windows, and a colon names a drive or a stream there.
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or re.match(r"[A-Za-z]:", name) or "\0" in name:
        _refuse(archive, name, "a path outside the data set")


def _refuse(archive: Path, name: str, what: str) -> None:
    raise InputError(
        f"{printable(archive)} holds {what} ({printable(name)}), which no data set needs; nothing was kept, do not use"
        " this archive."
    )
