"""Charts draw the numbers they were given, and name what they cannot draw."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from adlib import plots
from adlib.errors import InputError
from helpers.plot_examples import rng, some_runs, texts, with_gid


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


def test_methods_stand_in_order_of_their_means():
    frame = pd.DataFrame({"method": list("aabbc"), "image_auroc": [0.5, 0.7, 0.9, 0.9, np.nan]})
    figure = plots.method_scores(frame)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]
    assert {"0.600", "0.900"} <= set(texts(figure))


def test_ours_minus_published_is_written_and_missing_ones_left_out():
    frame = pd.DataFrame({"label": ["a", "b"], "ours": [96.2, 97.0], "published": [96.5, np.nan]})
    written = texts(plots.ours_beside_published(frame))
    assert "\N{MINUS SIGN}0.3" in written and not any("nan" in text for text in written)


def test_points_draw_the_threshold_where_the_field_has_it():
    x = np.linspace(-3, 3, 61)
    field = (x, x, np.hypot(*np.meshgrid(x, x)))
    figure = plots.points({"good": np.zeros((1, 2))}, field=field, threshold=2.0)
    line = figure.axes[0].collections[-1]
    assert np.hypot(*np.concatenate([path.vertices for path in line.get_paths()]).T) == pytest.approx(2.0, abs=0.02)
    with pytest.raises(InputError, match="no field"):
        plots.points({"good": np.zeros((1, 2))}, threshold=2.0)
