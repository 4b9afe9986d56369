"""Files are written whole or not at all."""

from pathlib import Path

import pytest

from adlib.files import atomic_write, write_json


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
