"""Means and standard deviations over repeated runs."""

import numpy as np
import pandas as pd
import pytest

from adlib import plots
from adlib.errors import InputError


def test_means_and_bars_are_those_of_the_runs_and_missing_values_are_left_out():
    frame = pd.DataFrame(
        {
            "size": [10, 10, 1, 1, 10, 1],
            "way": ["greedy"] * 4 + ["random"] * 2,
            "radius": [1.0, 3.0, 5.0, 9.0, np.nan, 4.0],
        }
    )
    figure = plots.repeats(frame, "size", {"radius": "covering radius"}, by="way", log="x")
    greedy, random = (line for line in figure.axes[0].lines if line.get_gid() == "means")
    assert greedy.get_xydata().tolist() == [[1, 7.0], [10, 2.0]]
    assert random.get_xydata().tolist() == [[1, 4.0]]
    segments = [s for bars in figure.axes[0].containers for s in bars[2][0].get_segments()]
    assert np.diff(segments[1][:, 1]).item() == pytest.approx(2 * np.sqrt(2))  # mean 2, std sqrt(2)
    assert figure.axes[0].get_xscale() == "log"


def test_curves_can_be_set_apart_so_that_no_bar_hides_another():
    frame = pd.DataFrame({"shift": [0, 8] * 4, "way": ["a", "b"] * 4, "score": range(8)}).sort_values("way")
    figure = plots.repeats(frame.assign(shift=[0, 8] * 4), "shift", {"score": "score"}, by="way", apart=0.5)
    means = [line for line in figure.axes[0].lines if line.get_gid() == "means"]
    assert [line.get_xdata().tolist() for line in means] == [[-0.25, 7.75], [0.25, 8.25]]
    bars = [bars[2][0].get_segments() for bars in figure.axes[0].containers]
    assert [[float(s[0, 0]) for s in segments] for segments in bars] == [[-0.25, 7.75], [0.25, 8.25]]


def test_a_band_is_one_standard_deviation_on_each_side_of_the_mean():
    frame = pd.DataFrame({"labels": ["1", "1", "half", "half"], "score": [1.0, 3.0, 5.0, 5.0]})
    figure = plots.repeats(frame, "labels", {"score": "score"}, bands=True)
    corners = figure.axes[0].collections[0].get_paths()[0].vertices
    assert sorted(corners[corners[:, 0] == 0, 1])[0] == pytest.approx(2 - np.sqrt(2))
    assert sorted(corners[corners[:, 0] == 0, 1])[-1] == pytest.approx(2 + np.sqrt(2))
    assert set(corners[corners[:, 0] == 1, 1]) == {5.0} and not figure.axes[0].containers


def test_names_are_spaced_evenly_in_the_order_of_the_frame():
    frame = pd.DataFrame({"layer": ["deep", "deep", "shallow"], "a": [1.0, 3, 4], "b": [0.0, 0, 1]})
    figure = plots.repeats(frame, "layer", {"a": "A", "b": "B"})
    assert [ax.get_ylabel() for ax in figure.axes] == ["A", "B"]
    line = next(line for line in figure.axes[0].lines if line.get_gid() == "means")
    assert line.get_xydata().tolist() == [[0, 2.0], [1, 4.0]]
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["deep", "shallow"]


def test_nothing_to_plot_is_an_error():
    with pytest.raises(InputError, match="no column"):
        plots.repeats(pd.DataFrame({"x": [1]}), "x", {"y": "Y"})
    with pytest.raises(InputError, match="nothing to plot"):
        plots.repeats(pd.DataFrame({"x": [], "y": []}), "x", {"y": "Y"})
