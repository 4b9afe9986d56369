"""Overlays in the picture's own size, on one scale."""

import numpy as np
from PIL import Image

from adlib.inspection.overlays import paint


def test_an_overlay_has_the_pictures_size_and_one_scale():
    grey = Image.new("RGB", (60, 40), (100, 100, 100))
    scores = np.zeros((40, 60), dtype=np.float32)
    scores[10:30, 20:40] = 3.0
    painted = np.asarray(paint(grey, scores, (0.0, 2.0)))
    assert painted.shape == (40, 60, 3)
    red, green, blue = painted[20, 30].astype(int)
    assert red > 180 and green > 180 and blue < 60  # yellow
    assert painted[0, 0].max() < 100  # dark glaze
    louder = scores.copy()
    louder[0, 59] = 100
    assert np.array_equal(np.asarray(paint(grey, louder, (0.0, 2.0)))[20, 30], painted[20, 30])


def test_a_contour_runs_around_the_region_and_unseen_pixels_stay_grey():
    grey = Image.new("RGB", (60, 40), (100, 100, 100))
    scores = np.zeros((40, 60), dtype=np.float32)
    scores[10:30, 20:40] = 3.0
    scores[:, :5] = np.nan
    painted = np.asarray(paint(grey, scores, (0.0, 2.0), contour=2.5))
    assert (painted[9, 20:40] == 255).all() and (painted[10:30, 19] == 255).all()
    assert (painted[20, 30] != 255).any() and (painted[:, :5] == 100).all()
