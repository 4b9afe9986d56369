"""Conformal thresholds: the rank in exact arithmetic, the promise by simulation."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adlib.errors import InputError
from adlib.evaluation import conformal_threshold, decide, smallest_false_alarm_rate
from adlib.evaluation.thresholds import GUARANTEES, LEAVE_ONE_OUT


def exact_rank(n, rate):
    """ceil((n + 1)(1 - a)) in whole numbers."""
    return -((-(n + 1) * (1 - rate)) // 1)


@pytest.mark.parametrize("rate", [Fraction(1, 20), Fraction(1, 10), Fraction(3, 10), Fraction(1, 3), Fraction(99, 100)])
def test_rank_is_exact_for_every_n(rate):
    for n in range(1, 400):
        scores = np.random.default_rng(n).permutation(np.arange(1, n + 1))  # the k-th smallest is k
        rank = exact_rank(n, rate)
        if rank > n:
            with pytest.raises(InputError):
                conformal_threshold(scores, float(rate))
        else:
            assert conformal_threshold(scores, float(rate)) == rank


def test_by_hand():
    assert conformal_threshold(np.arange(1, 20), 0.05) == 19  # ceil(20 * 0.95)
    assert conformal_threshold(np.arange(1, 40), 0.05) == 38
    assert conformal_threshold([3.0], 0.5) == 3.0
    assert conformal_threshold([3.0, 1.0], 1 - 1e-12) == 1.0


def test_smallest_rate_is_the_smallest():
    for n in range(1, 3000):
        rate = smallest_false_alarm_rate(n)
        assert rate == 1 / (n + 1)
        assert conformal_threshold(np.arange(n), rate) == n - 1
        if n > 1:
            with pytest.raises(InputError, match=rf"at least {n} held-out good images, and there are {n - 1};"):
                conformal_threshold(np.arange(n - 1), rate)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=12),
    st.fractions(min_value=Fraction(1, 12), max_value=Fraction(11, 12), max_denominator=24),
)
def test_promise_holds_exactly_over_all_orders(scores, rate):
    """Exchangeable: each of the n + 1 images is equally likely to be the new one. Count the alarms, ties included."""
    n = len(scores) - 1
    if n < 1 or exact_rank(n, rate) > n:
        return
    alarms = sum(
        bool(decide([scores[new]], conformal_threshold(scores[:new] + scores[new + 1 :], float(rate)))[0])
        for new in range(n + 1)
    )
    assert Fraction(alarms, n + 1) <= rate
    if len(set(scores)) == n + 1:
        assert Fraction(alarms, n + 1) > rate - Fraction(1, n + 1)


@pytest.mark.parametrize(("n", "rate"), [(19, 0.05), (30, 0.1), (99, 0.05)])
def test_promise_by_simulation(n, rate):
    rng = np.random.default_rng(7)
    repeats = 20_000
    held_out, new = rng.gamma(2.0, size=(repeats, n)), rng.gamma(2.0, size=repeats)
    thresholds = np.array([conformal_threshold(row, rate) for row in held_out])
    alarms = np.mean(new > thresholds)
    expected = 1 - exact_rank(n, Fraction(str(rate))) / Fraction(n + 1)
    spread = 4 * np.sqrt(rate * (1 - rate) / repeats)
    assert expected <= rate
    assert abs(alarms - float(expected)) < spread


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5, float("nan")])
def test_bad_rate(rate):
    with pytest.raises(InputError, match="false_alarm_rate must be"):
        conformal_threshold([1.0, 2.0], rate)


def test_bad_scores():
    with pytest.raises(InputError, match="good_scores holds 1 NaN"):
        conformal_threshold([1.0, np.nan], 0.5)
    with pytest.raises(InputError, match=r"not of shape \(1, 2\)"):
        conformal_threshold([[1.0, 2.0]], 0.5)
    with pytest.raises(InputError, match="at least 19 held-out good images, and there are 0"):
        conformal_threshold([], 0.05)
    with pytest.raises(InputError, match="at least 1 held-out"):
        smallest_false_alarm_rate(0)


def test_decide():
    assert decide([0.1, 0.5, 0.9], 0.5).tolist() == [False, False, True]
    assert decide(np.zeros((2, 3)), -1.0).shape == (2, 3)
    assert decide(3.0, 2.0).item() is True
    assert decide(np.float32([0.1]), 0.1).item() is True  # float32 0.1 lies above 0.1; compared in float32 it would tie
    for scores in ([np.nan], [np.inf], ["a"]):
        with pytest.raises(InputError, match="scores"):
            decide(scores, 0.0)
    with pytest.raises(InputError, match="threshold is NaN"):
        decide([1.0], float("nan"))


# --- leave-one-out ---------------------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 30), min_size=3, max_size=12),
    st.fractions(min_value=Fraction(1, 12), max_value=Fraction(1, 2), max_denominator=12),
)
def test_leave_one_out_keeps_twice_the_rate_for_nearest_neighbours(points, rate):
    """Every one of n + 1 points takes its turn as the new one; the others are references and score each other."""
    n = len(points) - 1
    if exact_rank(n, rate) > n:
        return
    alarms = 0
    for new in range(n + 1):
        references = points[:new] + points[new + 1 :]
        left_out = [min(abs(p - q) for q in references[:i] + references[i + 1 :]) for i, p in enumerate(references)]
        score = min(abs(points[new] - q) for q in references)
        alarms += bool(decide([score], conformal_threshold(left_out, float(rate)))[0])
    assert alarms <= max(0, 2 * rate * (n + 1) - 1)


def test_the_promises_name_their_rates():
    for method, text in GUARANTEES.items():
        said = text.format(rate="0.05", twice="0.1")
        assert method in said and "0.05" in said and "{" not in said
    assert "No exact guarantee" in GUARANTEES[LEAVE_ONE_OUT] and "0.1" in GUARANTEES[LEAVE_ONE_OUT].format(
        rate="0.05", twice="0.1"
    )
