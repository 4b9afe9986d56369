"""How a folder is read: what a user says about it reaches check, run, sweep and predict."""

import json
import re

import pytest
from PIL import Image

from helpers.bad_files import SMALL, one_sentence
from helpers.small_data_sets import picture


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A plain folder: 16 good images of four films, and four defective ones, three of them with masks."""
    root = tmp_path / "own"
    for number in range(16):
        picture(root / f"good/film{number // 4}_{number}.png", (64, 64))
    for number in range(4):
        picture(root / f"pore/{number}.png", (64, 64))
        mask = Image.new("L", (64, 64))
        mask.paste(255, (10, 10, 20, 20))
        (root / "drawn/pore").mkdir(parents=True, exist_ok=True)
        mask.save(root / f"drawn/pore/{number}.png")
    return root


def test_what_a_run_wrote_inside_the_data_is_not_read(call, own, monkeypatch):
    monkeypatch.chdir(own)
    told = ("--data", ".", "--masks", "drawn")
    assert call("run", *told, *SMALL, "--save", "m.safetensors")[0] == 0
    for _ in range(2):
        code, out, _ = call("predict", "m.safetensors", ".")
        assert code == 0 and len((own / "runs/predict/scores.csv").read_text("utf-8-sig").splitlines()) == 25
    code, out, _ = call("check", ".", "--masks", "drawn")
    assert code == 0 and "20 images" in out and "4 pore" in out and "overlays" not in out and "Written by adlib" in out


def test_masks_that_are_named_are_used(call, own):
    assert "--masks" in one_sentence(*call("run", "--data", own, *SMALL)[::2])
    code, out, _ = call("run", "--data", own, "--masks", "drawn", *SMALL)
    assert code == 0 and re.search(r"pixel_auroc +0\.", out) and "pixel_auroc  n/a" not in out


def test_a_run_names_what_it_does_not_use(call, own):
    (own / "pore/5.heic").write_bytes(b"....ftypheic")
    Image.new("L", (64, 64), 255).save(own / "drawn/pore/0.png")
    code, _, err = call("run", "--data", own, "--masks", "drawn", *SMALL)
    assert code == 0 and "not used: 1 (pore/5.heic)" in err and "1 image with a mask of more than 50%" in err


def test_pages_are_said_once(call, own):
    pages = [Image.new("L", (64, 64), level) for level in (60, 90)]
    pages[0].save(own / "good/film9_99.tif", save_all=True, append_images=pages[1:])
    assert "--pages each" in one_sentence(*call("run", "--data", own, "--masks", "drawn", *SMALL)[::2])
    assert call("run", "--data", own, "--masks", "drawn", "--pages", "each", *SMALL)[0] == 0
    code, out, _ = call("check", own, "--masks", "drawn", "--pages", "each")
    assert (
        code == 0
        and "22 images" in out
        and out.splitlines()[-1].startswith(f"  adlib sweep --data {own} --masks drawn --pages each")
    )


@pytest.mark.slow
def test_a_sweep_holds_out_whole_groups(call, own):
    code, out, _ = call("check", own, "--masks", "drawn")
    assert "16 good training images" not in out and "names of 4 groups" in out
    options = ("--masks", "drawn", "--group", "film[0-9]", "--seeds", "0", "--out", "swept", "--false-alarms", "0.2")
    few = [*SMALL[:-1], "3"]
    code, out, err = call("sweep", "--data", own, *options, *few)
    assert code == 0, err
    assert "Held out by whole groups (film[0-9])" in out
    (path,) = (own.parent / "swept/results").glob("*.json")
    row = json.loads(path.read_text(encoding="utf-8"))
    assert row["protocol"]["group_by"] == "film[0-9]" and row["calibration"]["groups"] == 2
    assert {re.search("film[0-9]", name)[0] for name in row["references"]} == {"film0"}


def test_a_saved_model_names_its_groups(call, own):
    few = [*SMALL[:-1], "3"]
    told = ("--masks", "drawn", "--group", "film[0-9]", "--false-alarms", "0.2")
    assert call("run", "--data", own, *told, *few, "--save", "m.safetensors")[0] == 0
    code, out, _ = call("predict", "m.safetensors", own / "pore")
    assert code == 0 and "Held out by whole groups (film[0-9]), 2 of them" in out and "by group" not in out
    code, out, _ = call("predict", "m.safetensors", own / "good", "--group", "film[0-9]", "--out", "grouped")
    (line,) = [line for line in out.splitlines() if line.startswith("Called defective, by group: film0: ")]
    assert re.findall(r"(film\d): \d of (\d)", line) == [(f"film{n}", "4") for n in range(4)]
    assert "finds nothing" in one_sentence(*call("predict", "m.safetensors", own / "pore", "--group", "film[0-9]")[::2])
