"""Tiles cover a picture, and their maps come together without a seam."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adlib.errors import InputError
from adlib.features.tiles import Blend, tile_boxes, tile_starts


@given(st.integers(1, 900), st.integers(32, 300), st.floats(0, 0.9))
def test_tiles_cover_everything_and_overlap_as_asked(length, tile, overlap):
    starts = tile_starts(length, tile, overlap)
    ends = [min(start + tile, length) for start in starts]
    assert starts[0] == 0 and ends[-1] == length and starts == sorted(set(starts))
    assert all(nxt <= end - int(tile * overlap) for end, nxt in zip(ends, starts[1:], strict=False))


@pytest.mark.parametrize(("tile", "overlap"), [(31, 0.25), (64, 1.0), (64, -0.1)])
def test_impossible_tiles_are_refused(tile, overlap):
    with pytest.raises(InputError):
        tile_starts(100, tile, overlap)


@pytest.mark.parametrize("size", [(200, 300), (97, 640), (64, 64), (33, 65)])
def test_a_smooth_map_comes_back_from_its_tiles(size):
    y, x = np.mgrid[: size[0], : size[1]]
    whole = np.sin(y / 30) + np.cos(x / 40)
    blend = Blend(size)
    for box in tile_boxes(size, (64, 64)):
        blend.add(box, whole[box.top : box.bottom, box.left : box.right])
    assert np.allclose(blend.result(), whole, atol=1e-5)


def test_tiles_that_disagree_leave_no_seam():
    """Each tile says another constant: the sum may go over from one to the other, but nowhere in one step."""
    blend = Blend((64, 640))
    for number, box in enumerate(tile_boxes((64, 640), (64, 128))):
        blend.add(box, np.full((64, 128), float(number % 2), dtype=np.float32))
    steps = np.abs(np.diff(blend.result()[30]))
    assert steps.max() < 0.1 and steps.sum() > 4


def test_what_a_crop_hid_is_nan_at_the_border_of_the_picture_only():
    blend = Blend((100, 100), 0.5)
    for box in tile_boxes((100, 100), (64, 64), 0.5):
        tile_map = np.full((64, 64), np.nan, dtype=np.float32)
        tile_map[8:-8, 8:-8] = 1.0
        blend.add(box, tile_map)
    result = blend.result()
    assert np.isnan(result[:8]).all() and np.isnan(result[:, -8:]).all()
    assert np.allclose(result[8:-8, 8:-8], 1.0)
