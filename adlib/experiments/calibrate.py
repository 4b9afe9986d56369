"""A threshold from good images alone, the colour scale of the maps, and what the threshold promises (chapter 01).

Held-out good images are preferred: split conformal prediction, with its guarantee. Where there are too few, every
reference image is scored by a detector that learned from the other references: leave-one-out, the jackknife. The scores
are stored as well as the threshold, so that another false-alarm rate needs no second run.
"""

import math
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from adlib.data import Dataset, Sample
from adlib.detectors.base import Detector, Predictions
from adlib.detectors.registry import make_detector
from adlib.errors import InputError
from adlib.evaluation import accuracy_at, conformal_threshold, smallest_false_alarm_rate
from adlib.evaluation.thresholds import GUARANTEES, LEAVE_ONE_OUT, SPLIT
from adlib.features.cache import TensorCache
from adlib.plots import colour_limits

FALSE_ALARM_RATE = 0.05
# Good images held out for the threshold where the data set has no validation split.
HELD_OUT = 60
# Most fits for leave-one-out, where a detector has to be fitted again for every reference left out.
REFITS = 40


def calibrate(
    detector: Detector,
    dataset: Dataset,
    references: Sequence[Sample],
    rate: float,
    cache: TensorCache | None,
    keep_maps: bool = False,
) -> dict[str, Any]:
    """Scores of good images and how they were computed; the detector keeps them as `calibration_` for `adlib predict`.

    detector: fitted on `references`.
    dataset: the category that the references come from.
    references: the images that the detector learned from; empty at 0 shots.
    rate: false-alarm rate, between 0 and 1; it decides which images are scored.
    cache: cache of features; None for none.
    keep_maps: also put the highest value of each good image's map into `calibration_`, for outlines.

    Returns {"method", "source", "good_scores", "limits"}, where limits are those of colours of maps, or
    {"missing": a sentence} where no good image can be scored fairly.
    Raises InputError where the rate is not between 0 and 1.
    """
    check_rate(rate)
    held_out = held_out_good(dataset, references)
    source = "validation split" if dataset.validation else "training images that are not references"
    method, good, missing = SPLIT, None, ""
    enough_held_out = bool(held_out) and smallest_false_alarm_rate(len(held_out)) <= rate
    if references and not enough_held_out and (not held_out or smallest_false_alarm_rate(len(references)) <= rate):
        good, missing = _leave_one_out(detector, [s.path for s in references], cache)
        method, source = LEAVE_ONE_OUT, "references, each scored by a detector that learned from the others"
    if good is None and held_out and references:
        method, missing = SPLIT, ""
        good = detector.predict([s.path for s in held_out], cache)
    if good is None:
        return {"missing": missing or "The run has no references (0 shots), so no image is known to be good."}
    calibration = {
        "method": method,
        "source": source,
        "good_scores": [float(f"{s:.8g}") for s in good.scores],
        "limits": list(colour_limits(good.grids)),
    }
    detector.calibration_ = calibration | {
        "false_alarm_rate": rate,
        "map_maxima": [float(f"{_highest(good, i):.8g}") for i in range(len(good))] if keep_maps else [],
        "picture_size": [max(frame.original[side] for frame in good.frames) for side in (0, 1)],
    }
    return calibration


def held_out_good(dataset: Dataset, references: Sequence[Sample]) -> list[Sample]:
    """Good images that a detector did not learn from: the validation split, or else up to 60 training images.

    The training images are evenly spaced among those that are not references: files are sorted by name, and neighbours
    by name often show one part, one film or one day.
    """
    if dataset.validation:
        return dataset.validation
    learned = {s.path for s in references}
    unused = [s for s in dataset.train_good if s.path not in learned]
    count = min(HELD_OUT, len(unused))
    return [unused[i * len(unused) // count] for i in range(count)]


def threshold_from(calibration: Mapping[str, Any], rate: float) -> dict[str, Any] | None:
    """The threshold at a false-alarm rate, as in a result row; None where there are too few good images."""
    scores = calibration.get("good_scores", [])
    if not scores or smallest_false_alarm_rate(len(scores)) > rate:
        return None
    return {
        "value": conformal_threshold(scores, rate),
        "false_alarm_rate": rate,
        "good_images": len(scores),
        "method": calibration["method"],
        "source": calibration["source"],
        "good_scores": scores,
    }


def at_rate(row: Mapping[str, Any], scores: pd.DataFrame, rate: float) -> dict[str, Any]:
    """A result row with threshold and decisions at another false-alarm rate, from stored scores; nothing is run."""
    check_rate(rate)
    if (row.get("threshold") or {}).get("false_alarm_rate") == rate:
        return dict(row)
    calibration = calibration_of(row)
    threshold = threshold_from(calibration, rate)
    decisions = accuracy_at(scores["label"], scores["score"], threshold["value"]) if threshold else None
    return {**row, "threshold": threshold, "decisions": decisions}


def calibration_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The calibration of a result row; rows without that entry hold it in their threshold."""
    stored, threshold = row.get("calibration"), row.get("threshold")
    if stored is None and threshold is not None:
        stored = {"method": SPLIT, "source": threshold["source"], "good_scores": threshold["good_scores"]}
    return stored or {"missing": "This result was stored without scores of good images; delete it and run again."}


def explain(row: Mapping[str, Any], rate: float = FALSE_ALARM_RATE) -> list[str]:
    """Sentences for a terminal or a page: where the threshold comes from, what it promises, and its decisions."""
    threshold, calibration = row["threshold"], calibration_of(row)
    if threshold is None:
        return [_why_none(calibration, rate)]
    rate, decided = threshold["false_alarm_rate"], row["decisions"]
    lines = [
        f"Threshold {threshold['value']:.4g}, from {threshold['good_images']} good images ({threshold['source']}), "
        f"set for {100 * rate:g}% false alarms.",
        GUARANTEES[threshold.get("method", SPLIT)].format(rate=f"{100 * rate:g}%", twice=f"{min(100, 200 * rate):g}%"),
    ]
    if decided is None:  # there were no test images
        return lines
    counts = row["images"]
    fractions = [
        f"{_percent(decided[name])} of the {counts[key]} {word} test images"
        for name, key, word in (("false_alarm_rate", "test_good", "good"), ("recall", "test_defective", "defective"))
        if decided[name] is not None
    ]
    lines.append(f"Above it: {' and '.join(fractions)}; accuracy {_percent(decided['accuracy'])}.")
    if counts["test_good"] and counts["test_defective"]:
        more = max(counts["test_good"], counts["test_defective"])
        word = "good" if more == counts["test_good"] else "defective"
        lines.append(
            f"Accuracy for comparison: calling every image {word} would score {more / sum(counts.values()):.1%} here. "
            "Accuracy depends on the mix of the test set and on the threshold; AUROC depends on neither."
        )
    return lines


def check_rate(rate: float) -> None:
    """InputError unless 0 < rate < 1."""
    if not 0 < rate < 1:
        raise InputError(f"The false-alarm rate must be between 0 and 1, not {rate}; 0.05 means 1 good image in 20.")


def acceptable_rate(count: int) -> float:
    """The smallest false-alarm rate that `count` good images can show, rounded up to three decimals."""
    return math.ceil(1000 * smallest_false_alarm_rate(count)) / 1000


def _why_none(calibration: Mapping[str, Any], rate: float) -> str:
    if "missing" in calibration:
        return f"No threshold: {calibration['missing']}"
    count = len(calibration["good_scores"])
    needed = math.ceil(1 / rate - 1e-9) - 1
    accept = f"{acceptable_rate(count):g} (--false-alarms)"
    return (
        f"No threshold: a false-alarm rate of {100 * rate:g}% needs at least {needed} good images, and there are "
        f"{count} ({calibration['source']}); collect more, or accept a rate of {accept}."
    )


def _leave_one_out(
    detector: Detector, images: Sequence[Any], cache: TensorCache | None
) -> tuple[Predictions | None, str]:
    """Each image scored by a detector that learned from the others; or None and a sentence that says why not."""
    if len(images) < 2:
        return None, "There is only one good image, and leave-one-out needs two; give a second one."
    if hasattr(detector, "fit_predict"):  # scores are minima over references: leaving one out costs no fit
        return detector.fit_predict(images, cache), ""
    if len(images) > REFITS:
        return None, (
            f"{detector.name} would have to be fitted {len(images)} times to leave every reference out once (at most "
            f"{REFITS} are done); hold good images out by giving fewer shots, or add a validation/good folder."
        )
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        cache = cache or TensorCache(folder)  # features are computed once for all fits
        for left_out, image in enumerate(images):
            fresh = make_detector(detector.name, **detector.parameters())
            others = [*images[:left_out], *images[left_out + 1 :]]
            parts.append(fresh.fit(others, cache).predict([image], cache))
    grids, frames = [p.grids[0] for p in parts], [p.frames[0] for p in parts]
    return detector.assemble([p.scores[0] for p in parts], grids, frames), ""


def _highest(predictions: Predictions, index: int) -> float:
    anomaly_map = predictions.anomaly_map(index)
    return float(np.nanmax(anomaly_map))


def _percent(value: float) -> str:
    return f"{value:.1%}"
