"""The command line on good input, and a sweep that survives being killed."""

import os
import signal
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from adlib.cli import main
from adlib.experiments.store import ResultStore

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


def test_check(call, data):
    code, out, _ = call("check", data)
    assert code == 0 and out.splitlines()[-1] == f"  adlib sweep --data {data} --shots 1 2 4"
    first = data / "weld/train/good/000.png"
    first.write_bytes(first.read_bytes()[:200])
    code, out, _ = call("check", data)
    assert code == 1 and "000.png" in out and out.splitlines()[-1] == f"  adlib check {data}"


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


SWEEP = ("--category", "weld", "--method", "patchcore", "--shots", "1", "2", "--seeds", "0", "1", "--resolution", "96")


@pytest.mark.slow
def test_a_killed_sweep_goes_on_and_ends_with_the_same_table(call, toy_root, tmp_path):
    """SIGKILL once the first notebook's results are there; the second start does the rest alone."""
    code, whole, err = call("sweep", "--data", toy_root, *SWEEP, "--out", "whole")
    assert code == 0, err
    command = [sys.executable, "-m", "adlib.cli", "sweep", "--data", str(toy_root), *SWEEP, "--out", "killed"]
    command += ["--workers", "1"]  # side by side, both notebooks may be done before the kill arrives
    victim = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not list((tmp_path / "killed/results").glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()
    left = {p: p.stat().st_mtime_ns for p in (tmp_path / "killed/results").glob("*.json")}
    assert 0 < len(left) < 4
    code, again, err = call("sweep", "--data", toy_root, *SWEEP, "--out", "killed")
    assert code == 0, err
    assert again.replace("killed", "whole") == whole
    assert all(p.stat().st_mtime_ns == written for p, written in left.items())
    scores = [ResultStore(tmp_path / name / "results").results() for name in ("whole", "killed")]
    for one, other in zip(*scores, strict=True):
        assert one.scores.equals(other.scores)
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "killed").rglob("*.*")}
    code, third, _ = call("sweep", "--data", toy_root, *SWEEP, "--out", "killed")
    assert code == 0 and third == again
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "killed").rglob("*.*")} == stamps
