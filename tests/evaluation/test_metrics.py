"""Image metrics, their bootstrap and pixel metrics against slow, literal statements of their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from adlib.errors import InputError
from adlib.evaluation import (
    IMAGE_METRICS,
    PIXEL_METRICS,
    accuracy_at,
    bootstrap_interval,
    decide,
    f1max,
    image_metrics,
    pixel_metrics,
)
from helpers.plain_metrics import plain_ap, plain_auroc, plain_f1max, plain_pixel_metrics

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
        ([0, 2], [0.0, 1.0], "must be 0"),
        ([0, -1], [0.0, 1.0], "must be 0"),
        (["good", "bad"], [0.0, 1.0], "must be 0"),
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
        with pytest.raises(InputError, match="level must be"):
            bootstrap_interval([0, 1], [0, 1], **options)


# --- pixel metrics


def assert_plain(maps, masks, limit=0.3):
    ours, plain = pixel_metrics(maps, masks, limit), plain_pixel_metrics(maps, masks, limit)
    assert ours == pytest.approx(plain, abs=1e-12)
    assert all(0 <= value <= 1 for value in ours.values())


def random_case(rng, sizes, levels=None, dtype=np.float32, share=0.1):
    """Maps (integers with `levels` values, or continuous) that know a little about their random masks."""
    maps, masks = [], []
    for index, size in enumerate(sizes):
        mask = (rng.random(size) < share) & (index % 3 != 2)
        score = rng.normal(size=size) + mask
        maps.append((np.floor(score * levels) if levels else score).astype(dtype))
        masks.append(mask)
    return maps, masks


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_pixel_metrics_equal_definition_under_ties(data):
    limit = data.draw(st.sampled_from([0.05, 0.3, 0.5, 1.0]))
    maps, masks = [], []
    for _ in range(data.draw(st.integers(1, 3))):
        height, width = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
        flat = st.lists(st.integers(0, 3), min_size=height * width, max_size=height * width)
        maps.append(np.array(data.draw(flat), np.float32).reshape(height, width))
        masks.append((np.array(data.draw(flat)) > 1).reshape(height, width).astype(np.uint8))
    defective = sum(int(mask.sum()) for mask in masks)
    if defective in (0, sum(mask.size for mask in masks)):
        assert pixel_metrics(maps, masks, limit) == dict.fromkeys(PIXEL_METRICS)
    else:
        assert_plain(maps, masks, limit)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("levels", [2, 20, None])
def test_pixel_metrics_equal_definition_on_random_maps(dtype, levels):
    rng = np.random.default_rng(2)
    assert_plain(*random_case(rng, [(12, 9), (7, 14), (5, 5), (1, 8), (8, 1)], levels, dtype))


def test_pixel_metrics_equal_scikit_learn_on_larger_maps():
    maps, masks = random_case(np.random.default_rng(4), [(120, 90)] * 9, levels=50, share=0.03)
    labels, scores = np.concatenate([m.ravel() for m in masks]), np.concatenate([m.ravel() for m in maps])
    ours = pixel_metrics(maps, masks)
    assert ours["pixel_auroc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert ours["pixel_ap"] == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


def test_float64_scores_that_float32_would_merge():
    mask = np.array([[0, 0, 1, 1]])
    scores = 1 + np.array([[0, 1, 2, 3]]) * 1e-12
    assert pixel_metrics([scores], [mask]) == dict.fromkeys(PIXEL_METRICS, 1.0)
    both = [scores, scores.astype(np.float32)]  # mixed: compared as float64
    assert_plain(both, [mask, mask])


def test_perfect_inverted_and_constant_maps():
    mask = np.zeros((10, 10), bool)
    mask[2:4, 2:7] = mask[8, 8] = True
    masks = [mask, np.zeros((4, 6), bool)]
    good_image = np.zeros((4, 6))
    assert pixel_metrics([mask * 1.0, good_image], masks) == dict.fromkeys(PIXEL_METRICS, 1.0)
    inverted = pixel_metrics([1.0 - mask, good_image + 1], masks)
    assert inverted["pixel_auroc"] == 0 and inverted["aupro"] == 0
    constant = pixel_metrics([mask * 0.0, good_image], masks)
    share = mask.sum() / (mask.size + good_image.size)
    assert constant == pytest.approx(
        # one point at (1, 1): the curve is the diagonal, and its mean height up to 0.3 is 0.15
        {"pixel_auroc": 0.5, "pixel_ap": share, "pixel_f1max": 2 * share / (1 + share), "aupro": 0.15}
    )


def test_aupro_weighs_components_not_pixels():
    mask = np.zeros((10, 10), int)
    mask[0, 0:4] = 1
    mask[9, 9] = 1
    only_large, only_small = mask * 1.0, mask * 1.0
    only_large[9, 9] = only_small[0, 0:4] = -1  # below all good pixels
    for found in (only_large, only_small):
        assert pixel_metrics([found], [mask])["aupro"] == pytest.approx(0.5)


def test_pixels_touching_at_a_corner_are_one_component():
    mask = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    scores = np.array([[9.0, 0.4, 0.3, 0.2], [0.5, -1, 0.6, 0.1], [0.7, 0.8, 0.9, 1.0], [1.1, 1.2, 1.3, -1]])
    # {(0,0), (1,1)} is half found and {(3,3)} not at all: 1/4. Four neighbours would see three components: 1/3.
    assert pixel_metrics([scores], [mask])["aupro"] == pytest.approx(0.25)
    assert_plain([scores], [mask])


def test_components_of_different_images_stay_apart():
    mask = np.array([[0, 0, 1]])
    maps = [np.array([[0.1, 0.2, 1.0]]), np.array([[0.3, 0.4, -1.0]])]
    assert pixel_metrics(maps, [mask, mask])["aupro"] == pytest.approx(0.5)


def test_aupro_is_divided_by_the_limit_and_not_by_the_last_rate_below_it():
    """The field's known fault, which gave values of 1.21: the limit itself must end the curve and be the divisor."""
    mask = np.zeros((1, 12), int)
    mask[0, :2] = 1
    # rate 0: overlap 1/2; rates 0.2 and 0.4: overlap 1 (10 good pixels in ties of 2)
    scores = np.array([[9, 7, 8, 8, 6, 6, 5, 5, 4, 4, 3, 3]], float)
    exact = (0.2 * 0.5 + 0.1 * 1.0) / 0.3
    assert pixel_metrics([scores], [mask])["aupro"] == pytest.approx(exact)
    wrong_divisor = (0.2 * 0.5 + 0.1 * 1.0) / 0.2
    cut_before = (0.2 * 0.5) / 0.2
    assert abs(exact - wrong_divisor) > 0.1 and abs(exact - cut_before) > 0.1

    found_first = np.array([[9, 9, 8, 8, 6, 6, 5, 5, 4, 4, 3, 3]], float)
    assert pixel_metrics([found_first], [mask])["aupro"] == 1.0  # and never above, which 0.3 / 0.2 would be


def test_aupro_interpolates_on_a_sloping_piece():
    mask = np.array([[1, 1, 0, 0, 0, 0]])
    scores = np.array([[9.0, 5, 5, 5, 5, 1]])  # from (0, 1/2) straight to (3/4, 1): at 0.3 it is at 0.7
    assert pixel_metrics([scores], [mask])["aupro"] == pytest.approx((0.5 + 0.7) / 2)


def test_limit_that_falls_on_a_point_or_a_vertical_piece():
    mask = np.array([[1, 1, 0, 0, 0, 0]])
    scores = np.array([[9.0, 4, 5, 3, 2, 1]])  # at rate 1/4 the overlap jumps from 1/2 to 1
    assert pixel_metrics([scores], [mask], 0.25)["aupro"] == pytest.approx(0.5)
    assert_plain([scores], [mask], 0.25)
    assert_plain([scores], [mask], 1.0)


def test_only_defective_images_and_fully_defective_ones():
    maps, masks = random_case(np.random.default_rng(5), [(6, 6), (4, 9)], levels=5, share=0.4)
    assert all(mask.any() for mask in masks)
    assert_plain(maps, masks)
    assert_plain([*maps, np.ones((3, 3), np.float32)], [*masks, np.ones((3, 3), bool)])


def test_not_available():
    maps, nothing = [np.zeros((2, 3))], dict.fromkeys(PIXEL_METRICS)
    assert pixel_metrics(maps, None) == nothing
    assert pixel_metrics(maps, [None]) == nothing
    assert pixel_metrics(maps, [np.zeros((2, 3), bool)]) == nothing
    assert pixel_metrics(maps, [np.ones((2, 3), bool)]) == nothing
    assert pixel_metrics([], []) == nothing


def test_maps_from_a_generator_that_reuses_its_buffer():
    maps, masks = random_case(np.random.default_rng(6), [(8, 8)] * 5)
    buffer = np.empty((8, 8), np.float32)

    def stream():
        for anomaly_map in maps:
            buffer[:] = anomaly_map
            yield buffer

    kept = [anomaly_map.copy() for anomaly_map in maps]
    assert pixel_metrics(stream(), iter(masks)) == pixel_metrics(maps, masks)
    assert all(np.array_equal(a, b) for a, b in zip(maps, kept, strict=True))  # the caller's maps are not touched


@pytest.mark.parametrize(
    ("maps", "masks", "sentence"),
    [
        ([np.zeros((2, 2))], [np.zeros((2, 3), bool)], r"maps\[0\] is \(2, 2\) and masks\[0\] is \(2, 3\)"),
        ([np.zeros(4)], [np.zeros(4, bool)], "must be"),
        ([np.zeros((2, 2))] * 2, [np.zeros((2, 2), bool)], "only 1 masks and more maps"),
        ([np.zeros((2, 2))], [np.zeros((2, 2), bool)] * 2, "only 1 maps and more masks"),
        ([np.zeros((2, 2)), np.full((2, 2), np.nan)], [np.zeros((2, 2), bool)] * 2, r"maps\[1\] holds 4 NaN"),
        ([np.full((2, 2), np.inf)], [np.zeros((2, 2), bool)], r"maps\[0\] holds 4 NaN"),
        ([np.zeros((2, 2))], [np.full((2, 2), 255, np.uint8)], "use mask > 0"),
        ([np.zeros((2, 2))], [np.full((2, 2), 0.5)], "must hold only"),
    ],
)
def test_bad_input_of_pixel_metrics(maps, masks, sentence):
    with pytest.raises(InputError, match=sentence):
        pixel_metrics(maps, masks)


@pytest.mark.parametrize("limit", [0, -0.1, 1.1, float("nan"), "0.3", None])
def test_bad_limit(limit):
    with pytest.raises(InputError, match="fpr_limit must be"):
        pixel_metrics([np.zeros((1, 2))], [np.array([[0, 1]])], limit)
