"""A threshold from good images alone, the colour scale of the maps, and what the threshold promises (chapter 15).

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
from adlib.evaluation.thresholds import LEAVE_ONE_OUT, SPLIT, promise
from adlib.experiments.held_out import HELD_OUT, fit_labels, held_out_good, parts_to_leave_out
from adlib.experiments.looks import look_of, range_of
from adlib.features.cache import TensorCache
from adlib.plots import colour_limits

FALSE_ALARM_RATE = 0.05
# Most fits for leave-one-out, where a detector has to be fitted again for every reference left out.
REFITS = 40


def calibrate(
    detector: Detector,
    dataset: Dataset,
    references: Sequence[Sample],
    rate: float,
    cache: TensorCache | None,
    for_predict: bool = False,
) -> dict[str, Any]:
    """Scores of good images and how they were computed; the detector keeps them as `calibration_` for `adlib predict`.

    detector: fitted on `references`.
    dataset: the category of the references; its labelled defects are those that the detector learned from.
    references: the images that the detector learned from; empty at 0 shots.
    rate: false-alarm rate, between 0 and 1; it decides which images are scored.
    cache: cache of features; None for none.
    for_predict: also put into `calibration_` what only `adlib predict` needs: the highest value of each good image's
        map, for outlines, and how at most 60 good images look (see `range_of`).

    Returns {"method", "source", "good_scores", "limits"}, where limits are those of colours of maps, with groups also
    {"group", "groups"}; or {"missing": a sentence} where no good image can be scored fairly.
    Raises InputError where the rate is not between 0 and 1.
    """
    check_rate(rate)
    held_out = held_out_good(dataset, references)
    source = "validation split" if dataset.validation else "training images that are not references"
    method, good, scored, missing = SPLIT, None, references, ""
    enough_held_out = bool(held_out) and smallest_false_alarm_rate(len(held_out)) <= rate
    if references and not enough_held_out and (not held_out or smallest_false_alarm_rate(len(references)) <= rate):
        good, missing = _leave_one_out(detector, references, dataset, cache)
        method, source = LEAVE_ONE_OUT, "references, each scored by a detector that learned from the others"
    if good is None and held_out and references:
        method, scored, missing = SPLIT, held_out, ""
        good = detector.predict([s.path for s in held_out], cache)
    if good is None:
        return {"missing": missing or "The run has no references (0 shots), so no image is known to be good."}
    calibration = {
        "method": method,
        "source": source,
        "good_scores": [float(f"{s:.8g}") for s in good.scores],
        "limits": list(colour_limits(good.grids)),
    }
    if dataset.group:
        calibration |= {"group": dataset.group, "groups": len({s.group for s in scored})}
    detector.calibration_ = calibration | {
        "false_alarm_rate": rate,
        "map_maxima": [float(f"{_highest(good, i):.8g}") for i in range(len(good))] if for_predict else [],
        "picture_size": [max(frame.original[side] for frame in good.frames) for side in (0, 1)],
    }
    if for_predict:
        known = list(dict.fromkeys([*(s.path for s in scored), *(s.path for s in references)]))[:HELD_OUT]
        detector.calibration_["good_images"] = range_of([look_of(path, window=detector.window) for path in known])
    return calibration


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
        promise(threshold.get("method", SPLIT), rate, calibration.get("group"), calibration.get("groups")),
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
    detector: Detector, references: Sequence[Sample], dataset: Dataset, cache: TensorCache | None
) -> tuple[Predictions | None, str]:
    """Each image scored by a detector that learned from the others; or None and a sentence that says why not.

    With groups, the others are those of other groups.
    """
    images, parts = [s.path for s in references], parts_to_leave_out(references)
    if len(parts) < 2:
        one = "is only one good image" if len(images) == 1 else "are good images of one group only"
        return None, f"There {one}, and leave-one-out needs two; give a second one."
    if len(parts) == len(images) and hasattr(detector, "leave_one_out"):  # a minimum over references: no new fit
        return detector.leave_one_out(images, cache), ""
    if len(parts) > REFITS:
        return None, (
            f"{detector.name} would have to be fitted {len(parts)} times to leave every reference out once (at most "
            f"{REFITS} are done); hold good images out by giving fewer shots, or add a validation/good folder."
        )
    labels = fit_labels(dataset) if detector.learns_defects else {}
    found: dict[int, tuple] = {}
    with tempfile.TemporaryDirectory() as folder:
        cache = cache or TensorCache(folder)  # features are computed once for all fits
        for part in parts:
            fresh = make_detector(detector.name, **detector.parameters())
            others = [image for position, image in enumerate(images) if position not in part]
            p = fresh.fit(others, cache, **labels).predict([images[position] for position in part], cache)
            found |= dict(zip(part, zip(p.scores, p.grids, p.frames, strict=True), strict=True))
    scores, grids, frames = zip(*(found[position] for position in range(len(images))), strict=True)
    return detector.assemble(list(scores), list(grids), list(frames)), ""


def _highest(predictions: Predictions, index: int) -> float:
    anomaly_map = predictions.anomaly_map(index)
    return float(np.nanmax(anomaly_map))


def _percent(value: float) -> str:
    return f"{value:.1%}"
