"""Names of files and folders that are no UTF-8, have braces or are very long: runs and sweeps work to the end."""

import json
import os
import shutil
from pathlib import Path

import pytest

from adlib.data import load_dataset
from adlib.experiments.store import ResultStore
from adlib.reports.figures import extremes
from helpers.bad_files import SMALL, one_sentence

ROOT, CATEGORY, DEFECT = (os.fsdecode(name) for name in (b"teile {A}\xf6", b"\xc6\xf8{1} \xe7\x84\x8a", b"fl\xe4che"))
WRITTEN_ROOT, WRITTEN, WRITTEN_DEFECT = r"teile {A}\udcf6", r"\udcc6\udcf8{1} 焊", r"fl\udce4che"  # in results
IMAGE = rf"{WRITTEN}/test/{WRITTEN_DEFECT}/K{{o}}\udcf6rper.png"
REFERENCE = r"\udcc6\udcf8\udcbf\udcd7.png"


@pytest.fixture
def odd(toy_root, tmp_path) -> Path:
    """The welds with bytes of Latin-1 and GBK, and braces, in the names of folders and images."""
    root = tmp_path / ROOT
    try:
        shutil.copytree(toy_root / "weld", root / CATEGORY)
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    for folder in ("test", "ground_truth"):
        (root / CATEGORY / folder / "pore").rename(root / CATEGORY / folder / DEFECT)
    for name, new in (
        ("train/good/000.png", b"\xc6\xf8\xbf\xd7.png"),
        (f"test/{DEFECT}/000.png", b"K{o}\xf6rper.png"),
        (f"ground_truth/{DEFECT}/000_mask.png", b"K{o}\xf6rper_mask.png"),
    ):
        path = root / CATEGORY / name
        path.rename(path.with_name(os.fsdecode(new)))
    return root


def test_a_run_stores_its_result_and_finds_the_images_again(call, odd):
    code, _, err = call("run", "--data", odd, "--category", CATEGORY, *SMALL, "--seed", "5", "--results", "r")
    assert code == 0, err
    store = ResultStore("r")
    (result,) = store.results()
    assert (result.protocol.dataset, result.protocol.category) == (WRITTEN_ROOT, WRITTEN)
    assert result.row["references"] == [f"{WRITTEN}/train/good/{name}" for name in ("011.png", REFERENCE)]
    defects = dict(zip(result.scores["image"], result.scores["defect"], strict=True))
    assert defects[IMAGE] == WRITTEN_DEFECT and result.metrics["aupro"] > 0
    dataset = load_dataset(odd, WRITTEN)
    assert extremes(result, store, dataset) is not None
    assert os.fsencode(dataset.file(IMAGE)).endswith(b"/fl\xe4che/K{o}\xf6rper.png")
    code, out, _ = call("report", "r")
    assert code == 0 and WRITTEN in out


def test_what_check_prints_can_be_typed(call, odd):
    code, out, _ = call("check", odd)
    written = f"{odd.parent}/{WRITTEN_ROOT}"
    assert code == 0 and f"--data '{written}'" in out.splitlines()[-1]
    assert call("run", "--data", written, "--category", WRITTEN, *SMALL, "--results", "r")[0] == 0
    (odd.parent / WRITTEN_ROOT).mkdir()  # now the words are those of two folders
    code, _, err = call("run", "--data", written, "--category", WRITTEN, *SMALL)
    assert f"2 names that are all written {WRITTEN_ROOT}" in one_sentence(code, err)


def test_two_images_that_are_written_alike_are_refused(call, odd):
    good = odd / CATEGORY / "train/good"
    shutil.copy(good / "001.png", good / REFERENCE)
    code, _, err = call("run", "--data", odd, "--category", CATEGORY, *SMALL)
    assert f"2 names that are all written {REFERENCE}" in one_sentence(code, err)
    assert not list(Path("runs").rglob("*.json"))


@pytest.mark.slow
def test_a_sweep_of_odd_names(call, odd):
    out, link = os.fsdecode(b"out {B} \xf6"), odd.with_name("link {C}")
    link.symlink_to(odd, target_is_directory=True)
    words = ("--category", CATEGORY, *SMALL, "--seeds", "0", "--out", out, "--figures", "f")
    code, said, err = call("sweep", "--data", link, *words)
    assert code == 0 and WRITTEN in said, err
    (result,) = ResultStore(Path(out, "results")).results()
    assert (result.protocol.dataset, result.protocol.category) == ("link {C}", WRITTEN)
    (notebook,) = Path(out, "notebooks").glob("*.ipynb")
    parameters = json.loads(notebook.read_text(encoding="utf-8"))["metadata"]["papermill"]["parameters"]
    assert parameters["category"] == WRITTEN and parameters["results"] == "results"
    assert "Worst mistakes" in Path(out, "report.html").read_text(encoding="utf-8")
    assert {path.name for path in Path("f").glob("*.png")} == {"curve_link {C}.png", "overlays_link {C}.png"}


def test_names_as_long_as_a_file_system_takes(call, toy_root, tmp_path):
    root, category = tmp_path / ("焊" * 85), "缝" * 85
    shutil.copytree(toy_root / "weld", root / category)
    words = ("--method", "anomalydino", "--shots", "1", "--resolution", "56", "--set", "mask=always")
    code, _, err = call("run", "--data", root, "--category", category, *words, "--results", "r")
    assert code == 0, err
    (result,) = ResultStore("r").results()
    assert result.protocol.category == category
    assert {path.suffix for path in Path("r").glob("[!.]*")} == {".json", ".csv", ".safetensors", ".png"}
