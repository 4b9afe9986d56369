"""Metrics of scores, decision thresholds, and statistical comparison of methods."""

from adlib.evaluation.comparison import (
    auroc_difference,
    critical_difference,
    delong_difference,
    draws_difference,
    friedman,
    groups,
    mean_difference,
    ranks,
)
from adlib.evaluation.metrics import (
    IMAGE_METRICS,
    PIXEL_METRICS,
    accuracy_at,
    bootstrap_interval,
    f1max,
    image_metrics,
    pixel_metrics,
)
from adlib.evaluation.regions import box_ap, box_iou, boxes_of, dice, saliency
from adlib.evaluation.thresholds import conformal_threshold, decide, smallest_false_alarm_rate

__all__ = [
    "IMAGE_METRICS",
    "PIXEL_METRICS",
    "accuracy_at",
    "auroc_difference",
    "bootstrap_interval",
    "box_ap",
    "box_iou",
    "boxes_of",
    "conformal_threshold",
    "critical_difference",
    "decide",
    "delong_difference",
    "dice",
    "draws_difference",
    "f1max",
    "friedman",
    "groups",
    "image_metrics",
    "mean_difference",
    "pixel_metrics",
    "ranks",
    "saliency",
    "smallest_false_alarm_rate",
]
