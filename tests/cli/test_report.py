"""`adlib report` on a paper's numbers."""

from pathlib import Path

from adlib.cli import main
from adlib.experiments.store import ResultStore
from helpers.made_up_results import EXACT, result


def test_the_command_prints_and_refuses(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ResultStore(tmp_path / "one").put(result(**EXACT))
    assert main(["report", "--paper", "patchcore", "--results", "one", "--out", "p.md"]) == 0
    shown = capsys.readouterr().out
    assert "ONE category of 15 (bottle)" in shown and Path("p.md").read_text() in shown
    for wrong in (
        ["--paper", "padim", "--results", "one"],
        ["--paper", "patchcore", "--results", "two"],
        ["--paper", "patchcore"],
        ["one", "--out", "p.md"],
        [],
    ):
        assert main(["report", *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1
