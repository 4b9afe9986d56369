"""What a reader of an ONNX file must know: how an image becomes its input, and how score and map are read.

The same content is in the file's metadata, under the key "adlib", and in the JSON file beside it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from adlib import __version__
from adlib.detectors.base import Detector
from adlib.errors import InputError
from adlib.evaluation import conformal_threshold, smallest_false_alarm_rate
from adlib.export.graph import INPUT, OPSET, PATCH_MAP, SCORE, fixed_size
from adlib.export.resize import PICTURE

FORMAT = 1  # raised when a reader of before would misunderstand a file
KEY = "adlib"


def description(detector: Detector, model_sha256: str, resizes: bool = False) -> dict[str, Any]:
    """Plain values that describe an export.

    detector: fitted.
    model_sha256: of the file that it was loaded from.
    resizes: whether the graph takes the image itself, see `adlib.export.resize`.
    """
    spec, calibration = detector.spec(), getattr(detector, "calibration_", {})
    threshold, contour = thresholds(calibration)
    return {
        "format": FORMAT,
        "adlib": __version__,
        "opset": OPSET,
        "detector": detector.name,
        "revision": detector.revision,
        "parameters": detector.parameters() | {"weights": None, "device": None},  # of the machine that exported
        "model_sha256": model_sha256,
        "weights_sha256": detector.network().weights_sha256,
        "input": _picture() if resizes else _pixels(detector),
        "preprocess": asdict(spec.preprocess) | {"window": list(spec.window) if spec.window else None},
        "score": {
            "name": SCORE,
            "shape": [1],
            "unit": detector.unit,
            "threshold": threshold,
            "false_alarm_rate": calibration.get("false_alarm_rate"),
            "reading": "higher is more anomalous; defective where score > threshold",
        },
        "map": {
            "name": PATCH_MAP,
            "shape": [1, "rows", "columns"],
            "sigma": detector.sigma,
            "sigma_in": "original pixels" if detector.smooth_original else "pixels of the input",
            "stretch": detector.stretch_maps,
            "threshold": contour,
            "limits": calibration.get("limits"),
            "reading": "one score for each patch of the input, row by row; for a map, resize it bilinearly to the "
            "input's size, smooth it by a Gaussian of sigma, and resize it to the part of the image that the input "
            "shows; limits are the ends of a colour scale",
        },
        "calibration": calibration,
    }


def _pixels(detector: Detector) -> dict[str, Any]:
    return {
        "name": INPUT,
        "shape": [1, 3, *(fixed_size(detector) or ("height", "width"))],
        "type": "float32",
        "values": "RGB from 0 to 1 (8-bit values divided by 255), one image after the steps of preprocess; the "
        "network's own normalisation is in the graph",
    }


def _picture() -> dict[str, Any]:
    return {
        "name": PICTURE,
        "shape": ["height", "width", 3],
        "type": "uint8",
        "values": "RGB from 0 to 255, one decoded image of any size; the steps of preprocess are in the graph",
    }


def thresholds(calibration: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Thresholds of the image score and of the map at the rate of the fit; None where good images are too few."""
    scores, maxima = calibration.get("good_scores"), calibration.get("map_maxima")
    if not scores:  # a model saved before the scores were kept has a threshold alone
        return calibration.get("threshold"), None
    rate = calibration["false_alarm_rate"]
    if smallest_false_alarm_rate(len(scores)) > rate:
        return None, None
    return conformal_threshold(scores, rate), conformal_threshold(maxima, rate) if maxima else None


def parsed(text: str | None, path: Any) -> dict[str, Any]:
    """The description in an ONNX file's metadata. Raises InputError for a foreign file and for a newer format."""
    try:
        found = dict(json.loads(text or ""))
        version, needed = int(found["format"]), found["preprocess"] and found["map"] and found["parameters"]
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{path} was not written by `adlib export`; export a saved model.") from None
    if version != FORMAT or not needed:
        raise InputError(
            f"{path} has format {version} (adlib {found.get('adlib')}), and adlib {__version__} reads {FORMAT}; export "
            "the model again."
        )
    return found
