"""Archives that nobody vouched for: whole and plain ones unpack, all others leave nothing outside their folder."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from adlib.data.fetch.archives import unpack
from adlib.errors import InputError

FILES = {"a/plain.txt": b"content", "a/b/缺陷.txt": bytes(range(256)) * 500, "empty": b""}


def tar_of(path: Path, members: list[tarfile.TarInfo], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, 1 if kind == tarfile.REGTYPE else 0
    return info


@pytest.fixture
def into(tmp_path) -> Path:
    folder = tmp_path / "outer" / "into"
    folder.mkdir(parents=True)
    return folder


def below(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar_archives_unpack(tmp_path, into, mode):
    with tarfile.open(tmp_path / "a", mode) as tar:
        tar.addfile(member("a/folder", tarfile.DIRTYPE))
        for name, content in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    unpack(tmp_path / "a", into)
    assert below(into) == FILES and (into / "a" / "folder").is_dir()


def test_zip_archives_unpack(tmp_path, into):
    with zipfile.ZipFile(tmp_path / "a", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a/folder/", b"")
        for name, content in FILES.items():
            zipped.writestr(name, content)
    unpack(tmp_path / "a", into)
    assert below(into) == FILES and (into / "a" / "folder").is_dir()


@pytest.mark.parametrize(
    "bad,what",
    [
        (member("../evil"), "a path outside"),
        (member("a/../../evil"), "a path outside"),
        (member("..\\evil"), "a path outside"),
        (member("/tmp/evil-of-adlib"), "a path outside"),
        (member("C:/evil"), "a path outside"),
        (member("evil", tarfile.SYMTYPE, "/etc/passwd"), "a link"),
        (member("evil", tarfile.SYMTYPE, "good"), "a link"),  # even one that stays inside
        (member("evil", tarfile.LNKTYPE, "good"), "a link"),
        (member("evil", tarfile.CHRTYPE), "a device"),
        (member("evil", tarfile.BLKTYPE), "a device"),
        (member("evil", tarfile.FIFOTYPE), "a device"),
    ],
)
def test_malicious_tar_archives_are_refused(tmp_path, into, bad, what):
    archive = tar_of(tmp_path / "a.tar", [member("good"), bad, member("after")])
    with pytest.raises(InputError, match=f"holds {what}.*do not use this archive"):
        unpack(archive, into)
    assert set(below(tmp_path)) <= {"a.tar", "outer/into/good"}
    assert not Path("/tmp/evil-of-adlib").exists()


def test_a_link_is_not_written_through(tmp_path, into):
    archive = tar_of(tmp_path / "a.tar", [member("way", tarfile.SYMTYPE, str(tmp_path)), member("way/evil")])
    with pytest.raises(InputError, match="a link"):
        unpack(archive, into)
    assert set(below(tmp_path)) == {"a.tar"}


@pytest.mark.parametrize(
    "name,kind,what",
    [
        ("../evil", stat.S_IFREG, "a path outside"),
        ("a/../../evil", 0, "a path outside"),
        ("..\\evil", 0, "a path outside"),
        ("/tmp/evil-of-adlib", stat.S_IFREG, "a path outside"),
        ("D:evil", 0, "a path outside"),
        ("evil", stat.S_IFLNK, "a link"),
        ("evil", stat.S_IFCHR, "a device"),
        ("evil", stat.S_IFIFO, "a device"),
    ],
)
def test_malicious_zip_archives_are_refused(tmp_path, into, name, kind, what):
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o644) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr("good", b"x")
        zipped.writestr(info, b"/etc/passwd")
    with pytest.raises(InputError, match=f"holds {what}"):
        unpack(tmp_path / "a.zip", into)
    assert set(below(tmp_path)) == {"a.zip"}  # a zip is looked through before anything is written
    assert not Path("/tmp/evil-of-adlib").exists()


def test_an_encrypted_zip_is_refused(tmp_path, into):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr("secret", b"x")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the table of contents
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match="encrypted"):
        unpack(tmp_path / "a.zip", into)


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
def test_half_a_tar_is_called_damaged(tmp_path, into, mode):
    random = bytes((i * i * 31 + i) % 251 for i in range(200_000))
    info = tarfile.TarInfo("big")
    info.size = len(random)
    with tarfile.open(tmp_path / "a", mode) as tar:
        tar.addfile(info, io.BytesIO(random))
    whole = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="download it again"):
        unpack(tmp_path / "a", into)


def test_a_zip_with_wrong_bytes_is_called_damaged(tmp_path, into):
    with zipfile.ZipFile(tmp_path / "a", "w") as zipped:
        zipped.writestr("file", b"content" * 100)
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes().replace(b"contentcontent", b"cOntentcontent", 1))
    with pytest.raises(InputError, match="damaged.*download it again"):
        unpack(tmp_path / "a", into)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\x03\x04 half a zip"])
def test_what_is_no_archive_is_said_to_be_none(tmp_path, into, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match="neither a tar nor a zip"):
        unpack(tmp_path / "a", into)
