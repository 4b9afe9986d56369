"""`adlib predict` on damaged and odd pictures: one bad file costs its own row and no other."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.bad_files import PICTURES, in_short, name_of, one_sentence, place, refused


@pytest.mark.parametrize("case", PICTURES, ids=name_of)
def test_pictures(call, model, toy_root, tmp_path, case):
    folder = tmp_path / "parts"
    folder.mkdir()
    good = shutil.copy(toy_root / "weld/test/good/000.png", folder / "a good one.png")
    place(folder, case)
    code, _, err = call("predict", model, folder, "--out", "out", "--tile", "512")
    with open("out/scores.csv", encoding="utf-8-sig", newline="") as file:
        rows = {Path(row["image"]).name: row for row in csv.DictReader(file)}
    assert rows[Path(good).name]["score"] and len(rows) == 2  # the others are done, whatever happens to one
    row = rows[case[0].replace("\n", "\\n")]
    if case[2]:
        assert code == 1 and "1 images could not be scored" in err
        assert case[2] in row["problem"] and row["score"] == "" and case[0] in row["problem"]
    else:
        assert code == 0 and row["problem"] == "" and np.isfinite(float(row["score"])), err
        with Image.open(Path("out") / row["map"]) as stored, Image.open(folder / case[0]) as picture:
            assert stored.size == picture.size and np.isfinite(np.asarray(stored)).all()


ARGUMENTS = [
    (("predict", "missing.safetensors", "TOY"), "no model file missing.safetensors"),
    (("predict", "TEXT", "TOY"), "not an adlib model"),
    (("predict", "HALF", "TOY"), "damaged"),
    (("predict", "MODEL", "missing.png"), "no file or folder missing.png"),
    (("predict", "MODEL", "EMPTY"), "no image"),
    (("predict", "MODEL", "TOY", "--tile", "-3"), "tile"),
    (("predict", "MODEL", "TOY", "--tile", "7"), "at least 32 pixels a side"),
    (("predict", "MODEL", "TOY", "--false-alarms", "2"), "between 0 and 1"),
    (("predict", "MODEL", "TOY", "--weights", "TEXT"), "text.txt"),
    (("predict", "MODEL", "TOY", "--out", "TEXT"), "text.txt"),
]


@pytest.mark.parametrize(("arguments", "words"), ARGUMENTS, ids=in_short)
def test_arguments(call, places, arguments, words):
    refused(call, places, arguments, words)


def test_names_that_differ_in_case_only(call, model, toy_root, tmp_path):
    for name in ("part.png", "PART.png"):
        shutil.copy(toy_root / "weld/test/pore/000.png", tmp_path / name)
    if len(list(tmp_path.glob("*.png"))) == 1:
        pytest.skip("this file system knows no case")
    code, _, _ = call("predict", model, tmp_path / "part.png", tmp_path / "PART.png", "--out", "out")
    maps = list(Path("out/maps").iterdir())
    assert code == 0 and len(maps) == 2 and len(Path("out/scores.csv").read_text().splitlines()) == 3


def test_a_folder_that_links_into_itself(call, model, data):
    (data / "weld/test/pore/again").symlink_to(data / "weld/test/pore")
    code, out, err = call("predict", model, data / "weld/test/pore", "--out", "out")
    assert code == 0 and "3 images scored" in out, err


def test_a_folder_of_something_else(call, model, toy_root):
    Path("mine").mkdir()
    Path("mine/scores.csv").write_text("my,own,table\n1,2,3\n")
    code, _, err = call("predict", model, toy_root / "weld/test/pore", "--out", "mine")
    assert "something else" in one_sentence(code, err)
    assert Path("mine/scores.csv").read_text() == "my,own,table\n1,2,3\n"
