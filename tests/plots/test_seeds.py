"""Means over seeds."""

import pandas as pd
import pytest

from adlib import plots
from adlib.errors import InputError


def test_over_seeds_plots_the_mean_of_each_setting_in_order_of_rows():
    frame = pd.DataFrame({"width": [8, 8, "all", "all"], "gap": [1.0, 3.0, 5.0, 6.0]})
    ax = plots.over_seeds(frame, "width", {"gap": "gap on defects"}, y_label="gap").axes[0]
    (means,) = [line for line in ax.lines if line.get_gid() == "means"]
    assert list(means.get_ydata()) == [2.0, 5.5]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["8", "all"]
    lower, upper = ax.collections[0].get_segments()[0][:, 1]
    assert upper - lower == pytest.approx(2 * 2**0.5)  # two sample standard deviations


def test_over_seeds_puts_the_runs_beside_their_bar():
    frame = pd.DataFrame({"width": [8, 8], "gap": [1.0, 3.0]})
    ax = plots.over_seeds(frame, "width", {"gap": "gap"}, y_label="gap", beside=0.2).axes[0]
    runs = next(line for line in ax.lines if line.get_alpha() == 0.4)
    assert list(runs.get_xdata()) == [0.2, 0.2]


def test_over_seeds_names_the_levels_to_compare_with():
    frame = pd.DataFrame({"width": [8, 8], "gap": [1.0, 3.0]})
    ax = plots.over_seeds(frame, "width", {"gap": "gap"}, y_label="gap", levels={"chance": 0.5}).axes[0]
    (level,) = [line for line in ax.lines if line.get_gid() == "level"]
    assert list(level.get_ydata()) == [0.5, 0.5]
    assert level.get_label() == "chance"


def test_over_seeds_needs_rows_and_columns():
    frame = pd.DataFrame({"width": [8], "gap": [1.0]})
    with pytest.raises(InputError, match="no column"):
        plots.over_seeds(frame, "width", {"loss": "loss"}, y_label="loss")
    with pytest.raises(InputError, match="nothing to plot"):
        plots.over_seeds(frame[:0], "width", {"gap": "gap"}, y_label="gap")
