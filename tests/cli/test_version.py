"""`adlib --version`: one line, or what a bug report needs."""

import subprocess
import sys

import pytest

from adlib import __version__
from adlib.cli import main


def test_one_line(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"adlib {__version__}\n"


@pytest.mark.parametrize("order", [["--version", "--verbose"], ["--verbose", "--version"]])
def test_lines_for_a_bug_report(capsys, order, monkeypatch, tmp_path):
    monkeypatch.setenv("ADLIB_CACHE", str(tmp_path))
    assert main(order) == 0
    values = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    packages = {"torch", "torchvision", "timm", "numpy", "scipy", "scikit-learn", "pillow", "papermill"}
    assert set(values) == packages | {"adlib", "python", "platform", "device", "cores", "cache"}
    assert values["adlib"] == __version__ and values["cache"] == str(tmp_path)


def test_verbose_alone_and_no_command_are_refused_in_one_line(capsys):
    for arguments, words in ((["--verbose"], "goes with --version"), ([], "a command is missing: check, run")):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        said = capsys.readouterr().err
        assert stop.value.code == 2 and words in said and said.count("\n") == 1


def test_the_one_line_does_not_wait_for_torch():
    script = "import sys, adlib.cli\nadlib.cli.main(['--version'])\nprint('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.endswith("False\n")
