"""Consoles and log files that cannot show every character: the command ends as it would elsewhere.

PYTHONIOENCODING makes Python's output that of a console with a Western code page (cp1252, as of Windows) or of plain
ASCII. LC_ALL=C with Python's UTF-8 mode off makes ASCII the default of every file that is opened without an encoding.
Windows' file names, which are Unicode whatever the code page, are not simulated.
"""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adlib.cli import main

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # is read once, when Python starts
COMMANDS = """
import sys
from adlib.cli import main

words = " ".join(sys.argv[1:])  # no word of these tests holds a blank
sys.exit(max(main(command.split()) for command in words.split(" then ")))
"""
Shell = Callable[..., bytes]


def in_a_process(commands: list[list[str]], folder: Path) -> tuple[int, bytes, bytes]:
    """Run commands one after another in one new process. Returns exit status, output and errors."""
    words = [word for command in commands for word in ("then", *command)][1:]
    ended = subprocess.run(
        [sys.executable, "-c", COMMANDS, *words], cwd=folder, capture_output=True, env=os.environ | ASCII
    )
    return ended.returncode, ended.stdout, ended.stderr


def on_streams(commands: list[list[str]], folder: Path, encoding: str) -> tuple[int, bytes, bytes]:
    """The same in this process, on streams such as PYTHONIOENCODING makes."""
    said, complained = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for _ in "oe")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "stdout", said)
        patch.setattr(sys, "stderr", complained)
        code = max(map(main, commands))
    for stream in (said, complained):
        stream.flush()
    return code, said.buffer.getvalue(), complained.buffer.getvalue()


@pytest.fixture(params=["cp1252", "ascii", pytest.param("C", marks=pytest.mark.slow)])
def shell(request, tmp_path) -> Shell:
    """Run commands in a scratch folder, on each console; gives their output, which must be without a traceback."""

    def run(*commands) -> bytes:
        words = [[str(word) for word in command] for command in commands]
        console = [] if request.param == "C" else [request.param]
        code, said, complained = (on_streams if console else in_a_process)(words, tmp_path, *console)
        assert b"Traceback" not in complained and code == 0, complained.decode("ascii", "replace")
        return said

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
    said = shell(["check", "data"], ["predict", model, folder / "焊缝/test/气孔", "--out", "out"])
    assert b"\\u710a\\u7f1d" in said or b"\\udce7" in said  # characters, or bytes where names are bytes
    assert (data.parent / "out/scores.csv").read_bytes().count(b"\n") == 4


@pytest.mark.slow
def test_the_report_of_a_sweep_is_written(shell, data):
    """Its table, which is printed first, holds ±."""
    words = ["--method", "patchcore", "--shots", "1", "--seeds", "0", "1", "--resolution", "48", "--set", "coreset=20"]
    said = shell(["sweep", "--data", "data", *words, "--out", "out"])
    assert b"\\xb1" in said or b"\xb1" in said
    assert "±" in (data.parent / "out/report.html").read_text(encoding="utf-8")
    shell(["report", "out", "--markdown"], ["report", "out", "--paper", "patchcore", "--out", "page.md"])
    assert "±" in (data.parent / "page.md").read_text(encoding="utf-8")
