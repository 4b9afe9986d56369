"""The counts behind every metric: how many good and how many defective scores reach each threshold (chapter 01).

Only the scores of defective items matter as thresholds: between two of them only the number of false alarms grows, so
recall is constant (AP takes no step), F1 falls, and the curve of AUPRO is flat. The good scores, fifty times as many
when pixels are counted, are therefore only sorted once and searched. All counts are exact integers.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np


class Counts(NamedTuple):
    """Counts at the m distinct scores of the defective items, used as thresholds from high to low."""

    thresholds: np.ndarray  # (m,) strictly descending
    hits: np.ndarray  # (m,) int64, defective scores equal to the threshold
    good_above: np.ndarray  # (m,) int64, good scores > threshold
    good_reaching: np.ndarray  # (m,) int64, good scores >= threshold
    good: int  # total number of good scores

    @property
    def found(self) -> np.ndarray:
        """(m,) int64: defective scores >= threshold."""
        return np.cumsum(self.hits)


def count(good: Sequence[np.ndarray], falling_defective: np.ndarray) -> Counts:
    """Count scores at all thresholds.

    Time: one sort of the good scores, in as many threads as there are processors (4 at most). Memory: one copy of them.

    good: blocks of finite good scores, each (n_b,).
    falling_defective: (p,) finite defective scores sorted from high to low, p > 0.
    """
    first = np.concatenate(([0], np.flatnonzero(np.diff(falling_defective)) + 1))
    rising = falling_defective[first][::-1]

    def reaching(blocks: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        part = np.concatenate(blocks)
        part.sort()
        return len(part) - np.searchsorted(part, rising, "right"), len(part) - np.searchsorted(part, rising, "left")

    parts = _distribute(good, min(4, os.cpu_count() or 1))
    with ThreadPoolExecutor(max(1, len(parts))) as pool:  # the sorts release the interpreter lock
        counted = list(pool.map(reaching, parts))
    above, at_least = np.sum(counted, axis=0, dtype=np.int64) if counted else np.zeros((2, len(rising)), np.int64)
    return Counts(
        thresholds=rising[::-1],
        hits=np.diff(np.append(first, len(falling_defective))).astype(np.int64),
        good_above=above[::-1],
        good_reaching=at_least[::-1],
        good=sum(len(block) for block in good),
    )


def auroc(counts: Counts) -> float:
    """Fraction of (good, defective) pairs in which the defective score is higher; a tie counts half."""
    pairs = 2 * counts.good * int(counts.hits.sum())
    return int(np.sum(counts.hits * (2 * counts.good - counts.good_above - counts.good_reaching))) / pairs


def average_precision(counts: Counts) -> float:
    """AP = sum over thresholds of (recall step) x precision: the step sum of scikit-learn, without interpolation."""
    found = counts.found
    return float(np.sum(counts.hits * (found / (found + counts.good_reaching))) / found[-1])


def best_f1(counts: Counts) -> tuple[float, float]:
    """The largest F1 over all thresholds, and the highest score at which it is reached."""
    found = counts.found
    f1 = 2 * found / (found + counts.good_reaching + found[-1])
    best = int(np.argmax(f1))
    return float(f1[best]), counts.thresholds[best]


def area_under_overlap(counts: Counts, overlap: np.ndarray, fpr_limit: float) -> float:
    """Area under mean overlap against false-positive rate, from rate 0 to exactly `fpr_limit`, over `fpr_limit`.

    The curve starts at (0, 0), has one point for each distinct score of any pixel and is linear between points. A score
    that only good pixels have moves it only to the right, so two points per defective score suffice: one just before
    the score is reached (good_above, the previous overlap) and one after (good_reaching, the new overlap).

    counts: the counts of all pixels.
    overlap: (m,) mean overlap of the components at each threshold, rising, in [0, 1].
    fpr_limit: in (0, 1].
    """
    rate = np.stack([counts.good_above, counts.good_reaching], axis=1).ravel() / counts.good
    rate = np.concatenate([[0.0], rate, [1.0]])
    level = np.concatenate([[0.0, 0.0], np.repeat(overlap, 2)])
    end = int(np.searchsorted(rate, fpr_limit, "left"))  # the first point at or past the limit; never the first of all
    fraction = (fpr_limit - rate[end - 1]) / (rate[end] - rate[end - 1])
    rate = np.append(rate[:end], fpr_limit)
    level = np.append(level[:end], level[end - 1] + fraction * (level[end] - level[end - 1]))
    return float(np.sum(np.diff(rate) * (level[1:] + level[:-1]) / 2) / fpr_limit)


def _distribute(blocks: Sequence[np.ndarray], parts: int) -> list[list[np.ndarray]]:
    """Distribute blocks over at most `parts` non-empty lists of about equal length."""
    blocks = [block for block in blocks if len(block)]
    ends = np.cumsum([len(block) for block in blocks])
    groups: list[list[np.ndarray]] = [[] for _ in range(parts)]
    for block, end in zip(blocks, ends, strict=True):
        groups[int((end - 1) * parts // ends[-1])].append(block)
    return [group for group in groups if group]
