"""Reading masks: any value but zero is a defect, and soft edges are cut at half."""

import numpy as np
from PIL import Image

from adlib.data.masks import read_mask
from helpers.image_files import RANDOM, one_sentence, save


def test_masks_any_value_but_zero_is_defect(tmp_path):
    classes = RANDOM.integers(0, 6, (12, 17), dtype=np.uint8)
    for mask in (classes, classes.astype(np.uint16) * 50, np.where(classes > 0, 255, 0).astype(np.uint8), classes > 0):
        assert np.array_equal(read_mask(save(tmp_path / "m.png", mask)), classes > 0)
    colours = np.zeros((12, 17, 3), np.uint8)
    colours[classes > 3] = (0, 128, 0)
    assert np.array_equal(read_mask(save(tmp_path / "c.png", colours)), classes > 3)
    palette = Image.fromarray(classes, "P")
    palette.putpalette([255, 255, 255] * 6)
    assert np.array_equal(read_mask(save(tmp_path / "p.png", palette)), classes > 0)
    mask = read_mask(save(tmp_path / "zero.png", np.zeros((3, 4), np.uint8)))
    assert mask.shape == (3, 4) and mask.dtype == bool and not mask.any()


def test_masks_with_soft_edges_are_cut_at_half(tmp_path):
    edge = np.array([[0, 1, 127, 128, 255]], np.uint8)
    assert read_mask(save(tmp_path / "m.png", edge)).tolist() == [[False, False, False, True, True]]
    assert read_mask(save(tmp_path / "m.png", edge.astype(np.uint16) * 257)).tolist() == [[False] * 3 + [True] * 2]


def test_mask_of_another_size(tmp_path):
    path = save(tmp_path / "m_mask.png", np.zeros((3, 4), np.uint8))
    assert read_mask(path, size=(4, 3)).shape == (3, 4)
    one_sentence(path, "m_mask.png", "4 x 3", "3 x 4", reader=lambda p: read_mask(p, size=(3, 4)))


def test_real_masks(shared):
    bottle = shared / "data/mvtec/bottle/ground_truth/contamination/000_mask.png"
    assert np.array_equal(read_mask(bottle, (448, 448)), np.asarray(Image.open(bottle)) == 255)
    for path in sorted((shared / "data/mtd/MT_Crack/Imgs").glob("*.png"))[:5]:
        values = np.asarray(Image.open(path))
        assert 0 < (values == 255).sum() <= read_mask(path).sum() < (values > 0).sum()
