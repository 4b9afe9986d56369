"""`adlib sweep` with bad arguments, with every argument of `run`, twice at once on one folder, and killed."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from adlib.experiments.store import ResultStore
from adlib.reports.page import page_shows
from helpers.bad_files import SMALL, in_short, refused

SHORT = ("--shots", "1", "--seeds", "0")
ARGUMENTS = [
    (("--shots", "0"), "at least 1, not 0"),
    (("--shots", "-1"), "at least 1, not -1"),
    (("--shots", "1", "13"), "12 good training images"),
    (("--shots", "8", "--seeds", "0", "1"), "12 good training images"),
    (("--shots", "1", "1"), "each value once"),
    (("--seeds", "0", "0"), "each value once"),
    (("--category", "bolt"), "'bolt'"),
    (("--method", "magic"), "'magic'"),
    (("--backbone", "magic", *SHORT), "magic"),
    (("--shots", "1", "--workers", "0"), "workers"),
    (("--shots", "1", "--false-alarms", "1"), "between 0 and 1"),
    (("--split-seed", "-1", *SHORT), "split_seed must be a whole number"),
    (("--map-frame", "screen", *SHORT), "'screen'"),
    (("--official", "--method", "padim", *SHORT), "patchcore or anomalydino, and padim has none"),
    (("--set", "coreset", *SHORT), "NAME=VALUE"),
    (("--set", "coreset=9", "--method", "anomalydino", *SHORT), "anomalydino takes no parameter 'coreset'"),
    (("--set", "device=cpu", *SHORT), "--device"),
]


@pytest.mark.parametrize(("arguments", "words"), ARGUMENTS, ids=in_short)
def test_arguments(call, places, arguments, words):
    refused(call, places, ("sweep", "--data", "TOY", *arguments), words)


@pytest.fixture
def own_folder(toy_root, tmp_path) -> Path:
    """The welds as a plain folder, where the seed of the split decides who trains."""
    root = tmp_path / "own"
    for place in (*(toy_root / "weld/train").iterdir(), *(toy_root / "weld/test").iterdir()):
        (root / place.name).mkdir(parents=True, exist_ok=True)
        for path in place.iterdir():
            target = root / place.name / f"{place.parent.name}_{path.name}"
            target.write_bytes(path.read_bytes())
    return root


@pytest.mark.slow
def test_a_sweep_takes_what_a_run_takes(call, own_folder):
    """The row of a run with the same words is the sweep's own: nothing was dropped on the way through papermill."""
    words = ["--data", own_folder, "--method", "patchcore", "--shots", "2", "--resolution", "64", "--official"]
    words += ["--split-seed", "3", "--map-frame", "network", "--set", "crop=56", "coreset=20", "--set", "sigma=2"]
    code, _, err = call("sweep", *words, "--seeds", "0", "--out", "s")
    assert code == 0, err
    (result,) = ResultStore("s/results").results()
    p = result.protocol
    assert (p.split_seed, p.map_frame, p.options["crop"], p.options["coreset"]) == (3, "network", 56, 20)
    assert p.options["sigma"] == 2 and p.options["pooling"] == "official"
    assert call("run", *words, "--results", "alone")[0] == 0
    (alone,) = ResultStore("alone").results()
    assert alone.protocol == p and alone.metrics == result.metrics
    pd.testing.assert_frame_equal(alone.scores, result.scores)
    assert alone.row["references"] == result.row["references"]


@pytest.mark.slow
def test_the_command_that_check_proposes_runs_on_deep_pictures(call, own_folder):
    """Radiographs as floats beyond 1: `check` names the window, and the sweep takes it."""
    for path in sorted(own_folder.rglob("*.png")):
        values = np.asarray(Image.open(path).convert("L")).astype(np.float32) * 7 + 100
        Image.fromarray(values).save(path.with_suffix(".tiff"))
        path.unlink()
    code, out, _ = call("check", own_folder)
    assert code == 0 and "with the window above" in out
    command = shlex.split(out.splitlines()[-1])
    assert command[:2] == ["adlib", "sweep"] and command[-2] == "--set"
    less = ("--method", "patchcore", "--resolution", "48", "--shots", "1", "--seeds", "0", "--out", "s")
    code, _, err = call(*command[1:], *less)
    assert code == 0, err
    (result,) = ResultStore("s/results").results()
    assert result.protocol.options["window"] == json.loads(command[-1].removeprefix("window="))
    assert result.row["images"]["test_defective"] == 12 and Path("s/report.html").stat().st_size > 50_000


@pytest.mark.slow
def test_two_sweeps_at_once_on_one_results_folder(call, toy_root, tmp_path):
    """Two processes do the same sweep into the same folder: both end well, with one table."""
    words = ["sweep", "--data", str(toy_root), "--category", "weld", "--method", "patchcore", "--resolution", "48"]
    words += ["--set", "coreset=20", "--shots", "1", "2", "--seeds", "0", "1", "--out"]
    command = [sys.executable, "-m", "adlib.cli", *words, "both"]
    running = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert said[0][0] == said[1][0]
    both = Path("both")
    assert not [p for p in both.rglob("*") if p.name.startswith(".")]  # nothing half written is left
    assert len(list((both / "notebooks").glob("*.ipynb"))) == 2
    code, alone, err = call(*words, "alone")
    assert code == 0 and alone.replace("alone", "both") == said[0][0], err
    stores = [list(ResultStore(f"{name}/results").results()) for name in ("both", "alone")]
    assert len(stores[0]) == 4
    for one, other in zip(*stores, strict=True):
        assert one.protocol == other.protocol and one.metrics == other.metrics
        pd.testing.assert_frame_equal(one.scores, other.scores)
    code, again, _ = call(*words, "both")
    assert code == 0 and again == said[0][0]


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


def part(toy_root: Path, folder: Path, train: int, *tests: str) -> None:
    """A category of a few welds: its number of training images, and the folders of its test images."""
    for kind, count in (("train/good", train), *((f"test/{name}", 2) for name in tests)):
        (folder / kind).mkdir(parents=True)
        for path in sorted((toy_root / "weld" / kind).iterdir())[:count]:
            (folder / kind / path.name).write_bytes(path.read_bytes())


@pytest.mark.slow
def test_one_category_that_lacks_images_costs_the_others_nothing(call, toy_root, tmp_path):
    """In the first category all images are references, and its defects have no masks."""
    for name, train, tests in (("a", 2, ("good", "pore")), ("b", 3, ("good",)), ("c", 3, ())):
        part(toy_root, tmp_path / "parts" / name, train, *tests)
    code, out, err = call("sweep", "--data", "parts", *SMALL, "--seeds", "0", "--out", "s", "--figures", "f")
    assert code == 0, err
    assert "parts b has no image metrics, because there are no defective test images; add some." in err
    assert "parts c is left out, because there are no good or defective test images; add some." in err
    rows = [line.split() for line in out.splitlines() if line.lstrip().startswith("parts")]
    assert [(row[1], row[-1] == "n/a") for row in rows] == [("a", False), ("b", True)]
    assert "2 (references, each scored by a detector that learned from the others)" in out
    row = next(r.row for r in ResultStore("s/results").results() if r.protocol.category == "b")
    assert row["metrics"]["image_auroc"] is None and row["decisions"] is None
    text = Path("s/report.html").read_text(encoding="utf-8")
    assert text.count("Most and least anomalous") == 2 * 2  # heading and description of each category's images
    assert len(list(Path("s/notebooks").glob("*.ipynb"))) == 2 and len(list(Path("f").glob("*.png"))) == 2
    code, again, _ = call("report", "s/results")
    assert code == 0 and again.count("n/a") == 3
    part(toy_root, tmp_path / "alone/c", 3)
    code, _, err = call("sweep", "--data", "alone", *SMALL)
    assert code == 2 and "alone has no test images of c; add" in err


@pytest.mark.slow
def test_page_and_figures_are_those_of_the_sweep_asked_for(call, toy_root, tmp_path):
    part(toy_root, tmp_path / "parts/a", 3, "good", "pore")
    words = ("sweep", "--data", "parts", *SMALL[:-2], "--seeds", "0", "--out", "s")
    assert call(*words, "--shots", "1", "2", "--figures", "f")[0] == 0
    both, curve = list(ResultStore("s/results").results()), Path("f/curve_parts.png").read_bytes()
    assert len(both) == 2 and page_shows(Path("s/report.html"), both, 0.05)
    assert call(*words, "--shots", "1")[0] == 0
    one = [result for result in both if result.protocol.shots == 1]
    assert page_shows(Path("s/report.html"), one, 0.05)
    assert call(*words, "--shots", "1", "--figures", "f")[0] == 0
    assert Path("f/curve_parts.png").read_bytes() != curve
    Path("f/overlays_parts.png").unlink()
    assert call(*words, "--shots", "1", "2", "--figures", "f")[0] == 0
    assert Path("f/curve_parts.png").read_bytes() == curve and Path("f/overlays_parts.png").exists()
