"""Labelled defects: which are learned from, where they come from, and which protocol that is."""

from dataclasses import replace

import pytest

from adlib.data import Dataset, label_defects, load_dataset
from adlib.data.check import check_folder
from adlib.errors import InputError
from helpers.empty_files import names, touch
from helpers.small_data_sets import picture, whole


@pytest.fixture
def plain(tmp_path) -> Dataset:
    """No labelled defects; six defective test images of two kinds."""
    kinds = [f"test/{kind}/{i}.png" for kind in ("crack", "pore", "good") for i in range(3)]
    masks = [f"ground_truth/{kind}/{i}_mask.png" for kind in ("crack", "pore") for i in range(3)]
    return load_dataset(touch(tmp_path / "plain/nut", "train/good/0.png", *kinds, *masks))


@pytest.fixture
def given(tmp_path) -> Dataset:
    """Four labelled defects: with a mask of its own, one beside it, one below train, and one of a test image's name."""
    return load_dataset(
        touch(
            tmp_path / "given/nut",
            *("train/good/0.png", "train/crack/a.png", "train/crack/b.png", "train/pore/c.png", "train/crack/0.png"),
            *("test/good/0.png", "test/crack/0.png", "test/pore/c2.png"),
            *("ground_truth/crack/a_mask.png", "ground_truth/crack/0_mask.png"),
            *("train/crack/b_mask.png", "train/masks/pore/c.png"),
        )
    )


def test_folders_below_train_hold_labelled_defects(given):
    assert names(given, given.train_good) == ["nut/train/good/0.png"] and len(given.test) == 3
    found = {
        s.path.name: (s.defect, s.label, s.split, s.mask and given.root.joinpath(s.mask)) for s in given.train_defects
    }
    root = given.root / "nut"
    assert found == {
        "0.png": ("crack", 1, "train", None),  # the mask of that name is the test image's
        "a.png": ("crack", 1, "train", root / "ground_truth/crack/a_mask.png"),
        "b.png": ("crack", 1, "train", root / "train/crack/b_mask.png"),
        "c.png": ("pore", 1, "train", root / "train/masks/pore/c.png"),
    }
    assert next(s for s in given.test if s.defect == "crack").mask == root / "ground_truth/crack/0_mask.png"


def test_labelled_defects_of_the_folder_come_first_and_the_test_set_stays(given):
    for count in range(5):
        learned = label_defects(given, count, seed=3)
        assert len(learned.train_defects) == count and learned.test == given.test
        assert set(learned.train_defects) <= set(given.train_defects) and learned.train_good == given.train_good
    with pytest.raises(InputError, match="given has 4 labelled defects in its training split, fewer than the 5"):
        label_defects(given, 5)


def test_without_any_defective_test_images_are_moved(plain):
    learned = label_defects(plain, 2, seed=1)
    assert len(learned.train_defects) == 2 and all(s.mask and s.label for s in learned.train_defects)
    assert {s.path for s in learned.train_defects}.isdisjoint(s.path for s in learned.test)
    assert len(learned.test) == len(plain.test) - 2 and len(learned.samples) == len(plain.samples)
    assert {replace(s, split="test") for s in learned.train_defects} < set(plain.test)
    assert label_defects(plain, 0) is plain
    with pytest.raises(InputError, match="All 6 defective test images of plain would be learned from"):
        label_defects(plain, 6)
    with pytest.raises(InputError, match="6 defective test images, fewer than the 7"):
        label_defects(plain, 7)
    with pytest.raises(InputError, match="labelled must be a whole number"):
        label_defects(plain, -1)


def test_samples_are_nested_repeatable_and_differ_by_seed(plain):
    few, more = (set(label_defects(plain, n, seed=4).train_defects) for n in (2, 4))
    assert few < more and few == set(label_defects(plain, 2, seed=4).train_defects)
    assert len({tuple(label_defects(plain, 2, seed).train_defects) for seed in range(6)}) > 1


def test_kinds_that_are_left_out_stay_unseen(plain, given):
    for dataset in (plain, given):
        assert {s.defect for s in label_defects(dataset, 2, kinds=("crack",)).train_defects} == {"crack"}
    with pytest.raises(InputError, match="3 defective test images of the kinds pore, fewer than the 4"):
        label_defects(plain, 4, kinds=["pore"])


def test_check_counts_them_and_says_which_lack_masks(tmp_path):
    root = whole(tmp_path / "parts")
    assert "labelled" not in str(check_folder(root))
    for name in ("crack/7.png", "crack/8.png", "pore/9.png"):
        picture(root / "nut/train" / name)
    picture(root / "nut/ground_truth/crack/7_mask.png")
    report = check_folder(root)
    (line,) = [line for line in report.lines if line.startswith("  labelled ")]
    assert report.ok and "3 defects in train (2 crack, 1 pore), 2 without a mask; only --labelled N" in line
    assert "6 good, 2 crack, 1 pore" in str(report) and "does not read" not in str(report)
