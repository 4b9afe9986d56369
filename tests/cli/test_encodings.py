"""Consoles and log files that cannot show every character: the command ends as it would elsewhere.

PYTHONIOENCODING makes Python's output that of a console with a Western code page (cp1252, as of Windows) or of plain
ASCII. LC_ALL=C with Python's UTF-8 mode off makes ASCII the default of every file that is opened without an encoding.
Windows' file names, which are Unicode whatever the code page, are not simulated.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONSOLES = {
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


@pytest.fixture(params=CONSOLES)
def shell(request, tmp_path):
    """Run a command in a scratch folder, on each console; gives its output, which must be without a traceback."""

    def run(*arguments) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "adlib.cli", *map(str, arguments)]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, env=os.environ | CONSOLES[request.param])
        assert b"Traceback" not in ended.stderr and ended.returncode == 0, ended.stderr.decode("ascii", "replace")
        return ended

    return run


def chinese(data: Path) -> Path:
    """The welds, under Chinese names of category, defect and images."""
    (data / "weld").rename(data / "焊缝")
    (data / "焊缝/test/pore").rename(data / "焊缝/test/气孔")
    for path in (data / "焊缝/test/气孔").iterdir():
        path.rename(path.with_stem(f"孔{path.stem}"))
    return data


def test_chinese_names_are_escaped(shell, model, data):
    folder = chinese(data)
    said = shell("check", "data").stdout
    assert b"\\u710a\\u7f1d" in said or b"\\udce7" in said  # characters, or bytes where names are bytes
    shell("predict", model, folder / "焊缝/test/气孔", "--out", "out")
    assert (data.parent / "out/scores.csv").read_bytes().count(b"\n") == 4


@pytest.mark.slow
def test_the_report_of_a_sweep_is_written(shell, data):
    """Its table, which is printed first, holds ±."""
    words = ["--method", "patchcore", "--shots", "1", "--seeds", "0", "1", "--resolution", "48", "--set", "coreset=20"]
    said = shell("sweep", "--data", "data", *words, "--out", "out").stdout
    assert b"\\xb1" in said or b"\xb1" in said
    assert "±" in (data.parent / "out/report.html").read_text(encoding="utf-8")
    shell("report", "out", "--markdown")
    shell("report", "out", "--paper", "patchcore", "--out", "page.md")
    assert "±" in (data.parent / "page.md").read_text(encoding="utf-8")
