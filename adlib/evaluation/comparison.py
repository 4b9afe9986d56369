"""Is one method better than another? On one test set by a paired bootstrap, over several by ranks (chapter 14).

The paired bootstrap draws images anew and scores both methods on the same draw, so that what makes an image easy or
hard for both cancels (Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993). Over data sets: Friedman's test on
ranks and Nemenyi's critical difference, as Demšar, "Statistical comparisons of classifiers over multiple data sets",
JMLR 7 (2006), recommends; the sign test where two methods are compared. Higher values are better throughout.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from adlib.errors import InputError
from adlib.evaluation.thresholds import finite_scores


@dataclass(frozen=True)
class Difference:
    """First minus second: `value` on the images as they are, `low` and `high` the ends of its interval."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 where the interval lies above 0 (the first is better), -1 where below, 0 where chance may explain it."""
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True)
class Friedman:
    """Friedman's test: `chi2` with its `p`, and Iman & Davenport's less timid `f` with its `f_p` (Demšar 2006)."""

    chi2: float
    p: float
    f: float
    f_p: float


def win_matrix(labels: ArrayLike, scores: ArrayLike) -> np.ndarray:
    """(defective, good) float64: 1 where the defective image scores higher, 0.5 where equal, else 0.

    Its mean is the AUROC. labels: (N,) 0 good, 1 defective. scores: (N,) finite.
    Raises InputError unless both kinds are present.
    """
    labels, scores = np.asarray(labels), finite_scores(scores)
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise InputError(f"labels {labels.shape} and scores {scores.shape} do not match; give one of each an image.")
    if set(labels.tolist()) != {0, 1}:
        raise InputError("A comparison of AUROCs needs labels 0 (good) and 1 (defective), at least one of each.")
    defective, good = scores[labels == 1][:, None], scores[labels == 0][None]
    return (defective > good) + 0.5 * (defective == good)


def auroc_difference(
    labels: ArrayLike, first: ArrayLike, second: ArrayLike, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Difference:
    """AUROC of the first minus that of the second on the same images, with its paired bootstrap interval.

    Good and defective images are drawn anew separately (stratified), each with replacement and as many as there are;
    both methods are scored on every draw. labels: (N,) 0 good, 1 defective. first, second: scores (N,), or (runs, N):
    then the mean AUROC of the runs (seeds, or the methods of a family) is compared.
    The interval says nothing about other seeds or training images, and is too narrow with few images: where both
    separate perfectly it is (0, 0). Raises InputError as `win_matrix` does, and for a level outside (0, 1) or no draw.
    """
    wins = [
        np.mean([win_matrix(labels, run) for run in np.atleast_2d(np.asarray(scores, dtype=float))], axis=0)
        for scores in (first, second)
    ]
    difference = wins[0] - wins[1]  # (defective, good)
    rng = _checked_generator(level, draws, seed)
    defective, good = (_times_drawn(rng, draws, count) for count in difference.shape)
    values = np.einsum("rd,dg,rg->r", defective, difference, good, optimize=True) / difference.size
    return _interval(difference.mean(), values, level)


def mean_difference(
    first: ArrayLike, second: ArrayLike, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Difference:
    """Mean of the first minus mean of the second over the same images, with its paired bootstrap interval.

    first, second: (N,) finite values, the same images in the same order. Raises InputError where the lengths differ or
    are 0, and for a level outside (0, 1) or no draw.
    """
    first, second = finite_scores(first), finite_scores(second)
    if first.ndim != 1 or first.shape != second.shape or not len(first):
        raise InputError(f"values {first.shape} and {second.shape} cannot be paired; give one of each an image.")
    gaps = first.astype(float) - second
    drawn = _times_drawn(_checked_generator(level, draws, seed), draws, len(gaps))
    return _interval(gaps.mean(), drawn @ gaps / len(gaps), level)


def ranks(values: ArrayLike) -> np.ndarray:
    """(data sets, methods) values -> ranks in each row: 1 for the highest, equals share the mean of their places.

    Raises InputError on values that are not finite: a method without a value on a data set has no rank there.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise InputError(
            "Ranks need a table (data sets, methods) without gaps; leave out what is missing, see `complete_block`."
        )
    return stats.rankdata(-values, axis=1)


def friedman(values: ArrayLike) -> Friedman:
    """Friedman's test of 'all methods are equally good' on (data sets, methods) values, corrected for ties.

    Both forms are approximations that want more than ten data sets or five methods (Demšar 2006).
    Raises InputError as `ranks` does, and for fewer than 3 methods or 2 data sets.
    """
    table = ranks(values)
    sets, methods = table.shape
    if sets < 2 or methods < 3:
        raise InputError(f"Friedman's test needs 2 data sets and 3 methods, not {sets} and {methods}.")
    if np.ptp(table) == 0:  # nothing but ties
        return Friedman(0.0, 1.0, 0.0, 1.0)
    chi2, p = (float(value) for value in stats.friedmanchisquare(*table.T))
    rest = sets * (methods - 1) - chi2
    f = (sets - 1) * chi2 / rest if rest > 1e-9 else np.inf
    return Friedman(chi2, p, float(f), float(stats.f.sf(f, methods - 1, (methods - 1) * (sets - 1))))


def critical_difference(methods: int, sets: int, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference: average ranks nearer to each other than this are not told apart (Demšar, eq. 6).

    methods, sets: how many were ranked, and on how many data sets. alpha: chance of even one false difference in all
    pairs. Raises InputError for fewer than 2 methods or 1 data set, and for alpha outside (0, 1).
    """
    if methods < 2 or sets < 1 or not 0 < alpha < 1:
        raise InputError(
            f"A critical difference needs 2 methods, 1 data set and alpha in (0, 1), not {methods}, {sets} and {alpha}."
        )
    # Demšar's q is the quantile of the Studentized range for infinite degrees of freedom over the root of 2.
    q = float(stats.studentized_range.ppf(1 - alpha, methods, np.inf)) / np.sqrt(2)
    return q * np.sqrt(methods * (methods + 1) / (6 * sets))


def groups(average: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """Largest runs of methods that are not told apart, as (first, last) places in the order of rising average rank.

    average: rising average ranks; difference: the critical one. Runs of one method are left out, as are runs inside
    larger ones. Raises InputError where the ranks do not rise.
    """
    average = np.asarray(average, dtype=float)
    if (np.diff(average) < 0).any():
        raise InputError("Average ranks must rise; sort them first.")
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(average):
        last = int(np.flatnonzero(average - rank < difference)[-1])
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def sign_test(first: ArrayLike, second: ArrayLike) -> tuple[int, int, float]:
    """Two-sided sign test over data sets: (data sets where the first is higher, where the second is, p).

    first, second: (n,) finite values, one a data set. Equals are left out. With n data sets p cannot fall below
    2 ** (1 - n): five say nothing at a level of 0.05. Raises InputError where the lengths differ.
    """
    first, second = finite_scores(first), finite_scores(second)
    if first.ndim != 1 or first.shape != second.shape:
        raise InputError(f"values {first.shape} and {second.shape} cannot be paired; give one of each a data set.")
    wins, losses = int((first > second).sum()), int((first < second).sum())
    return wins, losses, float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def complete_block(known: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Which rows and columns to keep so that no gap is left: (row numbers, column numbers).

    known: (rows, columns) bool. As long as there is a gap, the row or column with the largest share of gaps goes; among
    equals a column before a row, the last before the first. No search for the largest block, but easy to say.
    """
    known = np.asarray(known, dtype=bool)
    rows, columns = np.arange(known.shape[0]), np.arange(known.shape[1])
    while len(rows) and len(columns) and not (kept := known[np.ix_(rows, columns)]).all():
        row_gaps, column_gaps = 1 - kept.mean(axis=1), 1 - kept.mean(axis=0)
        if column_gaps.max() >= row_gaps.max():
            columns = np.delete(columns, len(columns) - 1 - column_gaps[::-1].argmax())
        else:
            rows = np.delete(rows, len(rows) - 1 - row_gaps[::-1].argmax())
    return (rows, columns) if len(rows) and len(columns) else (rows[:0], columns[:0])


def _checked_generator(level: float, draws: int, seed: int) -> np.random.Generator:
    if not 0 < level < 1 or draws < 1:
        raise InputError(f"level must lie between 0 and 1 and draws be at least 1, not {level} and {draws}.")
    return np.random.default_rng(seed)


def _times_drawn(rng: np.random.Generator, draws: int, count: int) -> np.ndarray:
    """(draws, count) float64: how often each of `count` images is in each draw of `count` with replacement."""
    return rng.multinomial(count, np.full(count, 1 / count), size=draws).astype(float)


def _interval(value: float, drawn: np.ndarray, level: float) -> Difference:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Difference(float(value), float(low), float(high))
