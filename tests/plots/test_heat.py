"""Anomaly maps as honest heat: limits by their rule, colours that grow with the score."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adlib import plots
from adlib.errors import InputError
from helpers.plot_examples import defective_map, good_map, map_artists, picture, rng, with_gid


def test_colour_limits_follow_their_rule():
    maps = [good_map(1), rng(2).random((5, 9))]
    maps[0][0, :] = np.nan
    finite = np.concatenate([one[~np.isnan(one)] for one in maps])
    low, high = plots.colour_limits(maps)
    assert low == pytest.approx(np.median(finite))
    assert (np.quantile(finite, 0.999) - low) / (high - low) == pytest.approx(0.4)


@given(st.floats(-1e6, 1e6))
def test_colour_limits_of_constant_maps_are_an_interval(level):
    low, high = plots.colour_limits([np.full((3, 3), level)])
    assert low == level and high > low


@pytest.mark.parametrize("maps", [[], [np.full((2, 2), np.nan)]])
def test_colour_limits_need_a_score(maps):
    with pytest.raises(InputError, match="no finite score"):
        plots.colour_limits(maps)


def test_colour_limits_refuse_a_quantile_below_the_median():
    with pytest.raises(InputError, match="quantile is 0.3"):
        plots.colour_limits([good_map()], quantile=0.3)


def test_good_scores_look_dark_and_anomalous_ones_yellow():
    limits = plots.colour_limits([good_map(5)])
    artist = map_artists(plots.gallery([picture()], [defective_map()], limits=limits))[0]
    colour = artist.to_rgba(artist.get_array())
    red, green, blue, alpha = (np.median(colour[10:20, 12:30, i]) for i in range(4))
    assert red > 0.9 and green > 0.8 and blue < 0.2
    assert alpha < 0.8  # the part stays visible beneath
    assert np.quantile(colour[30:, :, :3].sum(axis=2), 0.9) < 0.8
    assert np.median(colour[30:, :, 3]) < alpha


def test_heat_grows_brighter_and_denser_with_the_score():
    artist = map_artists(plots.overlay(picture(), good_map(), (0, 1)))[0]
    colour = artist.to_rgba(np.linspace(0, 1, 200))
    luminance = colour[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) >= -1e-9).all() and (np.diff(colour[:, 3]) >= -1e-9).all()


@pytest.mark.parametrize(("threshold", "place", "note"), [(0.7, 0.7, "0.7"), (9.0, 1.0, "off scale")])
def test_the_colour_bar_marks_the_threshold(threshold, place, note):
    figure = plots.gallery([picture()] * 2, [good_map()] * 2, limits=(0, 1), threshold=threshold)
    (mark,) = with_gid(figure, "threshold")
    assert mark.get_ydata()[0] == pytest.approx(place)
    bar = mark.axes
    (label,) = [text for text in bar.get_yticklabels() if "threshold" in text.get_text()]
    assert note in label.get_text() and label.get_position()[1] == pytest.approx(place)
    assert bar.get_ylabel() == "anomaly score"
