"""The command line on good input, its help, and the command that is installed."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

from adlib.cli import main

RUN = ("run", "--category", "weld", "--shots", "2", "--resolution", "96")


def test_run_predict_report(call, toy_root, tmp_path):
    code, out, err = call(*RUN, "--data", toy_root, "--save", "weld.safetensors", "--set", "coreset=50")
    assert code == 0, err
    assert "image_auroc" in out and len(list(Path("runs/results").glob("*.json"))) == 1
    code, out, err = call("predict", "weld.safetensors", toy_root / "weld/test/pore", "--out", "scored")
    assert code == 0, err
    lines = Path("scored/scores.csv").read_text().splitlines()
    assert len(lines) == 1 + 3 and lines[0].startswith("image,score,decision,problem")
    code, out, _ = call("report", "runs/results")
    assert code == 0 and "patchcore" in out
    code, out, _ = call("report", "runs/results", "--markdown")
    assert code == 0 and out.startswith("|")


def test_help_does_not_wait_for_torch():
    """A command imports what it works with when it is called, and not before."""
    script = "import sys, adlib.cli\ntry:\n    adlib.cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
    script += "print('loaded', sorted({'torch', 'numpy', 'matplotlib', 'pandas'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.endswith("loaded []\n")
    for command in ("check", "run", "sweep", "report", "reproduce", "predict"):
        assert f"    {command}" in ended.stdout


def test_the_installed_command_is_this_one():
    (script,) = [entry for entry in entry_points(group="console_scripts") if entry.name == "adlib"]
    assert script.load() is main
