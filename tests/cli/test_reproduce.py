"""`adlib reproduce` on a toy set."""

from pathlib import Path

import pytest

from adlib.cli import main
from adlib.experiments.store import ResultStore


@pytest.mark.slow
def test_patchcore_by_the_command_line(toy_root, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["reproduce", "patchcore", "--data", str(toy_root), "--category", "nut"]
    words += ["--backbone", "efficientnet_lite0", "--coreset", "0.1"]
    assert main([*words, "--plan"]) == 0
    assert "1 run in all" in capsys.readouterr().out and not Path("runs").exists()
    assert main([*words, "--out", "table.html"]) == 0
    shown = capsys.readouterr().out
    assert "## All our rows of PatchCore" in shown and "crop 224" in shown and Path("table.html").exists()
    (row,) = ResultStore("runs/reproduce/patchcore").results()
    assert row.protocol.map_frame == "network" and row.protocol.options["coreset"] == 0.1
    assert main([*words, "--preprocess", "none"]) == 2
