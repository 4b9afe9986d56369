"""Shaded relief and projected clouds."""

import numpy as np
import pytest

from adlib import plots
from adlib.errors import InputError


def test_a_flat_surface_has_one_grey_and_slopes_towards_the_light_are_brighter():
    y, x = np.mgrid[:12, :12].astype(float)
    flat = plots.shaded_relief(np.full((12, 12), 7.0), 1.0)
    assert flat == pytest.approx(np.sin(np.pi / 4))
    # Light from the left: a surface that rises to the right faces it.
    rising, falling = (plots.shaded_relief(sign * 0.5 * x, 1.0, light=(270, 45)) for sign in (1, -1))
    assert (rising > flat).all() and (falling < flat).all()
    # Light from above the upper edge: a surface that rises downwards faces it.
    assert (plots.shaded_relief(0.5 * y, 1.0, light=(0, 45)) > flat).all()
    # The definition, for a plane: the cosine between normal and light.
    normal, light = np.array([-0.5, 0, 1]) / np.sqrt(1.25), np.array([-1, 0, 1]) / np.sqrt(2)
    assert rising == pytest.approx(normal @ light)


def test_twice_the_spacing_is_half_the_slope():
    heights = np.random.default_rng(0).normal(size=(8, 9))
    assert plots.shaded_relief(2 * heights, 2.0) == pytest.approx(plots.shaded_relief(heights, 1.0))


def test_holes_are_white_and_do_not_change_what_is_around_them():
    plane = 0.2 * np.mgrid[:10, :10][1].astype(float)
    holed = plane.copy()
    holed[4, 5], holed[0, 0] = np.nan, np.nan
    relief = plots.shaded_relief(holed, 1.0)
    assert relief[4, 5] == relief[0, 0] == 1
    seen = np.isfinite(holed)
    assert relief[seen] == pytest.approx(plots.shaded_relief(plane, 1.0)[seen], abs=0.12)
    assert (plots.shaded_relief(np.full((3, 3), np.nan), 1.0) == 1).all()
    with pytest.raises(InputError, match="shape"):
        plots.shaded_relief(np.zeros(4), 1.0)
    with pytest.raises(InputError, match="above 0"):
        plots.shaded_relief(np.zeros((4, 4)), 0)


def test_all_clouds_have_one_scale_of_length_and_of_colour():
    small, large = np.random.default_rng(0).normal(size=(2, 30, 3))
    figure = plots.clouds(
        {"small": small, "large": 5 * large}, {"small": np.zeros(30), "large": np.arange(30.0)}, limits=(0, 20)
    )
    one, two = figure.axes[:2]
    assert np.ptp(one.get_xlim()) == pytest.approx(np.ptp(two.get_xlim()))
    assert [ax.get_title() for ax in (one, two)] == ["small", "large"]
    assert {collection.norm.vmax for ax in (one, two) for collection in ax.collections} == {20}
    assert figure.axes[-1].get_ylabel() == "anomaly score"


def test_near_points_hide_far_ones_and_the_projection_is_known():
    cloud = np.array([[0.0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 1]])
    front = plots.clouds({"front": cloud}, {"front": np.arange(4.0)}, limits=(0, 3), view=(0, 0)).axes[0].collections[0]
    placed = dict(zip(front.get_array().tolist(), front.get_offsets().tolist(), strict=True))
    assert placed == {0: [0, 0], 1: [0, 0], 2: [1, 0], 3: [0, 1]}
    assert front.get_array()[0] == 0  # the far point first, so that it is below
    top = plots.clouds({"top": cloud}, view=(0, 90)).axes[0].collections[0]
    assert sorted(np.round(top.get_offsets(), 6).tolist()) == [[0, 0], [0, 0], [0, 1], [1, 0]]


def test_clouds_that_cannot_be_shown_are_refused():
    with pytest.raises(InputError, match="no cloud"):
        plots.clouds({})
    with pytest.raises(InputError, match="without holes"):
        plots.clouds({"holed": np.full((3, 3), np.nan)})
    with pytest.raises(InputError, match="one score for each"):
        plots.clouds({"a": np.zeros((3, 3))}, {"a": np.zeros(2)}, limits=(0, 1))
    with pytest.raises(InputError, match="limits is missing"):
        plots.clouds({"a": np.zeros((3, 3))}, {"a": np.zeros(3)})
