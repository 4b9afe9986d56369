"""`adlib report FOLDER ...`: folders stand alone, with --paper as without."""

from pathlib import Path

import pytest

from adlib.cli import main
from adlib.experiments.store import ResultStore
from helpers.made_up_results import EXACT, result

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture
def bottle(tmp_path, monkeypatch) -> Path:
    """A working folder in which `results/` holds the committed rows of MVTec AD's bottle."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").symlink_to(RESULTS / "mvtec/backbones")
    return tmp_path


def test_with_a_paper_folders_are_positional_and_results_is_the_default(bottle, capsys):
    assert main(["report", "--paper", "patchcore", "results"]) == 0
    named = capsys.readouterr().out
    assert main(["report", "--paper", "patchcore"]) == 0
    assert capsys.readouterr().out == named and "ONE category of 15 (bottle)" in named


def test_the_old_way_works_and_says_what_to_write(bottle, capsys):
    assert main(["report", "--paper", "patchcore", "--results", "results"]) == 0
    captured = capsys.readouterr()
    assert "bottle" in captured.out and "adlib report FOLDER" in captured.err and captured.err.count("\n") == 1


def test_several_folders_make_one_table(bottle, capsys):
    by = ["--by", "dataset", "method", "backbone", "option.resize", "option.crop", "option.coreset"]
    assert main(["report", "results", str(RESULTS / "elpv/sweep"), *by, "shots"]) == 0
    out = capsys.readouterr().out
    assert "mvtec" in out and "elpv" in out


def test_no_folder_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for arguments in (["report"], ["report", "gone"], ["report", "--paper", "patchcore"]):
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert said.startswith("adlib: ") and said.count("\n") == 1


def test_the_command_prints_and_refuses(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ResultStore(tmp_path / "one").put(result(**EXACT))
    assert main(["report", "--paper", "patchcore", "one", "--out", "p.md"]) == 0
    shown = capsys.readouterr().out
    assert "ONE category of 15 (bottle)" in shown and Path("p.md").read_text() in shown
    for wrong in (
        ["--paper", "patchcore", "two"],
        ["--paper", "patchcore"],
        ["one", "--out", "p.md"],
        [],
    ):
        assert main(["report", *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1
