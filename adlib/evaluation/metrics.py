"""Image and pixel metrics: exact under ties, None ('not available') where undefined (chapter 01).

AUROC, average precision (AP), F1-max (an oracle: its threshold is chosen on the test set) and AUPRO, the area under the
per-region overlap (Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021). Scores: higher means more
anomalous. Labels and masks: 0 good, 1 defective. The counting is in `adlib.evaluation.counts`.
"""

from collections.abc import Iterable
from itertools import zip_longest
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from adlib.errors import InputError, check_choice
from adlib.evaluation import counts
from adlib.evaluation.thresholds import decide, finite_scores

IMAGE_METRICS = ("image_auroc", "image_ap", "image_f1max")
PIXEL_METRICS = ("pixel_auroc", "pixel_ap", "pixel_f1max", "aupro")
_MISSING = object()


def image_metrics(labels: ArrayLike, scores: ArrayLike) -> dict[str, float | None]:
    """AUROC, AP and F1-max of image scores.

    labels: (N,) 0 good, 1 defective.
    scores: (N,) finite.
    Returns {"image_auroc", "image_ap", "image_f1max"}, each in [0, 1], or None unless both classes are present.
    Raises InputError for NaN or infinite scores, different lengths and other labels.
    """
    good, defective = _by_class(labels, scores)
    if not len(good) or not len(defective):
        return dict.fromkeys(IMAGE_METRICS)
    counted = counts.count([good], np.sort(defective)[::-1])
    values = counts.auroc(counted), counts.average_precision(counted), counts.best_f1(counted)[0]
    return dict(zip(IMAGE_METRICS, values, strict=True))


def pixel_metrics(
    maps: Iterable[ArrayLike], masks: Iterable[ArrayLike | None] | None, fpr_limit: float = 0.3
) -> dict[str, float | None]:
    """Pixel AUROC, AP, F1-max and AUPRO, exact for float32 and float64.

    AUPRO: at a threshold, the overlap of a defect component (8 neighbours) is the fraction of its pixels whose score
    reaches the threshold. The mean overlap of the components of all images, against the false-positive rate over the
    good pixels of all images, has a point for each distinct score, starts at (0, 0) and is linear between points. The
    area under it from rate 0 to exactly `fpr_limit`, divided by `fpr_limit`, is the AUPRO.
    Memory in addition to the maps: two to four times theirs.

    maps: for each test image, including good images, an anomaly map (H_i, W_i) of finite values; sizes may differ. Any
        iterable, used once.
    masks: for each map a mask of its size, 0 good, 1 defective (all 0 for a good image).
    fpr_limit: upper limit of AUPRO's false-positive rate, in (0, 1]; 0.3 is usual.
    Returns {"pixel_auroc", "pixel_ap", "pixel_f1max", "aupro"}, each in [0, 1]. Every value is None ('not available')
    where masks are missing (`masks` or one of them is None), and where no pixel is defective or none is good.
    Raises InputError for NaN or infinite values, sizes or numbers that differ, and masks with other values.
    """
    if not isinstance(fpr_limit, Real) or not 0 < fpr_limit <= 1:
        raise InputError(f"fpr_limit must be a number in (0, 1], not {fpr_limit!r}; the usual value is 0.3.")
    if masks is None:
        return dict.fromkeys(PIXEL_METRICS)
    good, defective, weights = [], [], []  # weights: 1 / the size of the component that a defective pixel belongs to
    for index, (anomaly_map, mask) in enumerate(zip_longest(maps, masks, fillvalue=_MISSING)):
        if anomaly_map is _MISSING or mask is _MISSING:
            fewer, more = ("maps", "masks") if anomaly_map is _MISSING else ("masks", "maps")
            raise InputError(f"There are only {index} {fewer} and more {more}; give one mask for each map.")
        if mask is None:
            return dict.fromkeys(PIXEL_METRICS)
        values, is_defect = _checked_pair(anomaly_map, mask, index)
        if is_defect.any():
            good.append(values[~is_defect])
            defective.append(values[is_defect])
            weights.append(_component_weights(is_defect))
        else:
            good.append(values.flatten())  # a copy: a generator of maps may reuse its buffer
    if not defective or not any(block.size for block in good):
        return dict.fromkeys(PIXEL_METRICS)

    scores = np.concatenate(defective)
    order = np.argsort(scores)[::-1]
    counted = counts.count(good, scores[order])
    # Summed weights over the number of components; the division by the last sum makes the end of the curve exactly 1.
    overlap = np.cumsum(np.concatenate(weights)[order])[counted.found - 1]
    overlap /= overlap[-1]
    values = (
        counts.auroc(counted),
        counts.average_precision(counted),
        counts.best_f1(counted)[0],
        counts.area_under_overlap(counted, overlap, fpr_limit),
    )
    return dict(zip(PIXEL_METRICS, values, strict=True))


def f1max(labels: ArrayLike, scores: ArrayLike) -> tuple[float, float] | tuple[None, None]:
    """The largest F1 of any threshold, and that threshold: an oracle, since it is chosen on the test labels.

    For a threshold to use in practice, see `conformal_threshold`.

    labels: (N,) 0 good, 1 defective.
    scores: (N,) finite.
    Returns (F1, threshold) such that `decide(scores, threshold)`, that is score > threshold, has this F1: the threshold
    is the highest score still called good (or the next number below all scores, where all are called defective). Among
    equal F1 values it is the highest threshold. (None, None) unless both classes are present.
    Raises InputError as `image_metrics` does.
    """
    good, defective = _by_class(labels, scores)
    if not len(good) or not len(defective):
        return None, None
    value, reached = counts.best_f1(counts.count([good], np.sort(defective)[::-1]))
    both = np.concatenate([good, defective])
    below = both[both < reached]
    lowest = both.dtype.type(-np.inf)  # of the scores' own type: NumPy 1 would step down in float64
    return value, float(below.max() if len(below) else np.nextafter(both.dtype.type(reached), lowest))


def accuracy_at(labels: ArrayLike, scores: ArrayLike, threshold: float) -> dict[str, float | None]:
    """Quality of the decision score > threshold.

    labels: (N,) 0 good, 1 defective.
    scores: (N,) finite.
    threshold: not NaN.
    Returns {"accuracy", "recall", "false_alarm_rate", "precision"}: the fraction of images classified correctly, of the
    defective images called defective, of the good images called defective, and of the images called defective that are
    defective. A fraction with denominator 0 is None.
    Raises InputError as `image_metrics` and `decide` do.
    """
    good, defective = _by_class(labels, scores)
    found = int(np.count_nonzero(decide(defective, threshold)))
    alarms = int(np.count_nonzero(decide(good, threshold)))

    def fraction(part: int, whole: int) -> float | None:
        return part / whole if whole else None

    return {
        "accuracy": fraction(found + len(good) - alarms, len(good) + len(defective)),
        "recall": fraction(found, len(defective)),
        "false_alarm_rate": fraction(alarms, len(good)),
        "precision": fraction(found, found + alarms),
    }


def bootstrap_interval(
    labels: ArrayLike,
    scores: ArrayLike,
    metric: str = "image_auroc",
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float] | tuple[None, None]:
    """Percentile bootstrap interval of an image metric (Efron & Tibshirani 1993): its variation over test sets.

    Good and defective images are resampled separately (stratified), with replacement and in their original numbers. The
    interval says nothing about other shots or seeds, and perfect separation gives (1, 1) for any number of images.

    labels: (N,) 0 good, 1 defective.
    scores: (N,) finite.
    metric: one of IMAGE_METRICS.
    level: of the interval, in (0, 1).
    draws: number of resamples.
    seed: of the resampling.
    Returns (low, high); (None, None) unless both classes are present.
    Raises InputError as `image_metrics` does, for an unknown metric, a level outside (0, 1) and fewer than 1 draw.
    """
    check_choice("image metric", metric, IMAGE_METRICS)
    if not 0 < level < 1 or draws < 1:
        raise InputError(f"level must be between 0 and 1 and draws at least 1, not {level} and {draws}.")
    good, defective = _by_class(labels, scores)
    if not len(good) or not len(defective):
        return None, None
    distinct, place = np.unique(np.concatenate([good, defective]), return_inverse=True)
    place = len(distinct) - 1 - place.ravel()  # place of each score among the distinct ones, from high to low
    rng = np.random.default_rng(seed)

    def resampled(places: np.ndarray, rows: int) -> np.ndarray:
        """(rows, distinct) int64: how often each resample holds each distinct score."""
        resample = places[rng.integers(len(places), size=(rows, len(places)))]
        resample += np.arange(rows)[:, None] * len(distinct)
        return np.bincount(resample.ravel(), minlength=rows * len(distinct)).reshape(rows, len(distinct))

    rows = max(1, 2_000_000 // (len(good) + len(defective)))  # resamples at a time: some 16 MB per table
    values = []
    for start in range(0, draws, rows):
        size = min(rows, draws - start)
        alarms, hits = resampled(place[: len(good)], size), resampled(place[len(good) :], size)
        values.append(_metric_of_draws(metric, alarms, hits))
    low, high = np.quantile(np.concatenate(values), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _metric_of_draws(metric: str, alarms: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """(draws,) values of a metric. alarms, hits: (draws, m) good and defective images at scores from high to low."""
    good, defective = int(alarms[0].sum()), int(hits[0].sum())
    reaching, found = np.cumsum(alarms, axis=1), np.cumsum(hits, axis=1)
    if metric == "image_auroc":
        return np.sum(hits * (2 * good - 2 * reaching + alarms), axis=1) / (2 * good * defective)
    if metric == "image_ap":
        return np.sum(hits * (found / np.maximum(found + reaching, 1)), axis=1) / defective
    return np.max(2 * found / (found + reaching + defective), axis=1)


def _by_class(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The scores of the good and of the defective images, checked."""
    label, score = np.asarray(labels), finite_scores(scores)
    if label.ndim != 1 or label.shape != score.shape:
        raise InputError(f"labels {label.shape} and scores {score.shape} must both be (N,), one for every image.")
    if not np.isin(label, (0, 1)).all():
        raise InputError("labels must be 0 (good) or 1 (defective); convert other labels first.")
    return score[label == 0], score[label == 1]


def _checked_pair(anomaly_map: ArrayLike, mask: ArrayLike, index: int) -> tuple[np.ndarray, np.ndarray]:
    """One map as floats and its mask as bool, both (H, W); index names them in errors."""
    values, mask_values = finite_scores(anomaly_map, f"maps[{index}]"), np.asarray(mask)
    if values.ndim != 2 or values.shape != mask_values.shape:
        raise InputError(
            f"maps[{index}] is {values.shape} and masks[{index}] is {mask_values.shape}; both must be (H, W), equal."
        )
    is_defect = mask_values.astype(bool)
    if not np.array_equal(is_defect, mask_values):
        raise InputError(
            f"masks[{index}] must hold only 0 (good) and 1 (defective); use mask > 0 if it holds 0 and 255."
        )
    return values, is_defect


def _component_weights(is_defect: np.ndarray) -> np.ndarray:
    """1 / the size of the component (8 neighbours) of each defective pixel, in row-major order."""
    rows, columns = np.flatnonzero(is_defect.any(axis=1)), np.flatnonzero(is_defect.any(axis=0))
    box = is_defect[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]  # most of a mask is empty
    components = ndimage.label(box, structure=np.ones((3, 3)))[0][box]
    return 1 / np.bincount(components)[components]
