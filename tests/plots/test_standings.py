import matplotlib
import numpy as np
import pandas as pd
import pytest

from adlib import plots
from adlib.errors import InputError

matplotlib.use("Agg")


def texts(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def some_table():
    return pd.DataFrame({"one": [0.9, 0.95, 0.95], "two": [0.7, np.nan, 0.6]}, index=["a", "b", "c"])


def test_a_grid_writes_every_value_and_names_what_is_missing():
    figure = plots.score_grid(some_table())
    assert texts(figure) == ["0.900", "0.700", "0.950", "not run", "0.950", "0.600"]
    bold = [text.get_text() for text in figure.axes[0].texts if text.get_fontweight() == "bold"]
    assert bold == ["0.700", "0.950", "0.950"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b", "c"]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["one", "two"]


def test_a_grid_of_gaps_alone_can_be_drawn():
    table = pd.DataFrame({"one": [np.nan]}, index=["a"])
    assert texts(plots.score_grid(table, missing="—")) == ["—"]
    with pytest.raises(InputError, match="nothing to plot"):
        plots.score_grid(pd.DataFrame())


def some_ranks():
    return pd.DataFrame({"last": [3, 3], "first": [1, 2], "second": [2, 1]})


def test_methods_stand_in_order_of_their_mean_ranks():
    figure = plots.rank_diagram(some_ranks(), 0.7, [(0, 1)])
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "second", "last"]
    assert texts(figure) == ["1.5", "1.5", "3.0", "critical difference 0.7"]
    means = [line.get_xdata()[0] for line in ax.lines if line.get_markersize() == 9]
    assert means == [1.5, 1.5, 3.0]


def test_groups_are_joined_and_the_critical_difference_is_to_scale():
    figure = plots.rank_diagram(some_ranks(), 0.7, [(0, 1), (1, 2)])
    ax = figure.axes[0]
    bars = [line.get_ydata() for line in ax.lines if len(set(line.get_xdata())) == 1 and line.get_linewidth() == 2.5]
    np.testing.assert_allclose(bars, [[-0.25, 1.25], [0.75, 2.25]])
    (whisker,) = ax.collections
    (ends,) = whisker.get_segments()
    assert ends[1][0] - ends[0][0] == pytest.approx(0.7)


def test_ranks_with_gaps_are_refused():
    for ranks in (pd.DataFrame(), pd.DataFrame({"a": [1, np.nan]})):
        with pytest.raises(InputError, match="leave out"):
            plots.rank_diagram(ranks, 1.0, [])


def some_costs():
    columns = {"ms": [5.0, 10.0, 20.0, np.nan], "auroc": [0.7, 0.6, 0.9, 0.8], "family": ["one", "two", "one", "two"]}
    return pd.DataFrame(columns, index=["quick", "beaten", "best", "no cost"])


def test_every_method_with_both_values_is_named_and_the_unbeaten_are_joined():
    figure = plots.accuracy_against_cost(some_costs(), "ms", "auroc", by="family", x_label="ms", y_label="AUROC")
    ax = figure.axes[0]
    assert texts(figure) == ["quick", "beaten", "best"] and ax.get_xscale() == "log"
    (front,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert front.get_xydata().tolist() == [[5.0, 0.7], [20.0, 0.9]]


def test_names_of_near_points_do_not_touch():
    crowd = pd.DataFrame(
        {"ms": np.linspace(20, 24, 5), "auroc": 0.9, "family": "one"}, index=[f"m{i}" for i in range(5)]
    )
    figure = plots.accuracy_against_cost(crowd, "ms", "auroc", by="family", x_label="ms", y_label="AUROC")
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_nothing_to_plot_against_cost_is_refused():
    for frame in (some_costs().drop(columns="ms"), some_costs().loc[["no cost"]]):
        with pytest.raises(InputError):
            plots.accuracy_against_cost(frame, "ms", "auroc", by="family", x_label="ms", y_label="AUROC")
