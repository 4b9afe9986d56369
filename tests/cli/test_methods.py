"""`adlib methods`: a line for each detector, and the chapters that it names exist."""

from pathlib import Path

import pytest

from adlib.cli import main
from adlib.detectors import DETECTORS

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def test_each_method_has_one_line(capsys):
    assert main(["methods"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["method", "family", "chapter", "what", "it", "is"]
    assert sorted(line.split()[0] for line in lines) == sorted(DETECTORS)
    (patchcore,) = [line for line in lines if line.startswith("patchcore ")]
    assert patchcore.split(maxsplit=4)[1:4] == ["memory", "bank", "06"] and "coreset" in patchcore


def test_as_markdown(capsys):
    assert main(["methods", "--markdown"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(DETECTORS)


@pytest.mark.parametrize("method", DETECTORS.values(), ids=lambda method: method.name)
def test_family_and_chapter(method):
    assert method.family and list(NOTEBOOKS.glob(f"{method.chapter}_*.ipynb"))
