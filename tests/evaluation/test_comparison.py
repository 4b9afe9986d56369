import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from adlib.errors import InputError
from adlib.evaluation.comparison import (
    auroc_difference,
    critical_difference,
    delong_difference,
    draws_difference,
    friedman,
    groups,
    mean_difference,
    ranks,
    win_matrix,
)

# Table 6 of Demšar (2006): AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on fourteen data sets, with the ranks it prints.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.975, 0.9749],  # ranks of the paper: 2 and 3, though both are printed as 0.975
        [0.957, 0.978, 0.946, 0.970],
    ]
)
DEMSAR_RANKS = [3.143, 2.000, 2.893, 1.964]


def test_ranks_of_the_textbook():
    assert ranks(DEMSAR).mean(axis=0) == pytest.approx(DEMSAR_RANKS, abs=5e-4)
    assert ranks(DEMSAR)[5] == pytest.approx([1, 2.5, 4, 2.5])


def test_friedman_of_the_textbook():
    """Demšar prints 9.28 and F 3.69 without the correction for ties, which this library makes."""
    sets, methods = DEMSAR.shape
    found = friedman(DEMSAR)
    counts = [np.unique(row, return_counts=True)[1] for row in DEMSAR]
    ties = sum(float((c**3 - c).sum()) for c in counts)
    plain = found.chi2 * (1 - ties / (sets * (methods**3 - methods)))
    assert plain == pytest.approx(9.28, abs=0.01)
    assert (sets - 1) * plain / (sets * (methods - 1) - plain) == pytest.approx(3.69, abs=0.01)
    assert found.f == pytest.approx((sets - 1) * found.chi2 / (sets * (methods - 1) - found.chi2))
    assert found.p < 0.05 and found.f_p < 0.05


def test_friedman_is_its_formula_where_nothing_ties():
    table = np.random.default_rng(0).random((9, 5))
    mean = ranks(table).mean(axis=0)
    plain = 12 * 9 / (5 * 6) * ((mean**2).sum() - 5 * 36 / 4)
    assert friedman(table).chi2 == pytest.approx(plain)


def test_friedman_at_its_ends():
    everywhere_alike = friedman(np.ones((4, 3)))
    assert (everywhere_alike.chi2, everywhere_alike.p) == (0, 1)
    one_order = friedman(np.tile([3.0, 2.0, 1.0], (5, 1)))
    assert one_order.chi2 == pytest.approx(10) and one_order.f == np.inf and one_order.f_p == 0


@pytest.mark.parametrize(
    ("methods", "alpha", "q"),
    [
        (2, 0.05, 1.960), (3, 0.05, 2.343), (4, 0.05, 2.569), (5, 0.05, 2.728), (10, 0.05, 3.164),
        (2, 0.10, 1.645), (4, 0.10, 2.291), (10, 0.10, 2.920),
    ],
)  # fmt: skip
def test_nemenyi_has_the_printed_constants(methods, alpha, q):
    """Table 5(a) of Demšar (2006)."""
    q_found = critical_difference(methods, 6, alpha) / np.sqrt(methods * (methods + 1) / 36)
    assert q_found == pytest.approx(q, abs=1e-3)


def test_critical_difference_of_the_textbook():
    """1.25 at 0.05 and 1.12 at 0.10; there plain C4.5 is told from both variants with m, and from C4.5+cf it is not."""
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    wide = critical_difference(4, 14, 0.10)
    assert wide == pytest.approx(1.12, abs=0.005)
    assert groups(sorted(DEMSAR_RANKS), wide) == [(0, 2), (2, 3)]


def test_groups():
    assert groups([1, 2, 3, 4], 1.5) == [(0, 1), (1, 2), (2, 3)]
    assert groups([1, 2, 3, 4], 4) == [(0, 3)]
    assert groups([1, 2, 3, 4], 0.5) == [] == groups([], 1) == groups([2], 1)
    assert groups([1, 1.2, 5, 5.1], 1) == [(0, 1), (2, 3)]
    with pytest.raises(InputError, match="must be in ascending order"):
        groups([2, 1], 1)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=9), st.floats(0.01, 5))
def test_two_methods_share_a_group_exactly_where_they_are_near(average, difference):
    average = sorted(average)
    together = {
        (i, j)
        for first, last in groups(average, difference)
        for i in range(first, last)
        for j in range(i + 1, last + 1)
    }
    near = {
        (i, j) for i in range(len(average)) for j in range(i + 1, len(average)) if average[j] - average[i] < difference
    }
    assert together == near


def some_scores(seed=0, good=23, defective=17, gap=1.0, digits=1):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([0, 1], [good, defective]))
    return labels, np.round(rng.normal(size=len(labels)) + gap * labels, digits)


def test_the_mean_of_the_wins_is_the_auroc():
    labels, scores = some_scores()
    assert win_matrix(labels, scores).shape == (17, 23)
    assert win_matrix(labels, scores).mean() == pytest.approx(roc_auc_score(labels, scores))


def plain_difference(labels, first, second, draws, seed):
    """The same images drawn with replacement within each class, AUROCs by scikit-learn."""
    rng = np.random.default_rng(seed)
    places = [np.flatnonzero(labels == label) for label in (0, 1)]
    values = []
    for _ in range(draws):
        drawn = np.concatenate([rng.choice(place, len(place)) for place in places])
        values.append(roc_auc_score(labels[drawn], first[drawn]) - roc_auc_score(labels[drawn], second[drawn]))
    return np.quantile(values, [0.025, 0.975])


@pytest.mark.slow
def test_the_interval_is_that_of_a_plain_bootstrap():
    labels, first = some_scores(0)
    second = np.round(first + np.random.default_rng(5).normal(size=len(first)), 1)
    found = auroc_difference(labels, first, second, draws=2000)
    assert found.value == pytest.approx(roc_auc_score(labels, first) - roc_auc_score(labels, second))
    assert [found.low, found.high] == pytest.approx(plain_difference(labels, first, second, 500, 1), abs=0.03)


def test_draws_are_those_of_one_generator():
    """Every draw by hand: its counts as weights of images that scikit-learn repeats."""
    labels, first = some_scores(1, good=6, defective=5)
    second = some_scores(2, good=6, defective=5)[1]
    rng = np.random.default_rng(3)
    defective, good = (rng.multinomial(n, np.full(n, 1 / n), size=40) for n in (5, 6))
    values = []
    for times_defective, times_good in zip(defective, good, strict=True):
        weights = np.zeros(len(labels), dtype=int)
        weights[labels == 1], weights[labels == 0] = times_defective, times_good
        drawn = np.repeat(np.arange(len(labels)), weights)
        values.append(roc_auc_score(labels[drawn], first[drawn]) - roc_auc_score(labels[drawn], second[drawn]))
    found = auroc_difference(labels, first, second, level=0.8, draws=40, seed=3)
    assert [found.low, found.high] == pytest.approx(np.quantile(values, [0.1, 0.9]))


def test_runs_are_averaged():
    labels, first = some_scores(0)
    others = [np.round(first + np.random.default_rng(seed).normal(size=len(first)), 1) for seed in (1, 2)]
    found = auroc_difference(labels, first, np.stack(others))
    mean = np.mean([roc_auc_score(labels, other) for other in others])
    assert found.value == pytest.approx(roc_auc_score(labels, first) - mean)


def test_a_method_does_not_differ_from_itself():
    labels, scores = some_scores()
    found = auroc_difference(labels, scores, 2 * scores + 1)
    assert (found.value, found.low, found.high, found.sign) == (0, 0, 0, 0)


def test_order_seed_and_sign():
    labels, first = some_scores(gap=3.0)
    second = some_scores(seed=9, gap=0.0)[1]
    there, back = auroc_difference(labels, first, second), auroc_difference(labels, second, first)
    assert there.sign == 1 and back.sign == -1
    assert (back.value, back.low, back.high) == pytest.approx((-there.value, -there.high, -there.low))
    assert there == auroc_difference(labels, first, second)
    assert there != auroc_difference(labels, first, second, seed=1)


def test_pairing_narrows_the_interval():
    """Two methods that stumble over the same images differ by less than chance of each alone would say."""
    labels, first = some_scores(0, 200, 200, digits=9)
    second = first + 0.1 * np.random.default_rng(1).normal(size=400)
    paired = auroc_difference(labels, first, second)
    shuffled = second.copy()
    for label in (0, 1):  # the same AUROC, but other images are hard
        place = labels == label
        shuffled[place] = np.random.default_rng(2).permutation(second[place])
    unpaired = auroc_difference(labels, first, shuffled)
    assert unpaired.value == pytest.approx(paired.value)
    assert paired.high - paired.low < 0.4 * (unpaired.high - unpaired.low)


def plain_delong(labels, first, second):
    """DeLong, DeLong & Clarke-Pearson (1988): components of both AUROCs, image by image, and S10/m + S01/n."""
    components = []
    for scores in (first, second):
        bad, good = scores[labels == 1], scores[labels == 0]
        win = [[1.0 if x > y else 0.5 if x == y else 0.0 for y in good] for x in bad]
        components.append(
            ([sum(row) / len(good) for row in win], [sum(column) / len(bad) for column in zip(*win, strict=True)])
        )
    ten, one = (np.cov([pair[kind] for pair in components]) for kind in (0, 1))
    covariance = ten / (labels == 1).sum() + one / (labels == 0).sum()
    value = np.mean(components[0][0]) - np.mean(components[1][0])
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    return value, value - 1.959964 * error, value + 1.959964 * error


def test_delong_is_its_plain_statement():
    labels, first = some_scores(0)
    second = np.round(first + np.random.default_rng(5).normal(size=len(first)), 1)
    found = delong_difference(labels, first, second)
    assert (found.value, found.low, found.high) == pytest.approx(plain_delong(labels, first, second))
    alone = delong_difference(labels, np.stack([first, first]), second, level=0.8)
    assert alone.value == found.value and alone.high - alone.low < found.high - found.low
    assert delong_difference(labels, first, 2 * first).sign == 0


def test_delong_and_the_bootstrap_agree():
    labels, first = some_scores(0, 200, 150, digits=9)
    second = first + np.random.default_rng(1).normal(size=350)
    found, drawn = delong_difference(labels, first, second), auroc_difference(labels, first, second)
    assert (found.low, found.high) == pytest.approx((drawn.low, drawn.high), abs=0.006)


def test_over_draws_it_is_the_textbook_t_interval():
    """Three draws: 4.303 standard errors to each side."""
    found = draws_difference([0.90, 0.93, 0.96], [0.89, 0.90, 0.91])
    assert (found.value, found.low, found.high) == pytest.approx((0.03, 0.03 - 0.04968, 0.03 + 0.04968), abs=1e-4)
    assert draws_difference([2.0, 3.0], [1.0, 2.0]).sign == 1  # two equal gaps: no spread
    reference = stats.ttest_rel([1.0, 4.0, 2.0, 7.0], [0.0, 1.0, 3.0, 3.0]).confidence_interval(0.9)
    narrow = draws_difference([1.0, 4.0, 2.0, 7.0], [0.0, 1.0, 3.0, 3.0], level=0.9)
    assert (narrow.low, narrow.high) == pytest.approx(tuple(reference))


def test_mean_difference_is_that_of_drawn_images():
    rng = np.random.default_rng(0)
    first, second = rng.random(30), rng.random(30)
    found = mean_difference(first, second, draws=3000)
    values = [(first - second)[rng.integers(30, size=30)].mean() for _ in range(3000)]
    assert found.value == pytest.approx((first - second).mean())
    assert [found.low, found.high] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.02)
    assert mean_difference([1.0, 1.0], [0.5, 0.5]).sign == 1
    assert mean_difference(np.float32([1, 2]), [1, 2]).sign == 0


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: auroc_difference([0, 0], [1, 2], [1, 2]), "at least one of each"),
        (lambda: auroc_difference([0, 1], [1, 2, 3], [1, 2]), "do not match"),
        (lambda: auroc_difference([0, 1], [1, np.nan], [1, 2]), "NaN"),
        (lambda: auroc_difference([0, 1], [1, 2], [1, 2], level=1), "level must be"),
        (lambda: auroc_difference([0, 1], [1, 2], [1, 2], draws=0), "draws at least 1"),
        (lambda: delong_difference([0, 1, 1], [1, 2, 3], [1, 2, 3]), "two good and two defective"),
        (lambda: delong_difference([0, 0, 1, 1], [1, 2, 3, 4], [1, 2, 3, 4], level=1), "level must be"),
        (lambda: draws_difference([1], [1]), "two or more draws"),
        (lambda: draws_difference([1, 2], [1, 2, 3]), "cannot be paired"),
        (lambda: draws_difference([1, 2], [1, 2], level=0), "level must be"),
        (lambda: mean_difference([], []), "cannot be paired"),
        (lambda: mean_difference([1, 2], [1]), "cannot be paired"),
        (lambda: ranks([[1, np.nan]]), "without gaps"),
        (lambda: ranks([1, 2]), "without gaps"),
        (lambda: friedman(np.ones((3, 2))), "3 methods, not 3 and 2"),
        (lambda: friedman(np.ones((1, 3))), "2 data sets"),
        (lambda: critical_difference(1, 5), "needs 2 methods"),
        (lambda: critical_difference(3, 5, 1.0), "alpha in"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_said(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()
