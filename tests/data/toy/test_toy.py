"""The toy data set: the same arguments give the same picture, masks tell where, and folders are whole or absent."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from adlib.data import toy
from adlib.errors import InputError

DEFECTS = [(category, defect) for category, defects in toy.CATEGORIES.items() for defect in defects]
each_category = pytest.mark.parametrize("category", toy.CATEGORIES)
each_defect = pytest.mark.parametrize("category, defect", DEFECTS)


def noise_level(good: np.ndarray) -> float:
    """Deviation of the pixel noise in grey levels: the median of second differences (weights 1, -2, 1)."""
    values = good.mean(axis=2)
    return float(np.median(np.abs(np.diff(values, 2, axis=0))) / 0.6745 / np.sqrt(6))


@each_defect
def test_same_arguments_same_picture(category, defect):
    for first, second in zip(toy.render(category, defect, 3, 96), toy.render(category, defect, 3, 96), strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(toy.render(category, defect, 3, 96)[0], toy.render(category, defect, 4, 96)[0])


def test_same_picture_in_another_process():
    code = "from adlib.data import toy; print(int(toy.render('nut', 'scratch', 5, 96)[0].astype(int).sum()))"
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert int(there.stdout) == int(toy.render("nut", "scratch", 5, 96)[0].astype(int).sum())


@each_category
@pytest.mark.parametrize("size", [64, 101, 256])
def test_good_part(category, size):
    picture, mask = toy.render(category, seed=1, size=size)
    assert picture.shape == (size, size, 3) and picture.dtype == np.uint8
    assert mask.shape == (size, size) and mask.dtype == np.uint8 and not mask.any()
    assert picture.std() > 8, "an almost flat picture is no photograph"
    assert np.mean((picture == 0) | (picture == 255)) < 0.05, "too much of the picture is clipped"


@each_category
def test_good_parts_differ(category):
    pictures = [toy.render(category, seed=seed, size=96)[0].astype(int) for seed in range(8)]
    for index, first in enumerate(pictures):
        for second in pictures[index + 1 :]:
            assert np.abs(first - second).mean() > 3


@each_defect
@pytest.mark.parametrize("size", [64, 96])
def test_mask_is_never_empty_and_never_most_of_the_picture(category, defect, size):
    shares = []
    for seed in range(12):
        _, mask = toy.render(category, defect, seed, size)
        assert set(np.unique(mask)) == {0, 255}
        shares.append(np.mean(mask > 0))
    assert 0 < min(shares) and max(shares) < 0.2
    assert max(shares) > 1.5 * min(shares), "defects should vary in size"


@each_defect
def test_pair_differs_on_the_mask_only(category, defect):
    size, contrasts = 128, []
    for seed in range(6):
        defective, good, mask = toy.pair(category, defect, seed, size)
        np.testing.assert_array_equal(defective, toy.render(category, defect, seed, size)[0])
        np.testing.assert_array_equal(good, toy.render(category, None, seed, size)[0])
        change = np.abs(defective.astype(int) - good).max(axis=2)
        away = ~ndimage.binary_dilation(mask > 0, iterations=6)
        assert change[away].mean() < 0.1
        assert np.quantile(change[away], 0.999) <= 10
        contrasts.append(change[mask > 0].mean())
        assert contrasts[-1] > 3, "a defect nobody can see"
    assert np.median(contrasts) > 8


@each_defect
def test_mask_covers_most_of_the_change(category, defect):
    for seed in range(4):
        defective, good, mask = toy.pair(category, defect, seed, 128)
        change = np.abs(defective.astype(int) - good).sum(axis=2)
        assert change[mask > 0].sum() > 0.6 * change.sum()


@pytest.mark.parametrize("category, defect", [pair for pair in DEFECTS if pair[0] in ("weld", "tile", "nut")])
def test_defects_stand_out_of_the_noise(category, defect):
    ratios = []
    for seed in range(8):
        defective, good, mask = toy.pair(category, defect, seed, 128)
        change = np.abs(defective.astype(int) - good).mean(axis=2)
        ratios.append(change[mask > 0].mean() / noise_level(good))
    assert np.median(ratios) > 2
    assert max(ratios) > 1.5 * min(ratios), "some defects should be harder than others"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("bolt",), "bolt"),
        (("nut", "pore"), "scratch, bent, missing_part"),
        (("nut", None, 0, 63), "size"),
        (("nut", None, 0, 128.5), "size"),
        (("nut", None, -1), "seed"),
        (("nut", None, True), "seed"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(InputError, match=words):
        toy.render(*arguments)


def test_pair_needs_a_defect():
    with pytest.raises(InputError, match="needs a defect"):
        toy.pair("nut", None)


SMALL = {"categories": ["weld", "tile"], "train": 4, "test_good": 3, "test_defective": 2, "size": 64, "seed": 2}


def content(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_layout(tmp_path):
    assert toy.make_toy(tmp_path / "toy", **SMALL) == tmp_path / "toy"
    assert sorted(path.name for path in (tmp_path / "toy").iterdir()) == ["tile", "weld"]
    weld = tmp_path / "toy" / "weld"
    assert [path.name for path in sorted((weld / "train" / "good").iterdir())] == [f"{n:03d}.png" for n in range(4)]
    assert sorted(path.name for path in (weld / "test").iterdir()) == sorted(["good", *toy.CATEGORIES["weld"]])
    assert len(list((weld / "test" / "good").iterdir())) == 3
    assert sorted(path.name for path in (weld / "ground_truth").iterdir()) == sorted(toy.CATEGORIES["weld"])
    for defect in toy.CATEGORIES["weld"]:
        pictures = sorted((weld / "test" / defect).iterdir())
        assert [path.name for path in pictures] == ["000.png", "001.png"]
        for path in pictures:
            mask = Image.open(weld / "ground_truth" / defect / f"{path.stem}_mask.png")
            assert mask.mode == "L" and mask.size == Image.open(path).size == (64, 64)
            assert Image.open(path).mode == "RGB" and np.asarray(mask).max() == 255


def test_no_seed_is_shared_by_two_pictures():
    arguments = {"train": 50, "test_good": 50, "test_defective": 50}
    seeds = [seed for run in (0, 1) for _, _, seed in toy._plan("weld", arguments | {"seed": run})]
    assert len(set(seeds)) == len(seeds) == 2 * 50 * (2 + len(toy.CATEGORIES["weld"]))


def test_no_two_pictures_are_alike(tmp_path):
    root = toy.make_toy(tmp_path, **SMALL)
    pictures = [path.read_bytes() for path in root.rglob("*.png") if "ground_truth" not in path.parts]
    assert len(set(pictures)) == len(pictures) == 4 + 3 + 2 * 4 + 4 + 3 + 2 * 3


def test_more_pictures_keep_the_first_ones(tmp_path):
    few = toy.make_toy(tmp_path / "few", **SMALL)
    many = toy.make_toy(tmp_path / "many", **SMALL | {"train": 6, "test_defective": 3})
    for name, data in content(few).items():
        if name.endswith(".png"):
            assert content(many)[name] == data


def test_what_is_there_stays(tmp_path):
    toy.make_toy(tmp_path, **SMALL)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    toy.make_toy(tmp_path, **SMALL)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    with pytest.raises(InputError, match="made with train 4, not 5"):
        toy.make_toy(tmp_path, **SMALL | {"train": 5})
    with pytest.raises(InputError, match="seed 2, not 3"):
        toy.make_toy(tmp_path, **SMALL | {"seed": 3})


def test_a_kill_leaves_nothing_half_done(tmp_path, monkeypatch):
    draw, drawn = toy._draw, []

    def dies(*arguments):
        drawn.append(arguments)
        if len(drawn) == 20:
            raise KeyboardInterrupt
        return draw(*arguments)

    monkeypatch.setattr(toy, "_draw", dies)
    with pytest.raises(KeyboardInterrupt):
        toy.make_toy(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["weld"], "the 15 welds were whole, the tiles were not"
    monkeypatch.undo()
    resumed = content(toy.make_toy(tmp_path, **SMALL))
    assert resumed == content(toy.make_toy(tmp_path.with_name("fresh"), **SMALL))


def test_leftovers_of_a_hard_kill_do_no_harm(tmp_path):
    (tmp_path / ".weld.abc.part" / "train" / "good").mkdir(parents=True)
    toy.make_toy(tmp_path, **SMALL)
    assert (tmp_path / "weld" / toy.MARKER).exists()


def test_another_process_was_quicker(tmp_path):
    toy.make_toy(tmp_path, **SMALL)
    before, arguments = content(tmp_path), json.loads((tmp_path / "weld" / toy.MARKER).read_text())
    toy._make_category(tmp_path, "weld", arguments, toy._NoBar())
    assert content(tmp_path) == before
    with pytest.raises(InputError, match="made with train 4, not 3"):
        toy._make_category(tmp_path, "weld", arguments | {"train": 3}, toy._NoBar())
    assert content(tmp_path) == before


@pytest.mark.parametrize("text", [None, "{", "[1]"])
def test_a_foreign_folder_is_not_touched(tmp_path, text):
    (tmp_path / "weld").mkdir()
    (tmp_path / "weld" / "mine.txt").write_text("mine")
    if text is not None:
        (tmp_path / "weld" / toy.MARKER).write_text(text)
    with pytest.raises(InputError, match="not a toy category"):
        toy.make_toy(tmp_path, **SMALL)
    assert (tmp_path / "weld" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "change, words",
    [
        ({"categories": ["bolt"]}, "bolt"),
        ({"categories": "weld"}, r"\['weld'\]"),
        ({"train": -1}, "train"),
        ({"test_good": 10**6}, "test_good"),
        ({"size": 32}, "size"),
        ({"seed": 0.5}, "seed"),
    ],
)
def test_bad_data_set_arguments(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        toy.make_toy(tmp_path / "toy", **SMALL | change)
    assert not (tmp_path / "toy").exists()


def test_root_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose a root"):
        toy.make_toy(tmp_path / "file", **SMALL)


def test_default_root(monkeypatch, tmp_path):
    monkeypatch.setenv("ADLIB_CACHE", str(tmp_path))
    assert toy.default_toy_root() == tmp_path / "toy"
    monkeypatch.delenv("ADLIB_CACHE")
    assert toy.default_toy_root().name == "toy" and "adlib" in str(toy.default_toy_root())
