"""Curves draw the numbers they were given, and name what they cannot draw."""

import numpy as np
import pandas as pd
import pytest

from adlib import plots
from adlib.errors import InputError
from helpers.plot_examples import some_runs, with_gid


def test_the_learning_curve_draws_numpys_means_and_standard_deviations():
    runs = some_runs()
    figure = plots.learning_curve(runs, "image_auroc")
    means = with_gid(figure, "means")
    assert [line.get_label() for line in means] == ["AnomalyDINO", "PatchCore"]
    bars = [container for container in figure.axes[0].containers if container.has_yerr]
    for line, bar in zip(means, bars, strict=True):
        values = [
            runs.loc[(runs["method"] == line.get_label()) & (runs["shots"] == shots), "image_auroc"].to_numpy()
            for shots in (1, 4, 32, 256)
        ]
        np.testing.assert_allclose(line.get_ydata(), [np.mean(each) for each in values])
        np.testing.assert_allclose(line.get_xdata(), [0, 2, 5, 8], atol=0.2)
        ends = np.array([segment[:, 1] for segment in bar.lines[2][0].get_segments()])
        np.testing.assert_allclose(np.diff(ends)[:, 0] / 2, [np.std(each, ddof=1) for each in values])


def test_every_seed_is_a_dot_and_missing_values_are_left_out():
    runs = some_runs()
    runs.loc[0, "image_auroc"] = np.nan
    ax = plots.learning_curve(runs, "image_auroc").axes[0]
    dots = [line for line in ax.lines if line.get_alpha() == 0.45]
    assert [len(line.get_ydata()) for line in dots] == [11, 12]


def test_zero_shots_and_single_runs_have_their_place():
    frame = pd.DataFrame({"method": "WinCLIP", "shots": [0, 2, 4], "seed": 0, "image_auroc": [0.5, 0.6, 0.7]})
    figure = plots.learning_curve(frame)
    np.testing.assert_allclose(with_gid(figure, "means")[0].get_xdata(), [0, 1, 2])
    plots.figure_to_png(figure)


def test_references_stand_at_their_values():
    references = {"image_auroc": {"full-shot": 0.99, "paper": {1: 0.9, 16: 0.95}}}
    ax = plots.learning_curve(some_runs(), references=references).axes[0]
    drawn = {line.get_label(): line for line in ax.lines}
    assert set(drawn["full-shot"].get_ydata()) == {0.99}
    np.testing.assert_allclose(drawn["paper"].get_xdata(), [0, 4])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "4", "16", "32", "256"]


def test_the_learning_curve_names_what_is_wrong():
    with pytest.raises(InputError, match="no column aupro"):
        plots.learning_curve(some_runs(), "aupro")
    with pytest.raises(InputError, match="'shots'"):
        plots.learning_curve(some_runs().assign(shots=np.nan))


def test_lines_have_the_given_ticks_and_references_in_the_colours_of_their_series():
    series = {"a": ([20, 500], [0.4, 0.3]), "b": ([20, 500], [0.5, 0.6])}
    given = {"ticks": [20, 100, 500], "log": "x", "paired": True, "references": {"of a": 0.1, "of b": 0.2}}
    ax = plots.lines(series, x_label="x", y_label="y", **given).axes[0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["20", "100", "500"] and not len(
        ax.get_xticks(minor=True)
    )
    colours = {line.get_label(): line.get_color() for line in ax.lines}
    assert colours["of a"] == colours["a"] != colours["b"] == colours["of b"]


def test_lines_mark_thresholds_by_named_vertical_lines():
    ax = plots.lines({"good": ([0, 1, 2], [1, 0.5, 0])}, x_label="x", y_label="y", thresholds={"radius": 0.5}).axes[0]
    (line,) = [line for line in ax.lines if line.get_label() == "radius"]
    assert set(line.get_xdata()) == {0.5}
