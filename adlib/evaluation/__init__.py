"""Metrics and thresholds: how good the scores are, and which score to call defective."""

from adlib.evaluation.metrics import (
    IMAGE_METRICS,
    PIXEL_METRICS,
    accuracy_at,
    bootstrap_interval,
    f1max,
    image_metrics,
    pixel_metrics,
)
from adlib.evaluation.thresholds import conformal_threshold, decide, smallest_false_alarm_rate

__all__ = [
    "IMAGE_METRICS",
    "PIXEL_METRICS",
    "accuracy_at",
    "bootstrap_interval",
    "conformal_threshold",
    "decide",
    "f1max",
    "image_metrics",
    "pixel_metrics",
    "smallest_false_alarm_rate",
]
