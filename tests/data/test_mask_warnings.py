"""Masks that are probably wrong are named by `adlib check`, and classes of defect are all defect."""

import numpy as np
import pytest
from PIL import Image

from adlib.data import load_dataset, read_mask
from adlib.data.check import check_folder
from adlib.data.mask_warnings import mask_warnings
from helpers.small_data_sets import picture


def write(path, mask, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path, **options)
    return path


@pytest.fixture
def own(tmp_path):
    """Two good images and three defective ones, with masks that are right."""
    root = tmp_path / "own"
    mask = np.zeros((16, 20), np.uint8)
    mask[4:8, 5:9] = 255
    for name in ("good/a.png", "good/b.png", "pore/c.png", "pore/d.png", "pore/e.png"):
        picture(root / name)
    for name in "cde":
        write(root / f"gt/pore/{name}.png", mask)
    return root, mask


def test_right_masks_give_no_warning(own):
    root, _ = own
    assert mask_warnings(load_dataset(root)) == [] and "probably wrong" not in str(check_folder(root))


def test_inverted_masks(own):
    root, mask = own
    for name in "cd":
        write(root / f"gt/pore/{name}.png", 255 - mask)
    (warning,) = mask_warnings(load_dataset(root))
    assert warning.startswith("2 images with a mask of more than 50%") and "pore/c.png, pore/d.png" in warning
    assert "Masks that are probably wrong (1)" in str(check_folder(root))


def test_shared_masks(own):
    root, _ = own
    picture(root / "pore/c.bmp")
    (warning,) = mask_warnings(load_dataset(root))
    assert warning.startswith("2 images with the mask of another") and "pore/c.bmp, pore/c.png" in warning


def test_jpeg_masks(own):
    root, mask = own
    (root / "gt/pore/c.png").unlink()
    write(root / "gt/pore/c.jpg", mask)
    (warning,) = mask_warnings(load_dataset(root))
    assert warning.startswith("1 image with a JPEG mask")


def test_masks_of_turned_images(own):
    root, mask = own
    exif = Image.Exif()
    exif[0x0112] = 3
    write(root / "pore/c.png", np.zeros((16, 20), np.uint8), exif=exif)
    (warning,) = mask_warnings(load_dataset(root))
    assert warning.startswith("1 image with a mask, stored turned") and "pore/c.png" in warning


@pytest.mark.parametrize("values", [(100, 200), (1, 200), (60, 120, 180), (30, 60, 90, 120, 150, 180, 210, 240)])
def test_classes_on_both_sides_of_half_are_all_defect(tmp_path, values):
    mask = np.zeros((40, 90), np.uint8)
    for number, value in enumerate(values):
        mask[10:18, 10 * number + 2 : 10 * number + 9] = value
    for scale in (1, 257):
        stored = mask if scale == 1 else mask.astype(np.uint16) * scale
        assert (read_mask(write(tmp_path / "m.png", stored)) == (mask > 0)).all()


def test_a_fringe_of_few_values_is_not_defect(tmp_path):
    mask = np.zeros((20, 20), np.uint8)
    mask[5:10, 5:10] = 255
    mask[4, 5:10], mask[10, 5:10] = (23, 36, 41, 90, 249), (36, 90, 23, 41, 127)
    assert np.array_equal(read_mask(write(tmp_path / "m.png", mask)), mask > 127)
