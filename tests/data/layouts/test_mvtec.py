"""The layout of MVTec AD."""

from collections import Counter

import pytest
from PIL import Image

from adlib.data import load_dataset, read_image, read_mask
from adlib.errors import InputError
from helpers.empty_files import names, refused, touch

MVTEC = (
    "bottle/train/good/000.png",
    "bottle/train/good/001.PNG",
    "bottle/validation/good/000.png",
    "bottle/test/good/000.png",
    "bottle/test/crack/000.png",
    "bottle/test/crack/001.png",
    "bottle/test/hole/000.png",
    "bottle/ground_truth/crack/000_mask.png",
    "bottle/ground_truth/crack/001.png",
    "bottle/ground_truth/hole/000_mask.png",
    "cable/train/good/000.png",
    "cable/test/good/000.png",
    "cable/test/bent/000.png",
)


def test_mvtec(tmp_path):
    root = touch(tmp_path / "mv", *MVTEC, "bottle/readme.txt", "bottle/test/crack/._000.png", "bottle/test/Thumbs.db")
    dataset = load_dataset(root)
    assert (dataset.name, dataset.layout, dataset.categories) == ("mv", "mvtec", ("bottle", "cable"))
    bottle = dataset.category("bottle")
    assert names(bottle, bottle.train_good) == list(MVTEC[:2])
    assert names(bottle, bottle.validation) == [MVTEC[2]]
    assert names(bottle, bottle.test) == sorted(MVTEC[3:7])
    found = {(s.defect, s.path.stem, s.label): s.mask for s in bottle.test}
    assert found == {
        ("good", "000", 0): None,
        ("crack", "000", 1): root / MVTEC[7],
        ("crack", "001", 1): root / MVTEC[8],
        ("hole", "000", 1): root / MVTEC[9],
    }
    assert bottle.has_masks and not dataset.has_masks and not dataset.category("cable").has_masks
    assert load_dataset(root, "bottle") == bottle
    assert load_dataset(root / "bottle") == bottle  # results name the same paths whichever folder was given
    with pytest.raises(InputError, match="bottle, cable"):
        dataset.category("nut")


def test_working_folder_as_category(tmp_path, monkeypatch):
    root = touch(tmp_path / "mv", *MVTEC)
    monkeypatch.chdir(root / "cable")
    assert load_dataset(".").categories == ("cable",)
    monkeypatch.setenv("HOME", str(root))
    assert load_dataset("~").categories == ("bottle", "cable")


def test_mvtec_refuses(tmp_path):
    root = touch(tmp_path / "mv", *MVTEC)
    assert "bottle, cable" in refused(root, "nut")
    assert "'cable'" in refused(root / "bottle", "cable")
    (root / "nut/train").mkdir(parents=True)
    assert "nut" in refused(root) and "train/good" in refused(root)
    assert load_dataset(root, "bottle").categories == ("bottle",)  # a broken neighbour does not matter


def test_real_mvtec_bottle(shared):
    dataset = load_dataset(shared / "data/mvtec", "bottle")
    assert dataset.categories == ("bottle",) and dataset.has_masks and not dataset.validation
    assert len(dataset.train_good) == 209
    assert Counter(s.defect for s in dataset.test) == Counter(
        good=20, broken_large=20, broken_small=22, contamination=21
    )
    sample = next(s for s in dataset.test if s.label)
    assert read_mask(sample.mask, read_image(sample.path).size).any()


def test_index_opens_no_image(tmp_path):
    root = touch(tmp_path, *MVTEC)
    assert load_dataset(root).samples  # all those files are empty
    with pytest.raises(InputError, match="0 bytes"):
        read_image(load_dataset(root).samples[0].path)
    Image.new("L", (3, 3)).save(root / MVTEC[0])
    assert read_image(root / MVTEC[0]).size == (3, 3)
