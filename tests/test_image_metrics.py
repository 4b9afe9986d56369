"""Image metrics and their bootstrap against slow, literal statements of their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from adlib.errors import InputError
from adlib.evaluation import IMAGE_METRICS, accuracy_at, bootstrap_interval, decide, f1max, image_metrics
from helpers.plain_metrics import plain_ap, plain_auroc, plain_f1max

# --- image metrics


@pytest.mark.parametrize("levels", [1, 3, None])
def test_image_metrics_equal_definition_and_scikit_learn(levels):
    rng = np.random.default_rng(0)
    for count in (2, 5, 40):
        labels = np.append([0, 1], rng.integers(0, 2, count - 2))
        scores = rng.normal(size=count) + labels if levels is None else rng.integers(0, levels, count).astype(float)
        ours = image_metrics(labels, scores)
        assert tuple(ours) == IMAGE_METRICS
        assert ours["image_auroc"] == pytest.approx(plain_auroc(labels, scores), abs=1e-12)
        assert ours["image_auroc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
        assert ours["image_ap"] == pytest.approx(plain_ap(labels, scores), abs=1e-12)
        assert ours["image_ap"] == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
        assert ours["image_f1max"] == pytest.approx(plain_f1max(labels, scores), abs=1e-12)


def test_image_metrics_by_hand():
    perfect = image_metrics([0, 0, 1], [0.1, 0.2, 0.3])
    assert perfect == {"image_auroc": 1.0, "image_ap": 1.0, "image_f1max": 1.0}
    inverted = image_metrics([1, 0, 0], [0.1, 0.2, 0.3])
    assert inverted == {"image_auroc": 0.0, "image_ap": pytest.approx(1 / 3), "image_f1max": 0.5}
    constant = image_metrics([1, 0, 0, 0], [5, 5, 5, 5])
    assert constant == {"image_auroc": 0.5, "image_ap": 0.25, "image_f1max": 0.4}
    assert image_metrics([False, True], [-0.0, 0.0])["image_auroc"] == 0.5  # two zeros, one number


@pytest.mark.parametrize("labels", [[], [0, 0], [1, 1]])
def test_one_class_is_not_available(labels):
    scores = np.arange(len(labels))
    assert image_metrics(labels, scores) == dict.fromkeys(IMAGE_METRICS)
    assert f1max(labels, scores) == (None, None)
    assert bootstrap_interval(labels, scores) == (None, None)


@pytest.mark.parametrize(
    ("labels", "scores", "sentence"),
    [
        ([0, 1], [0.0, np.nan], "scores holds 1 NaN or infinite"),
        ([0, 1], [np.inf, -np.inf], "scores holds 2 NaN or infinite"),
        ([0, 1], [0.0], "must both be"),
        ([[0, 1]], [[0.0, 1.0]], "must both be"),
        ([0, 2], [0.0, 1.0], "only be 0"),
        ([0, -1], [0.0, 1.0], "only be 0"),
        (["good", "bad"], [0.0, 1.0], "only be 0"),
        ([0, 1], [None, 1.0], "real numbers"),
    ],
)
def test_bad_input_of_image_metrics(labels, scores, sentence):
    for function in (image_metrics, f1max, bootstrap_interval, lambda *pair: accuracy_at(*pair, 0.5)):
        with pytest.raises(InputError, match=sentence):
            function(labels, scores)


# --- F1-max and accuracy


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), min_size=1, max_size=12), st.booleans())
def test_f1max_threshold_reaches_the_f1_it_names(pairs, single):
    labels, scores = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs], np.float32 if single else float)
    value, threshold = f1max(labels, scores)
    if len(set(labels.tolist())) < 2:
        assert value is None and threshold is None
        return
    assert value == pytest.approx(plain_f1max(labels, scores))
    called = decide(scores, threshold)
    assert value == pytest.approx(2 * np.sum(called & (labels == 1)) / (np.sum(called) + np.sum(labels)))
    assert np.array_equal(called, scores > threshold)  # by hand too, where NumPy compares in float32


def test_f1max_threshold_where_all_are_defective():
    value, threshold = f1max([0, 1], [2.0, 2.0])
    assert value == pytest.approx(2 / 3) and threshold < 2.0 and math.isfinite(threshold)


def test_accuracy_at_counts():
    labels, scores = [0, 0, 0, 1, 1], [0.1, 0.5, 0.9, 0.5, 0.8]
    assert accuracy_at(labels, scores, 0.5) == {  # a score equal to the threshold is good
        "accuracy": 3 / 5,
        "recall": 1 / 2,
        "false_alarm_rate": 1 / 3,
        "precision": 1 / 2,
    }
    assert accuracy_at(labels, scores, 1.0) == {
        "accuracy": 3 / 5,
        "recall": 0.0,
        "false_alarm_rate": 0.0,
        "precision": None,
    }
    assert accuracy_at([1], [1.0], 0.0)["false_alarm_rate"] is None
    assert accuracy_at([0], [1.0], 0.0)["recall"] is None
    assert accuracy_at([], [], 0.0)["accuracy"] is None
    with pytest.raises(InputError, match="threshold is NaN"):
        accuracy_at(labels, scores, float("nan"))


# --- bootstrap


@pytest.mark.parametrize("metric", IMAGE_METRICS)
@pytest.mark.parametrize("levels", [4, None])
def test_bootstrap_equals_plain_resampling(metric, levels):
    rng = np.random.default_rng(1)
    labels = np.array([0] * 7 + [1] * 5)
    scores = rng.integers(0, levels, 12).astype(float) if levels else rng.normal(size=12) + labels
    good, defective = scores[labels == 0], scores[labels == 1]
    again = np.random.default_rng(3)  # the same draws, then the public metric for each of them
    good_draws = good[again.integers(7, size=(50, 7))]
    defective_draws = defective[again.integers(5, size=(50, 5))]
    values = [image_metrics(labels, np.append(g, d))[metric] for g, d in zip(good_draws, defective_draws, strict=True)]
    expected = np.quantile(values, [0.05, 0.95])
    assert bootstrap_interval(labels, scores, metric, level=0.9, draws=50, seed=3) == pytest.approx(expected)


def test_bootstrap_of_many_images_works_in_chunks():
    rng = np.random.default_rng(0)
    labels = np.arange(30_000) % 2
    scores = rng.normal(size=30_000) + labels
    low, high = bootstrap_interval(labels, scores, draws=80)
    value = image_metrics(labels, scores)["image_auroc"]
    assert low < value < high and high - low < 0.02
    assert bootstrap_interval(labels, scores, draws=80) == (low, high)
    assert bootstrap_interval(labels, scores, draws=80, seed=1) != (low, high)


def test_bootstrap_interval_covers_the_true_auroc():
    rng = np.random.default_rng(0)
    labels = np.array([0] * 60 + [1] * 60)
    true_auroc = 0.5 * (1 + math.erf(1 / 2))  # P(N(1, 1) > N(0, 1)) = Phi(1 / sqrt 2)
    covered = 0
    for repeat in range(300):
        low, high = bootstrap_interval(labels, rng.normal(size=120) + labels, draws=400, seed=repeat)
        covered += low <= true_auroc <= high
    assert 0.90 < covered / 300 < 0.985


def test_bootstrap_refuses_what_it_does_not_know():
    with pytest.raises(InputError, match="choose one of image_auroc"):
        bootstrap_interval([0, 1], [0, 1], "aupro")
    for options in ({"level": 1.0}, {"level": 0.0}, {"draws": 0}):
        with pytest.raises(InputError, match="level must lie"):
            bootstrap_interval([0, 1], [0, 1], **options)
