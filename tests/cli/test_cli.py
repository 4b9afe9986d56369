"""The command line on good input, its help, and the command that is installed."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

from adlib.cli import main
from helpers.bad_files import SMALL

RUN = ("run", "--category", "weld", "--shots", "2", "--resolution", "96")


def test_run_predict_report(call, toy_root, tmp_path):
    code, out, err = call(*RUN, "--data", toy_root, "--save", "weld.safetensors", "--set", "coreset=50")
    assert code == 0, err
    assert "image_auroc" in out and len(list(Path("runs/results").glob("*.json"))) == 1
    code, out, err = call("predict", "weld.safetensors", toy_root / "weld/test/pore", "--out", "scored")
    assert code == 0, err
    lines = Path("scored/scores.csv").read_text(encoding="utf-8-sig").splitlines()
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


def test_the_home_folder_is_meant_by_its_sign_in_every_path(call, toy_root, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # Windows
    (tmp_path / "parts").symlink_to(toy_root, target_is_directory=True)
    assert call("check", "~/parts")[0] == 0
    run = ("run", "--data=~/parts", "--category", "weld", *SMALL, "--results=~/out", "--save=~/m.safetensors")
    assert call(*run)[0] == 0 and list((tmp_path / "out").glob("*.json")) and (tmp_path / "m.safetensors").exists()
    assert call("predict", "~/m.safetensors", "~/parts/weld/test/good", "--out=~/scored")[0] == 0
    assert (tmp_path / "scored/scores.csv").exists()
    assert call("report", "~/out")[0] == 0
    assert not (tmp_path / "~").exists()
