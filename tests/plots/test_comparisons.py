"""Comparisons of methods, and of ours with the published, write their numbers."""

import numpy as np
import pandas as pd
import pytest

from adlib import plots
from adlib.errors import InputError
from helpers.plot_examples import texts


def test_ours_minus_published_is_written_and_missing_ones_left_out():
    frame = pd.DataFrame({"label": ["a", "b"], "ours": [96.2, 97.0], "published": [96.5, np.nan]})
    written = texts(plots.ours_beside_published(frame))
    assert "\N{MINUS SIGN}0.3" in written and not any("nan" in text for text in written)


def test_an_effect_looks_as_its_interval_says():
    rows = [("a", 2.0, 1.0, 3.0), ("b", -2.0, -3.0, -1.0), ("c", 0.5, -1.0, 2.0), ("d", 4.0, np.nan, np.nan)]
    frame = pd.DataFrame([("tiles", *row) for row in rows], columns=["panel", "label", "change", "low", "high"])
    (ax,) = plots.effects(frame).axes
    kinds = {line.get_label(): line.get_xydata().tolist() for line in ax.get_lines() if "," in line.get_label()}
    assert kinds["better, beyond chance"] == [[2.0, 3]] and kinds["worse, beyond chance"] == [[-2.0, 2]]
    both = {line.get_label(): line for line in ax.get_lines()}
    assert both["within chance"].get_xdata().tolist() == [0.5]
    assert both["no interval"].get_xdata().tolist() == [4.0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c", "d"]


def test_effects_put_a_label_on_one_row_in_all_panels_and_leave_out_what_was_not_run():
    rows = [("tiles", "a", 1, 0.5, 2), ("tiles", "b", 1, 0.5, 2), ("cells", "b", 3, 2, 4)]
    frame = pd.DataFrame(rows, columns=["panel", "label", "change", "low", "high"])
    left, right = plots.effects(frame).axes
    better = [next(line for line in ax.get_lines() if "better" in line.get_label()) for ax in (left, right)]
    assert better[0].get_ydata().tolist() == [1, 0] and better[1].get_ydata().tolist() == [0]
    assert left.get_ylim() == right.get_ylim()


def test_effects_have_one_scale_if_asked():
    rows = [("small", "a", 1, 0.5, 2), ("large", "a", 10, -40, 20)]
    frame = pd.DataFrame(rows, columns=["panel", "label", "change", "low", "high"])
    same, own = ([ax.get_xlim() for ax in plots.effects(frame, same_scale=asked).axes] for asked in (True, False))
    assert same[0] == same[1] == own[1] != own[0]


def test_effects_leave_out_a_change_that_is_not_there_and_keep_its_row():
    frame = pd.DataFrame(
        {"panel": "tiles", "label": ["a", "b"], "change": [np.nan, 2.0], "low": np.nan, "high": np.nan}
    )
    (ax,) = plots.effects(frame).axes
    hollow = next(line for line in ax.get_lines() if line.get_label() == "no interval")
    assert hollow.get_xydata().tolist() == [[2.0, 0]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]


def test_effects_need_a_row():
    with pytest.raises(InputError, match="nothing to plot"):
        plots.effects(pd.DataFrame({"panel": [], "label": [], "change": [], "low": [], "high": []}))


def test_intervals_are_where_they_were_given():
    ax = plots.intervals({"a": (0.9, 0.8, 0.95), "b": (0.5, 0.4, 0.7)}, x_label="AUROC", reference=0.5).axes[0]
    (bars,) = ax.collections
    assert [segment[:, 0].tolist() for segment in bars.get_segments()] == [[0.8, 0.95], [0.4, 0.7]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert ax.get_yticks()[0] > ax.get_yticks()[1]  # the first row on top


@pytest.mark.parametrize("rows", [{}, {"a": (0.5, 0.7, 0.4)}])
def test_intervals_refuse_no_row_and_exchanged_ends(rows):
    with pytest.raises(InputError, match="nothing to plot"):
        plots.intervals(rows, x_label="AUROC")
