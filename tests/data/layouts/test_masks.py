"""Masks are found under their usual names, and images that only look like masks are never counted as defective."""

import numpy as np
import pytest
from PIL import Image

from adlib.data import load_dataset
from adlib.data.check import check_folder
from helpers.empty_files import names, refused, touch
from helpers.small_data_sets import picture


def two_valued(path, size=(20, 16)):
    """A mask by its look."""
    mask = np.zeros(size[::-1], np.uint8)
    mask[4:8, 5:9] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)


def masks_of(dataset):
    return {
        dataset.relative(s): s.mask and s.mask.relative_to(dataset.root).as_posix() for s in dataset.test if s.label
    }


@pytest.mark.parametrize("folder", ["ground_truth", "Ground_Truth", "ground truth", "GT", "gt", "mask", "Masks"])
@pytest.mark.parametrize("mask", ["a_mask.png", "a.png", "a_GT.bmp", "a-mask.png"])
def test_folders_of_masks_in_both_layouts(tmp_path, folder, mask):
    own = touch(tmp_path / "own", "good/g.png", "good/h.png", "pore/a.png", f"{folder}/pore/{mask}")
    assert masks_of(load_dataset(own)) == {"pore/a.png": f"{folder}/pore/{mask}"}
    nut = touch(
        tmp_path / "parts/nut", "train/good/g.png", "test/good/h.png", "test/pore/a.png", f"{folder}/pore/{mask}"
    )
    assert masks_of(load_dataset(nut)) == {"nut/test/pore/a.png": f"nut/{folder}/pore/{mask}"}


def test_masks_in_a_folder_without_kinds_and_below_kinds(tmp_path):
    root = touch(tmp_path / "own", "good/g.png", "pore/a.png", "pore/day/a.png", "gt/a.png", "gt/pore/day/a_mask.png")
    assert masks_of(load_dataset(root)) == {"pore/a.png": "gt/a.png", "pore/day/a.png": "gt/pore/day/a_mask.png"}


def test_the_mask_of_an_image_in_a_subfolder_may_lie_above_where_no_other_has_its_stem(tmp_path):
    masks = ("gt/pore/a.png", "gt/pore/b.png", "good/g.png")
    root = touch(tmp_path / "own", *masks, "pore/day1/a.png", "pore/day2/a.png", "pore/day1/b.png")
    assert masks_of(load_dataset(root)) == {
        "pore/day1/a.png": None,
        "pore/day2/a.png": None,
        "pore/day1/b.png": "gt/pore/b.png",
    }


@pytest.mark.parametrize("ending", ["_mask", "_GT", "-mask", "_gt"])
def test_masks_next_to_their_images(tmp_path, ending):
    files = ("good/g.png", f"good/g{ending}.png", "good/h.png", "pore/a.jpg", f"pore/a{ending}.png", "pore/b_mask.png")
    dataset = load_dataset(touch(tmp_path / "own", *files))
    assert masks_of(dataset) == {"pore/a.jpg": f"pore/a{ending}.png", "pore/b_mask.png": None}
    assert {name for s in dataset.samples if not s.label for name in [s.path.name]} == {"g.png", "h.png"}


def test_an_image_that_is_called_as_a_mask_keeps_its_own(tmp_path):
    root = touch(tmp_path / "own", "good/g.png", "pore/a_mask.png", "gt/pore/a_mask_mask.png", "gt/pore/a_mask.png")
    assert masks_of(load_dataset(root)) == {"pore/a_mask.png": "gt/pore/a_mask_mask.png"}


def unseen_defects(root, masks="labels/scratch/{}.png"):
    """Defects that cannot be seen, and masks where no name gives them away."""
    for i in range(5):
        picture(root / f"good/g{i}.png", (40, 40))
        picture(root / f"scratch/{i}.png", (40, 40))
        two_valued(root / masks.format(i), (40, 40))
    return root


def test_two_valued_images_with_names_of_others_ask_what_they_are(tmp_path):
    root = unseen_defects(tmp_path / "own")
    text = refused(root)
    assert "5 images (.png)" in text and "masks='labels'" in text and 'masks="none"' in text
    assert not check_folder(root).ok and text in str(check_folder(root))
    told = load_dataset(root, masks="labels")
    assert masks_of(told) == {f"scratch/{i}.png": f"labels/scratch/{i}.png" for i in range(5)} and told.has_masks
    assert {s.defect for s in load_dataset(root, masks="none").test if s.label} == {"labels", "scratch"}


def test_two_valued_images_of_another_ending_ask_what_they_are(tmp_path):
    root = tmp_path / "own"
    for i in range(5):
        picture(root / f"good/g{i}.bmp", (40, 40))
        picture(root / f"scratch/{i}.bmp", (40, 40))
        two_valued(root / f"scratch/{i}.png", (40, 40))
    assert "masks='.png'" in refused(root)
    assert masks_of(load_dataset(root, masks=".png")) == {f"scratch/{i}.bmp": f"scratch/{i}.png" for i in range(5)}
    assert len([s for s in load_dataset(root, masks="none").test if s.label]) == 10


def test_two_valued_images_in_the_test_folder_of_mvtec(tmp_path):
    root = tmp_path / "parts/nut"
    for i in range(4):
        picture(root / f"train/good/{i}.png", (40, 40))
        picture(root / f"test/pore/{i}.png", (40, 40))
        two_valued(root / f"test/drawn/{i}.png", (40, 40))
    assert "masks='drawn'" in refused(root)
    assert len(masks_of(load_dataset(root, masks="drawn"))) == 4 and load_dataset(root, masks="drawn").has_masks


def test_two_valued_images_are_images_where_all_are(tmp_path):
    for i in range(4):
        for name in (f"good/{i}.png", f"pore/{i}.png"):
            two_valued(tmp_path / "own" / name, (40, 40))
    assert len(names(load_dataset(tmp_path / "own"), load_dataset(tmp_path / "own").samples)) == 8


def test_a_folder_that_is_called_mask_and_is_none(tmp_path):
    root = touch(tmp_path / "own", "good/g.png", "good/h.png", "mask/a.png")
    assert not [s for s in load_dataset(root).samples if s.label]
    assert masks_of(load_dataset(root, masks="none")) == {"mask/a.png": None}
