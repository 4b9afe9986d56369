"""Image scores of a run as a page holds them; `scores.js` draws them as a histogram with a movable threshold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adlib.evaluation.thresholds import SPLIT
from adlib.experiments.store import Result

SCRIPT, STYLE = (Path(__file__).with_name(f"scores.{kind}") for kind in ("js", "css"))


def page_scores(result: Result) -> dict[str, Any]:
    """{"good", "defective": image scores, "threshold": that of the row, or None}, with the digits of `in_few_digits`.

    The threshold is {"value", "false_alarm_rate", "method", "source"}. Every decision score > threshold is that on the
    stored scores, whichever the threshold.
    """
    threshold, labels = result.row.get("threshold"), result.scores["label"].tolist()
    values = in_few_digits([*result.scores["score"].tolist(), *([threshold["value"]] if threshold else [])])
    return {
        "good": [score for score, label in zip(values, labels, strict=False) if label == 0],
        "defective": [score for score, label in zip(values, labels, strict=False) if label == 1],
        "threshold": threshold
        and {
            "value": values[-1],
            "false_alarm_rate": threshold["false_alarm_rate"],
            "method": threshold.get("method", SPLIT),
            "source": threshold["source"],
        },
    }


def in_few_digits(values: Sequence[float], fewest: int = 4) -> list[float]:
    """Values rounded to as few significant digits, but at least `fewest`, as keep different values different.

    Rounding is monotone, so their order stays, too.
    """
    for digits in range(fewest, 17):
        rounded = [float(f"{value:.{digits}g}") for value in values]
        if len(set(rounded)) == len(set(values)):
            return rounded
    return list(values)
