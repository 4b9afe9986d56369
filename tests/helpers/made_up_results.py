"""Made-up runs to be compared with published numbers."""

import pandas as pd

from adlib.detectors.patchcore import OFFICIAL
from adlib.experiments.protocol import Protocol
from adlib.experiments.store import Result

EXACT = {"backbone": "wide_resnet50_2", "map_frame": "network", "options": {**OFFICIAL, "coreset": 0.25}}


def result(category="bottle", method="patchcore", value=0.9, ending="png", **given) -> Result:
    """A made-up run: every metric is `value`."""
    fields = {"dataset": "mvtec", "data_digest": "0", "backbone": "wide_resnet50_2", "weights_sha256": "0"} | given
    metrics = {"image_auroc": value, "pixel_auroc": value, "aupro": None}
    scores = pd.DataFrame({"image": [f"{category}/test/good/000.{ending}"], "label": 0, "defect": "good", "score": 1.0})
    row = {"metrics": metrics, "timings": {"predict_s_per_image": 0.5}}
    return Result(Protocol(category=category, method=method, **fields), row, scores)
