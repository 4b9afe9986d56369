"""Content keys are right whatever happened to a file or to the memory, and unchanged files are not read again."""

import hashlib
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adlib.data import contents
from adlib.data.contents import FILE, TICK_NS, content_keys
from adlib.errors import InputError
from helpers.bad_files import rights_count


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("ADLIB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three files of one size."""
    made = [tmp_path / f"{name}.bmp" for name in ("a", "b", "图")]
    for number, path in enumerate(made):
        path.write_bytes(b"%d" % number * 5)
    return made


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Which files were read."""
    seen, content_key = [], contents.content_key
    monkeypatch.setattr(contents, "content_key", lambda path: seen.append(path) or content_key(path))
    return seen


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """All files of this test are older than a tick of the clock."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 2 * TICK_NS)


def keys(paths: list[Path]) -> dict[Path, str]:
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_unchanged_files_are_read_once(cache, files, read, later):
    assert content_keys(files) == keys(files) and read == files
    assert content_keys([*files, *files]) == keys(files) and read == files
    relative = Path(os.path.relpath(files[0]))
    assert content_keys([relative])[relative] == keys(files)[files[0]] and read == files


def test_a_file_that_has_just_changed_is_not_remembered(cache, files, read):
    """A second change within the tick would leave the same size and times."""
    assert content_keys(files) == content_keys(files) == keys(files) and read == 2 * files
    os.utime(files[0], (0, 0))  # the time of the last change of its entry is still now
    content_keys(files[:1])
    assert content_keys(files[:1]) == keys(files[:1]) and read == 2 * files + 2 * files[:1]


def test_a_touched_file_is_read_again(cache, files, read, later):
    content_keys(files)
    os.utime(files[1], (1, 1))
    assert content_keys(files) == keys(files) and read == [*files, files[1]]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no time of the last change but the one that is set back")
def test_a_file_rewritten_with_its_old_size_and_time_is_read_again(cache, files, later):
    content_keys(files)
    before = files[0].stat()
    files[0].write_bytes(b"other")
    os.utime(files[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert files[0].stat().st_mtime_ns == before.st_mtime_ns and content_keys(files) == keys(files)


def test_exchanged_files_of_equal_size_and_time_are_read_again(cache, files, later):
    for path in files:
        os.utime(path, (1, 1))
    first = content_keys(files)
    files[0].rename(files[0].with_suffix(".tmp"))
    files[1].rename(files[0])
    files[0].with_suffix(".tmp").rename(files[1])
    assert content_keys(files) == keys(files) != first


def test_a_long_list_is_remembered_by_and_by(cache, files, read, later, monkeypatch):
    monkeypatch.setattr(contents, "BLOCK", 2)
    files[2].unlink()
    with pytest.raises(InputError, match="There is no image"):
        content_keys(files)
    files[2].write_bytes(b"again")
    assert content_keys(files) == keys(files) and read == [*files, files[2]]


DAMAGE = {"cut off": lambda whole: whole[:100], "zeros": lambda whole: bytes(len(whole)), "text": lambda _: b"no" * 999}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_memory_is_made_again(cache, files, read, later, damage):
    content_keys(files)
    (cache / FILE).write_bytes(damage((cache / FILE).read_bytes()))
    for _ in range(3):
        assert content_keys(files) == keys(files)
    assert len(read) <= 3 * len(files)  # damage may take one call to be removed; after that files are remembered


def test_a_memory_of_another_form_is_left_alone(cache, files, later):
    cache.mkdir()
    sqlite3.connect(cache / FILE).execute("CREATE TABLE contents (other)").connection.close()
    assert content_keys(files) == content_keys(files) == keys(files)


def test_a_locked_memory_does_not_stop_the_work(cache, files, read, later, monkeypatch):
    monkeypatch.setattr(contents, "WAIT_S", 0.01)
    content_keys(files)
    with sqlite3.connect(cache / FILE, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert content_keys(files) == keys(files) and read == 2 * files
    other.close()
    assert content_keys(files) == keys(files) and read == 2 * files


def test_a_memory_that_cannot_be_written_is_still_read(cache, files, read, later, monkeypatch):
    content_keys(files[:2])
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda file, **how: connect(f"{file.as_uri()}?mode=ro", uri=True, **how))
    for _ in range(2):
        assert content_keys(files) == keys(files)
    assert read == [*files, files[2]]


@pytest.mark.skipif(sys.platform == "win32", reason="access rights do not protect a folder")
def test_a_folder_that_cannot_be_written_does_not_stop_the_work(cache, files, read, later):
    for kept in (0, 2):  # without a memory, and with one
        if kept:
            cache.chmod(0o755)
            content_keys(files[:kept])
            (cache / FILE).chmod(0o444)
        cache.mkdir(exist_ok=True)
        cache.chmod(0o555)
        read.clear()
        with rights_count():
            assert content_keys(files) == keys(files) and read == files[kept:]


def test_a_full_disk_does_not_stop_the_work(cache, files, later, monkeypatch):
    def connect(*_, **__):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", connect)
    assert content_keys(files) == keys(files)


def test_no_place_for_a_memory_does_not_stop_the_work(files, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ADLIB_CACHE", str(tmp_path / "file"))
    assert content_keys(files) == keys(files)


def test_two_processes_share_one_memory(cache, tmp_path):
    many = [tmp_path / f"{number}" for number in range(400)]
    for number, path in enumerate(many):
        path.write_bytes(b"%04d" % number)
    program = (
        "import sys, time; from pathlib import Path; from adlib.data import contents; now = time.time_ns\n"
        "time.time_ns = lambda: now() + 10**10; contents.BLOCK = 7\n"
        "print(sorted(contents.content_keys(map(Path, sys.argv[1:])).values()))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, *map(str, many)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate()[0].strip() for process in running] == 2 * [str(sorted(keys(many).values()))]
    with sqlite3.connect(cache / FILE) as memory:
        assert memory.execute("SELECT COUNT(*) FROM contents").fetchone() == (len(many),)
    memory.close()


@pytest.mark.parametrize("content, match", [(None, "There is no image"), (b"", r"is empty \(0 bytes\)")])
def test_what_cannot_be_read_is_named(cache, files, later, content, match):
    content_keys(files)
    files[1].unlink()
    if content is not None:
        files[1].write_bytes(content)
    with pytest.raises(InputError, match=f"{match}.*b.bmp|b.bmp {match}"):
        content_keys(files)
