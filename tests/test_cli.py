"""The command line: one clear sentence and exit code 2 on bad input, and a sweep that survives being killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adlib.cli import main
from adlib.experiments.store import ResultStore


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """Run the command line in a scratch folder; gives (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments) -> tuple[int, str, str]:
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as stop:  # argparse's own way out
            code = stop.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def broken_weld(toy_root: Path, target: Path) -> Path:
    """A weld data set of which one training picture is cut off."""
    for path in (toy_root / "weld").rglob("*.png"):
        copy = target / "weld" / path.relative_to(toy_root / "weld")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    first = target / "weld/train/good/000.png"
    first.write_bytes(first.read_bytes()[:200])
    return target


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


def test_predict_goes_on_after_a_broken_file(call, toy_root, tmp_path):
    call(*RUN, "--data", toy_root, "--save", "weld.safetensors")
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"")
    Image.fromarray(np.full((80, 120, 3), 127, dtype=np.uint8)).save(folder / "单个气孔.png")
    code, _, err = call("predict", "weld.safetensors", folder, "--out", "scored")
    first, second = Path("scored/scores.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert code == 1 and "scores.csv says why" in err
    assert "a.png,,," in first and "empty" in first
    assert "单个气孔.png" in second and float(second.split(",")[1]) > 0


def test_check(call, toy_root, tmp_path):
    code, out, _ = call("check", toy_root)
    assert code == 0 and "weld" in out and "nut" in out
    code, out, _ = call("check", broken_weld(toy_root, tmp_path / "data"))
    assert code != 0 and "000.png" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "--data", "nowhere", "--category", "x"), "nowhere"),
        (("run", "--data", "TOY"), "choose one"),
        (("run", "--data", "TOY", "--category", "bolt"), "'bolt'"),
        ((*RUN, "--data", "TOY", "--method", "patchcorn"), "'patchcorn'"),
        ((*RUN, "--data", "TOY", "--backbone", "resnet19"), "'resnet19'"),
        ((*RUN, "--data", "TOY", "--weights", "gone.pth"), "gone.pth"),
        ((*RUN, "--data", "TOY", "--set", "coresett=1"), "'coresett'"),
        ((*RUN, "--data", "TOY", "--set", "coreset"), "NAME=VALUE"),
        ((*RUN, "--data", "TOY", "--layout", "imagenet"), "imagenet"),
        ((*RUN, "--data", "TOY", "--selection", "best"), "'best'"),
        ((*RUN, "--data", "TOY", "--preprocess", "clever"), "'clever'"),
        ((*RUN, "--data", "TOY", "--map-frame", "screen"), "'screen'"),
        ((*RUN, "--data", "TOY", "--resolution", "3"), "at least 16"),
        ((*RUN, "--data", "TOY", "--device", "toaster"), "toaster"),
        (("run", "--data", "TOY", "--category", "weld", "--shots", "13"), "12 good"),
        (("run", "--data", "TOY", "--category", "weld", "--shots", "-1"), "shots"),
        (("sweep", "--data", "TOY", "--shots", "1", "13"), "12 good"),
        (("sweep", "--data", "TOY", "--shots", "8", "--seeds", "0", "1"), "12 good"),
        (("sweep", "--data", "TOY", "--shots", "1", "1"), "each value once"),
        (("sweep", "--data", "TOY", "--category", "bolt"), "'bolt'"),
        (("report", "nowhere"), "nowhere"),
        (("report", "TOY/weld/test"), "no results"),
        (("predict", "nowhere", "x.png"), "nowhere"),
    ],
)
def test_bad_input_is_one_sentence(call, toy_root, arguments, sentence):
    code, _, err = call(*(a.replace("TOY", str(toy_root)) for a in arguments))
    assert code == 2 and sentence in err and "Traceback" not in err
    assert err.startswith("adlib: ") and err.count("\n") == 1


def test_a_broken_picture_is_named_and_nothing_is_stored(call, toy_root, tmp_path):
    code, _, err = call(*RUN, "--data", broken_weld(toy_root, tmp_path / "data"))
    assert code == 2 and "000.png" in err and not list(Path("runs").rglob("*.json"))


def test_unknown_options_are_refused(call):
    code, _, err = call("sweep", "--data", "toy", "--shotz", "1")
    assert code == 2 and "--shotz" in err


def test_debug_shows_the_traceback(call):
    from adlib.errors import InputError

    with pytest.raises(InputError):
        call("--debug", "report", "nowhere")


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
