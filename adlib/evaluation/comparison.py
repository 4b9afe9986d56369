"""Is one method better than another? By images, by draws, and over data sets by ranks (chapter 16).

The paired bootstrap resamples images and scores both methods on the same resample, so that what makes an image easy or
hard for both cancels (Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993); DeLong's interval needs no
resamples (DeLong, DeLong & Clarke-Pearson, Biometrics 44, 1988). Over draws of shots or seeds: the paired t interval.
Over data sets: Friedman's test on ranks and Nemenyi's critical difference, as Demšar, "Statistical comparisons of
classifiers over multiple data sets", JMLR 7 (2006), recommends. Higher values are better throughout.
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
    """First minus second.

    value: the difference on the original images, or its mean over draws.
    low, high: the ends of its interval.
    """

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 where the interval is above 0 (the first is better), -1 where it is below 0, 0 where it contains 0."""
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True)
class Friedman:
    """Friedman's test (Demšar 2006).

    chi2, p: Friedman's statistic and its p-value.
    f, f_p: Iman & Davenport's less conservative statistic and its p-value.
    """

    chi2: float
    p: float
    f: float
    f_p: float


def win_matrix(labels: ArrayLike, scores: ArrayLike) -> np.ndarray:
    """(defective, good) float64: 1 where the defective image scores higher, 0.5 where equal, else 0.

    Its mean is the AUROC.

    labels: (N,) 0 good, 1 defective.
    scores: (N,) finite.
    Raises InputError unless both classes are present.
    """
    labels, scores = np.asarray(labels), finite_scores(scores)
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise InputError(
            f"labels {labels.shape} and scores {scores.shape} do not match; give one label and one score per image."
        )
    if set(labels.tolist()) != {0, 1}:
        raise InputError("A comparison of AUROCs needs labels 0 (good) and 1 (defective), at least one of each.")
    defective, good = scores[labels == 1][:, None], scores[labels == 0][None]
    return (defective > good) + 0.5 * (defective == good)


def auroc_difference(
    labels: ArrayLike, first: ArrayLike, second: ArrayLike, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Difference:
    """AUROC of the first method minus that of the second on the same images, with a paired bootstrap interval.

    Good and defective images are resampled separately (stratified), with replacement and in their original numbers;
    both methods are scored on every resample. The interval says nothing about other seeds or training images, and it is
    too narrow with few images: where both methods separate perfectly it is (0, 0).

    labels: (N,) 0 good, 1 defective.
    first, second: scores (N,), or (runs, N): then the mean AUROC of the runs (seeds, or the methods of a family) is
        compared.
    level: of the interval, in (0, 1).
    draws: number of resamples.
    seed: of the resampling.
    Raises InputError as `win_matrix` does, and for a level outside (0, 1) or fewer than 1 draw.
    """
    difference = _mean_wins(labels, first) - _mean_wins(labels, second)  # (defective, good)
    rng = _checked_generator(level, draws, seed)
    defective, good = (_resample_counts(rng, draws, count) for count in difference.shape)
    values = np.einsum("rd,dg,rg->r", defective, difference, good, optimize=True) / difference.size
    return _interval(difference.mean(), values, level)


def delong_difference(labels: ArrayLike, first: ArrayLike, second: ArrayLike, level: float = 0.95) -> Difference:
    """AUROC of the first method minus that of the second on the same images, with DeLong's interval.

    It resamples nothing: the difference is a mean over pairs of images, so its variance is estimated from the means of
    the rows and of the columns of the table of differences. Symmetric, so it can reach beyond 1 near perfect AUROCs.

    labels: (N,) 0 good, 1 defective, at least two of each.
    first, second: scores (N,), or (runs, N), as for `auroc_difference`.
    level: of the interval, in (0, 1).
    Raises InputError as `win_matrix` does, for fewer than two images of a kind and for a level outside (0, 1).
    """
    difference = _mean_wins(labels, first) - _mean_wins(labels, second)  # (defective, good)
    if min(difference.shape) < 2:
        raise InputError(f"DeLong's interval needs two good and two defective images, not {difference.shape[::-1]}.")
    _check_level(level)
    variance = sum(difference.mean(axis=1 - kind).var(ddof=1) / difference.shape[kind] for kind in (0, 1))
    return _symmetric(difference.mean(), np.sqrt(variance), stats.norm.ppf((1 + level) / 2))


def draws_difference(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> Difference:
    """Mean over draws of the first setting minus that of the second, with the paired t interval.

    first, second: (n,) finite values, n >= 2, one per draw of shots or seeds; equal places are the same draw.
    level: of the interval, in (0, 1).
    Raises InputError where the lengths differ or are below 2, and for a level outside (0, 1).
    """
    first, second = finite_scores(first), finite_scores(second)
    if first.ndim != 1 or first.shape != second.shape or len(first) < 2:
        raise InputError(f"values {first.shape} and {second.shape} cannot be paired; give two or more draws of both.")
    _check_level(level)
    gaps = first.astype(float) - second
    t = stats.t.ppf((1 + level) / 2, len(gaps) - 1)
    return _symmetric(gaps.mean(), gaps.std(ddof=1) / np.sqrt(len(gaps)), t)


def mean_difference(
    first: ArrayLike, second: ArrayLike, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Difference:
    """Mean of the first minus mean of the second over the same images, with a paired bootstrap interval.

    first, second: (N,) finite values of the same images in the same order.
    level: of the interval, in (0, 1).
    draws: number of resamples.
    seed: of the resampling.
    Raises InputError where the lengths differ or are 0, and for a level outside (0, 1) or fewer than 1 draw.
    """
    first, second = finite_scores(first), finite_scores(second)
    if first.ndim != 1 or first.shape != second.shape or not len(first):
        raise InputError(f"values {first.shape} and {second.shape} cannot be paired; give two values per image.")
    gaps = first.astype(float) - second
    counts = _resample_counts(_checked_generator(level, draws, seed), draws, len(gaps))
    return _interval(gaps.mean(), counts @ gaps / len(gaps), level)


def ranks(values: ArrayLike) -> np.ndarray:
    """Ranks in each row, 1 for the highest value; equal values get the mean of their ranks.

    values: (data sets, methods).
    Raises InputError for values that are not finite: a method without a value on a data set has no rank there.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise InputError("Ranks need a table (data sets, methods) without gaps; leave rows or columns out.")
    return stats.rankdata(-values, axis=1)


def friedman(values: ArrayLike) -> Friedman:
    """Friedman's test of 'all methods are equally good', corrected for ties.

    Both forms are approximations that need more than ten data sets or five methods (Demšar 2006).

    values: (data sets, methods).
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
    """Nemenyi's critical difference: average ranks that differ by less are not significantly different (Demšar, eq. 6).

    methods: number of methods.
    sets: number of data sets.
    alpha: probability of at least one false difference among all pairs.
    Raises InputError for fewer than 2 methods or 1 data set, and for alpha outside (0, 1).
    """
    if methods < 2 or sets < 1 or not 0 < alpha < 1:
        raise InputError(
            f"A critical difference needs 2 methods, 1 data set and alpha in (0, 1), not {methods}, {sets} and {alpha}."
        )
    # Demšar's q: the quantile of the Studentized range for infinite degrees of freedom, divided by the root of 2.
    q = float(stats.studentized_range.ppf(1 - alpha, methods, np.inf)) / np.sqrt(2)
    return q * np.sqrt(methods * (methods + 1) / (6 * sets))


def groups(average: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """Maximal groups of methods without a significant difference, as (first, last) positions among sorted ranks.

    Groups of one method are left out, as are groups inside larger ones.

    average: average ranks in ascending order.
    difference: the critical difference.
    Raises InputError where the ranks are not in ascending order.
    """
    average = np.asarray(average, dtype=float)
    if (np.diff(average) < 0).any():
        raise InputError("Average ranks must be in ascending order; sort them first.")
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(average):
        last = int(np.flatnonzero(average - rank < difference)[-1])
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def _mean_wins(labels: ArrayLike, scores: ArrayLike) -> np.ndarray:
    """(defective, good): the mean of the win matrices of all runs of a method."""
    runs = np.atleast_2d(np.asarray(scores, dtype=float))
    return np.mean([win_matrix(labels, run) for run in runs], axis=0)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"level must be between 0 and 1, not {level}.")


def _symmetric(value: float, error: float, factor: float) -> Difference:
    return Difference(float(value), float(value - factor * error), float(value + factor * error))


def _checked_generator(level: float, draws: int, seed: int) -> np.random.Generator:
    if not 0 < level < 1 or draws < 1:
        raise InputError(f"level must be between 0 and 1 and draws at least 1, not {level} and {draws}.")
    return np.random.default_rng(seed)


def _resample_counts(rng: np.random.Generator, draws: int, count: int) -> np.ndarray:
    """(draws, count) float64: how often each of `count` images is in each resample (with replacement)."""
    return rng.multinomial(count, np.full(count, 1 / count), size=draws).astype(float)


def _interval(value: float, resampled: np.ndarray, level: float) -> Difference:
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Difference(float(value), float(low), float(high))
