"""Thresholds with a guarantee: split conformal prediction on held-out good images (chapter 15).

Where no image can be held out, each reference is scored by a detector fitted to the others. That threshold is the
jackknife's, which has no guarantee for finite samples in general (Barber, Candès, Ramdas & Tibshirani, "Predictive
inference with the jackknife+", Annals of Statistics 49 (2021)). Their guarantee, 2a, holds for it where adding a
reference can only lower a score, as with a distance to the nearest reference: a new image above the threshold then also
exceeds as many leave-one-out scores of the detectors without each reference, and at most 2a(n + 1) - 1 of n + 1 images
can do that to the others.

Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World" (2005); as a test for outliers: Bates, Candès, Lei,
Romano & Sesia, "Testing for outliers with conformal p-values", Annals of Statistics 51 (2023). A threshold tuned on the
test set has no guarantee; `adlib.evaluation.f1max` is such an oracle.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from adlib.errors import InputError

# 20 * (1 - 0.05) must give 19 whichever way 0.05 is rounded in binary: a rank is a count, this slack is far below one.
_ROUNDING = 1e-9

SPLIT, LEAVE_ONE_OUT = "split conformal", "leave-one-out"
# The guarantee of a threshold, by how its good scores were made; {rate} and {twice} are rates.
GUARANTEES = {
    SPLIT: (
        "Guarantee (split conformal): a new good image taken under the same conditions exceeds the threshold with "
        "probability at most {rate}, averaged over the choice of held-out images; there is no guarantee about defects."
    ),
    LEAVE_ONE_OUT: (
        "No exact guarantee (leave-one-out, the jackknife): about {rate} of new good images are expected to exceed the "
        "threshold; {twice} is the bound in the worst case if adding references can only lower scores (jackknife+), "
        "as for AnomalyDINO; other detectors have no bound. Good images held out from the references give a guarantee."
    ),
}


def promise(method: str, rate: float, group: str | None = None, groups: int | None = None) -> str:
    """What a threshold promises, in words.

    method: SPLIT or LEAVE_ONE_OUT.
    rate: its false-alarm rate, between 0 and 1.
    group: the regular expression of the groups that were held out as wholes, None where there are none.
    groups: how many groups the good scores come from.
    """
    text = GUARANTEES[method].format(rate=f"{100 * rate:g}%", twice=f"{min(100, 200 * rate):g}%")
    if group is None:
        return text
    return (
        f"{text} Held out by whole groups ({group}), {groups} of them: it is about images of new groups, and rougher "
        "than the number of images says, since images of one group are alike."
    )


def finite_scores(scores: ArrayLike, name: str = "scores") -> np.ndarray:
    """Scores as a float array of any shape: float32 and float64 unchanged, other real numbers as float64.

    scores: any shape.
    name: name of the scores in messages.
    Raises InputError where a value is NaN, infinite or not a real number. NaN would compare as 'good' with any
    threshold, so it must not reach a comparison.
    """
    array = np.asarray(scores)
    if array.size and array.dtype.kind not in "biuf":
        raise InputError(f"{name} must hold real numbers, not {array.dtype}; give one float for each score.")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    if not np.isfinite(array).all():
        bad = int(np.count_nonzero(~np.isfinite(array)))
        raise InputError(f"{name} holds {bad} NaN or infinite values; check how the scores are computed.")
    return array


def conformal_threshold(good_scores: ArrayLike, false_alarm_rate: float) -> float:
    """The threshold with false alarms on at most a fraction `false_alarm_rate` of good images.

    The guarantee holds for every n and every detector: if the n held-out images and a new good image are exchangeable
    (sampled alike, in no particular order), the probability that the new image's score exceeds the threshold is at most
    a, and at least a - 1 / (n + 1) where no two scores tie. The probability is marginal, over the sampling of the
    held-out images AND the new image: for one fixed set of held-out images, the rate over all future images scatters
    around it (for continuous scores it follows a Beta distribution, which narrows as n grows).

    good_scores: (n,) image scores of n good images that were in no way used to fit the detector.
    false_alarm_rate: a, in (0, 1).
    Returns the ceil((n + 1)(1 - a))-th smallest score; `decide` then calls a score above it defective.
    Raises InputError where n is too small for that rate (the rank would exceed n), and for NaN or infinite scores.
    """
    scores = finite_scores(good_scores, "good_scores")
    if scores.ndim != 1:
        raise InputError(f"good_scores must be one score for each good image, (n,), not of shape {scores.shape}.")
    if not 0 < false_alarm_rate < 1:
        raise InputError(f"false_alarm_rate must be between 0 and 1, not {false_alarm_rate}; 0.05 means 1 in 20.")
    n = len(scores)
    rank = max(1, math.ceil((n + 1) * (1 - false_alarm_rate) - _ROUNDING))
    if rank > n:
        needed = math.ceil((1 - _ROUNDING) / false_alarm_rate) - 1
        raise InputError(
            f"A false-alarm rate of {false_alarm_rate:g} needs at least {needed} held-out good images, and there are "
            f"{n}; hold out more or accept a higher rate."
        )
    return float(np.partition(scores, rank - 1)[rank - 1])


def smallest_false_alarm_rate(n: int) -> float:
    """The smallest rate that `conformal_threshold` can guarantee with n held-out good images: 1 / (n + 1).

    n: number of held-out good images.
    Raises InputError if n < 1.
    """
    if n < 1:
        raise InputError(f"A threshold needs at least 1 held-out good image, not {n}.")
    return 1 / (n + 1)


def decide(scores: ArrayLike, threshold: float) -> np.ndarray:
    """True where a score is above the threshold ('defective'); a score equal to it is good.

    scores: any shape, image scores or an anomaly map.
    threshold: not NaN.
    Returns bool of the same shape.
    Raises InputError for NaN or infinite scores and for a threshold that is NaN.
    """
    if math.isnan(threshold):
        raise InputError("The threshold is NaN, which calls every image good; compute it from finite scores.")
    # As float64: NumPy 2 would otherwise round the threshold to float32 and move scores across it.
    return finite_scores(scores).astype(np.float64, copy=False) > float(threshold)
