"""Files are written whole or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from adlib.errors import InputError
from adlib.files import atomic_write, short_name, sole_writer, write_json


def test_atomic_write_keeps_the_old_content_when_it_fails(tmp_path: Path):
    target = tmp_path / "数据.json"
    write_json(target, {"a": 1})
    before = target.read_bytes()
    with pytest.raises(RuntimeError), atomic_write(target) as file:
        file.write("half of")
        raise RuntimeError
    assert target.read_bytes() == before and list(tmp_path.iterdir()) == [target]


def test_json_with_nan_is_refused(tmp_path: Path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not list(tmp_path.iterdir())


def test_one_writer_at_a_time(tmp_path: Path):
    path = tmp_path / "new" / "table.csv"
    with sole_writer(path, "take a break"):
        with pytest.raises(InputError, match=r"Another call is writing .*table\.csv .*, or take a break\."):
            with sole_writer(path, "take a break"):
                pass
    with sole_writer(path, "take a break"):
        path.write_text("free again", encoding="utf-8")


def test_a_killed_writer_blocks_nobody(tmp_path: Path):
    path = tmp_path / "table.csv"
    code = (
        "import sys, time; from adlib.files import sole_writer\n"
        "with sole_writer(sys.argv[1], ''): print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(InputError, match="Another call"), sole_writer(path, "wait"):
        pass
    holder.kill()
    holder.communicate()
    with sole_writer(path, "wait"):
        pass


def test_a_name_that_is_too_long_is_cut_between_characters_and_stays_its_own(tmp_path: Path):
    names = [short_name("焊缝" * 100 + end, 60) for end in "ab"]
    assert names[0] != names[1] and all(name.startswith("焊缝" * 8) for name in names)
    assert all(50 < len(name.encode()) <= 60 for name in names)
    assert short_name("焊缝" * 10, 60) == "焊缝" * 10
    for name in (short_name("😀" * 100), short_name("\udcf6" * 300)):
        write_json(tmp_path / f"{name}.safetensors", {})
