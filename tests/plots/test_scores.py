"""Histograms and curves of scores draw the numbers they were given, and name what they cannot draw."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from adlib import plots
from adlib.errors import InputError
from helpers.plot_examples import rng


def test_the_histogram_counts_what_the_threshold_does():
    good, defective = [0.1, 0.2, 0.3, 0.9], [0.3, 0.8, 0.85]
    figure = plots.score_histogram(good, defective, 0.3)
    (line,) = [line for line in figure.axes[0].lines if str(line.get_label()).startswith("threshold")]
    assert set(line.get_xdata()) == {0.3}
    # A score equal to the threshold is not above it.
    assert line.get_label() == "threshold 0.3: false alarms 25.0% (1 of 4), recall 66.7% (2 of 3)"
    filled = [patch for patch in figure.axes[0].patches if patch.get_fill()]
    (counts_good, edges_good, _), (counts_bad, edges_bad, _) = (patch.get_data() for patch in filled)
    np.testing.assert_array_equal(edges_good, edges_bad)
    assert (counts_good.sum(), counts_bad.sum()) == (4, 3)


@pytest.mark.parametrize(("good", "defective"), [([1.0], []), ([], [2.0]), ([1.0, 1.0], [1.0])])
def test_the_histogram_takes_degenerate_scores(good, defective):
    plots.figure_to_png(plots.score_histogram(good, defective, 1.0))


def test_the_histogram_refuses_nan_and_emptiness():
    with pytest.raises(InputError, match="good_scores holds NaN"):
        plots.score_histogram([np.nan], [1.0])
    with pytest.raises(InputError, match="no scores"):
        plots.score_histogram([], [])


def test_every_stop_has_its_confusion_matrix():
    good, defective = [0.1, 0.2, 0.3, 0.9], [0.3, 0.8, 0.85]
    figure = plots.threshold_stops(good, defective, {"low": 0.3, "high": 0.85})
    top = figure.axes[-1]
    assert [line.get_xdata()[0] for line in top.lines] == [0.3, 0.85]
    matrices = [[text.get_text() for text in ax.texts] for ax in figure.axes[:-1]]
    # A score equal to the threshold is not above it.
    assert matrices[0] == ["3\n75%", "1\n25%", "1\n33%", "2\n67%"]
    assert matrices[1] == ["3\n75%", "1\n25%", "3\n100%", "0\n0%"]


@pytest.mark.parametrize(("good", "stops"), [([], {"a": 1.0}), ([1.0], {}), ([1.0], {str(i): 1.0 for i in range(6)})])
def test_stops_refuse_what_they_cannot_show(good, stops):
    with pytest.raises(InputError, match="stops"):
        plots.threshold_stops(good, [2.0], stops)


@pytest.mark.parametrize("seed", range(4))
def test_the_areas_under_the_curves_are_the_numbers_in_the_legends(seed):
    labels = np.r_[0, 1, rng(seed).integers(0, 2, 20)]
    scores = rng(seed).integers(0, 8, 22) / 8.0  # ties
    roc, pr = plots.roc_and_pr(labels, scores).axes
    false_alarms, hits = roc.lines[1].get_data()
    area = np.sum(np.diff(false_alarms) * (hits[1:] + hits[:-1]) / 2)
    assert area == pytest.approx(roc_auc_score(labels, scores))
    assert roc.lines[1].get_label() == f"AUROC {area:.3f}"
    recall, precision = pr.lines[1].get_data()
    assert pr.lines[1].get_drawstyle() == "steps-pre"
    assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(average_precision_score(labels, scores))
    np.testing.assert_allclose(pr.lines[0].get_ydata(), labels.mean())


def test_roc_needs_both_kinds():
    with pytest.raises(InputError, match="both good and defective"):
        plots.roc_and_pr([1, 1], [0.1, 0.2])
