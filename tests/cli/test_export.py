"""`adlib export`, and `adlib predict` with the file that it wrote."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from adlib.cli import main
from helpers.bad_files import one_sentence
from helpers.places import ROOT

onnx = pytest.importorskip("onnx", reason="onnx is an optional extra: pip install 'adlib[onnx]'")
pytest.importorskip("onnxruntime", reason="onnxruntime is an optional extra: pip install 'adlib[onnx]'")


@pytest.fixture(scope="module")
def calibrated(toy_root, tmp_path_factory) -> Path:
    """A saved detector with a threshold from ten held-out good images."""
    folder = tmp_path_factory.mktemp("calibrated")
    arguments = ("run", "--data", toy_root, "--category", "weld", "--resolution", "64", "--shots", "2", "--set")
    arguments += ("coreset=50", "--false-alarms", "0.1", "--save", folder / "m.safetensors", "--results", folder / "r")
    assert main([str(a) for a in arguments]) == 0
    return folder / "m.safetensors"


@pytest.fixture(scope="module")
def exported(calibrated, toy_root) -> Path:
    """Its export."""
    assert main(["export", str(calibrated), "--to", "onnx", "--images", str(toy_root / "weld/test")]) == 0
    return calibrated.with_suffix(".onnx")


def _rows(path: str) -> list[dict[str, str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_what_is_printed_and_described(call, calibrated, toy_root):
    code, out, err = call("export", calibrated, "--out", "there/m.onnx", "--images", toy_root / "weld/test")
    assert code == 0, err
    assert "Largest difference of scores" in out and "Decisions: all " in out and "m.json" in out
    about = json.loads(Path("there/m.json").read_text(encoding="utf-8"))
    stored = {entry.key: entry.value for entry in onnx.load("there/m.onnx").metadata_props}
    assert json.loads(stored["adlib"]) == about
    assert about["detector"] == "patchcore" and about["preprocess"]["resize"] == 64
    assert about["score"]["threshold"] == max(about["calibration"]["good_scores"])
    assert "distance" in about["score"]["unit"] and about["proof"]["images"] > 6


def test_predict_gives_the_same_table(call, calibrated, exported, toy_root):
    for model, out in ((calibrated, "a"), (exported, "b")):
        code, text, err = call("predict", model, toy_root / "weld/test", "--out", out, "--tile", "100")
        assert code == 0 and "called defective" in text, err
    ours, theirs = _rows("a/scores.csv"), _rows("b/scores.csv")
    assert len(ours) > 6 and len({row["decision"] for row in ours}) == 2
    for mine, other in zip(ours, theirs, strict=True):
        assert float(mine.pop("score")) == pytest.approx(float(other.pop("score")), rel=1e-5)
        assert mine == other and (Path("b") / mine["map"]).is_file()
    assert {p.name for p in Path("a/overlays").iterdir()} == {p.name for p in Path("b/overlays").iterdir()}


def test_with_resize(call, calibrated, toy_root):
    """The graph takes the images as they are, and `predict` decides as with the detector."""
    options = ("--out", "r.onnx", "--with-resize", "--images", toy_root / "weld/test")
    code, out, err = call("export", calibrated, *options)
    assert code == 0 and "at most 0.01 is accepted" in out, err
    about = json.loads(Path("r.json").read_text(encoding="utf-8"))
    assert about["input"]["type"] == "uint8" and about["input"]["shape"] == ["height", "width", 3]
    for model, folder in ((calibrated, "a"), ("r.onnx", "b")):
        assert call("predict", model, toy_root / "weld/test", "--out", folder, "--tile", "0")[0] == 0
    for mine, other in zip(_rows("a/scores.csv"), _rows("b/scores.csv"), strict=True):
        assert float(mine["score"]) == pytest.approx(float(other["score"]), rel=1e-2)
        assert mine["decision"] == other["decision"]
    guide = (ROOT / "docs/deploy.md").read_text(encoding="utf-8").split("```python\n")[2].partition("```")[0]
    names = {"np": np, "Image": Image, "ImageOps": ImageOps, "path": _rows("a/scores.csv")[0]["image"]}
    names["session"] = pytest.importorskip("onnxruntime").InferenceSession("r.onnx")
    exec(guide, names)
    assert float(names["score"][0]) == pytest.approx(float(_rows("b/scores.csv")[0]["score"]), rel=1e-5)


def test_no_images(call, calibrated):
    code, out, err = call("export", calibrated, "--out", "m.onnx")
    assert code == 0 and "no images of yours (give some with --images)" in out, err


def _damaged(exported: Path, name: str, **change: object) -> None:
    """A copy of an export with other metadata."""
    model = onnx.load(exported)
    about = json.loads(model.metadata_props[0].value) | change
    del model.metadata_props[:]
    if change:
        model.metadata_props.add(key="adlib", value=json.dumps(about))
    onnx.save(model, name)


BAD = [
    (lambda m: Path("x.onnx").write_bytes(m.read_bytes()[:5000]), "cannot load x.onnx"),
    (lambda m: Path("x.onnx").write_text("text"), "cannot load x.onnx"),
    (lambda m: _damaged(m, "x.onnx"), "x.onnx was not written by `adlib export`"),
    (lambda m: _damaged(m, "x.onnx", format=99), "x.onnx has format 99"),
    (lambda m: None, "Cannot read the model x.onnx"),
]


@pytest.mark.parametrize(("make", "words"), BAD, ids=[words for _, words in BAD])
def test_bad_files(call, exported, toy_root, make, words):
    make(exported)
    code, _, err = call("predict", "x.onnx", toy_root / "weld/test/pore")
    assert words in one_sentence(code, err)


def test_another_opset(call, exported, toy_root):
    model = onnx.load(exported)
    model.opset_import[0].version = 999
    onnx.save(model, "x.onnx")
    code, _, err = call("predict", "x.onnx", toy_root / "weld/test/pore")
    assert "cannot load x.onnx" in one_sentence(code, err)


def test_bad_arguments(call, exported, calibrated, toy_root):
    code, _, err = call("predict", exported, toy_root / "weld/test/pore", "--device", "cuda")
    assert "leave out --weights and --device" in one_sentence(code, err)
    code, _, err = call("export", calibrated, "--out", "m.bin")
    assert "ends in .onnx" in one_sentence(code, err)
    code, _, err = call("export", exported)
    assert "not an adlib model" in one_sentence(code, err)


def test_packages_that_are_missing(call, calibrated, monkeypatch):
    for package in ("onnx", "onnxruntime"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            code, _, err = call("export", calibrated, "--out", "m.onnx")
        assert "pip install 'adlib[onnx]'" in one_sentence(code, err) and not Path("m.onnx").exists()


def test_the_guide_without_torch(call, calibrated, exported, toy_root, tmp_path):
    """The twenty lines of docs/deploy.md, where torch and adlib cannot be imported, give the scores of the detector."""
    guide = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    script = guide.partition("```python\n")[2].partition("```")[0]
    assert len(script.splitlines()) <= 20
    blocked = "import sys; sys.modules |= dict.fromkeys(('torch', 'torchvision', 'adlib', 'scipy'))\n"
    (tmp_path / "score.py").write_text(blocked + script, encoding="utf-8")
    folder = tmp_path / "images"
    folder.mkdir()
    for n, path in enumerate(sorted((toy_root / "weld/test").glob("*/*.png"))):
        shutil.copy(path, folder / f"{n:02}.png")
    run = subprocess.run(
        [sys.executable, "score.py", exported, folder], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert call("predict", calibrated, folder, "--out", "p", "--tile", "0")[0] == 0
    lines, rows = [line.split() for line in run.stdout.splitlines()], _rows("p/scores.csv")
    assert len(lines) == len(rows) > 6
    for line, row in zip(lines, rows, strict=True):
        assert line[0] == Path(row["image"]).name and float(line[1]) == pytest.approx(float(row["score"]), rel=1e-5)
        assert (line[2:] == ["defective"]) == (row["decision"] == "defective")
