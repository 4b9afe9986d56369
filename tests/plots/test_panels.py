"""Panels plot the values that they were given, on the axes that were asked for."""

import numpy as np
import pandas as pd
import pytest

from adlib import plots
from adlib.errors import InputError


def test_curves_stand_in_their_panel_and_a_logarithm_leaves_zeros_out():
    panels = {"error": {"good": [1.0, 0.1, 0.0], "defective": [3.0, 2.0, 1.0]}, "fraction": {"copied": [0.0, 0.5, 1.0]}}
    left, right = plots.line_panels(panels, [1, 12, 64], x_label="width", log=["error"]).axes
    assert (left.get_yscale(), right.get_yscale()) == ("log", "linear")
    assert {line.get_label(): list(line.get_ydata()) for line in left.lines} == {
        "good": [1.0, 0.1],
        "defective": [3.0, 2.0, 1.0],
    }
    np.testing.assert_allclose(right.lines[0].get_ydata(), [0, 0.5, 1])
    assert [tick.get_text() for tick in right.get_xticklabels()] == ["1", "12", "64"]
    assert [line.get_color() for line in left.lines] == [plots.GOOD, plots.DEFECTIVE]
    left.get_figure().draw_without_rendering()
    assert {"0.1", "0.2", "0.5", "1", "2"} < {tick.get_text() for tick in left.get_yticklabels()}


def test_points_of_each_group_stand_in_every_panel():
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6], "y": [7, 8, 9], "group": ["one", "two", "two"]})
    left, right = plots.scatter_panels(frame, ["a", "b"], "y", "group", names={"b": "other"}, log="a").axes
    assert (left.get_xscale(), right.get_xscale(), right.get_xlabel()) == ("log", "linear", "other")
    one, two = right.lines
    assert (list(one.get_xdata()), list(two.get_xdata()), list(two.get_ydata())) == ([4], [5, 6], [8, 9])


def test_misfits_are_named():
    with pytest.raises(InputError, match="2 values for 3 places"):
        plots.line_panels({"error": {"good": [1, 2]}}, [1, 2, 3], x_label="width")
    with pytest.raises(InputError, match="'loss'"):
        plots.line_panels({"error": {"good": [1]}}, [1], x_label="width", log=["loss"])
    with pytest.raises(InputError, match="no column c"):
        plots.scatter_panels(pd.DataFrame({"y": [1], "g": [1]}), ["c"], "y", "g")
