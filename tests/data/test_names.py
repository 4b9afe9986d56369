"""Names of files as one printable line."""

from pathlib import Path

from adlib.data.names import printable


def test_printable():
    assert printable("单个气孔/a b.png") == "单个气孔/a b.png"
    assert printable(Path("a\nb\x1b[0m")) == "a\\nb\\x1b[0m"
