"""One run from a protocol to a stored result: select references, fit, score the test images, measure."""

import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adlib.data import Dataset, Sample, label_defects
from adlib.data.masks import read_mask
from adlib.detectors.base import Detector, Predictions
from adlib.errors import InputError
from adlib.evaluation import image_metrics, pixel_metrics
from adlib.experiments.calibrate import FALSE_ALARM_RATE, at_rate, calibrate, check_rate, threshold_from
from adlib.experiments.held_out import fit_labels
from adlib.experiments.planning import HERE, Machine, build
from adlib.experiments.protocol import Protocol
from adlib.experiments.store import Result, ResultStore
from adlib.features.cache import TensorCache

PACKAGES = ("adlib", "torch", "timm", "numpy", "scipy", "scikit-learn", "pillow")


def package_versions() -> dict[str, str]:
    """Versions of what affects the numbers: Python and the packages that the library uses."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


def run(
    protocol: Protocol,
    dataset: Dataset,
    store: ResultStore | None = None,
    *,
    machine: Machine = HERE,
    cache: TensorCache | None = None,
    show_progress: bool = False,
    save: str | Path | None = None,
    false_alarms: float = FALSE_ALARM_RATE,
) -> Result:
    """The result of a protocol: from the store where it is there, else from a run, which is then stored.

    protocol: what to run; shots = 0 is batched zero-shot.
    dataset: the category that the protocol names.
    store: where results are read and written; None for nowhere.
    machine: weights file and device.
    cache: cache of features; None for none.
    show_progress: whether to show progress bars.
    save: file for the fitted detector. With it the run is always done, even where its result is stored.
    false_alarms: largest fraction of good images above the threshold, between 0 and 1. It is not part of the protocol,
        because threshold and decisions follow from the stored scores: a stored result is returned at the rate given.

    Raises InputError where there are too few images or an image cannot be read.
    """
    check_rate(false_alarms)
    if store is not None and save is None and (done := store.get(protocol)):
        return replace(done, row=at_rate(done.row, done.scores, false_alarms))
    dataset = label_defects(dataset, protocol.labelled, protocol.seed)
    test = dataset.test
    if not test:
        raise InputError(
            f"{dataset.name} {protocol.category} has no test images; add test/good and test/<defect>, or fit without "
            "testing by --save."
        )
    start = time.perf_counter()
    detector, references = _fit(protocol, dataset, machine, cache, show_progress)
    fitted = time.perf_counter()
    predictions = _predict(detector, references, test, cache, show_progress)
    predicted = time.perf_counter()
    calibration = calibrate(detector, dataset, references, false_alarms, cache, for_predict=save is not None)
    labels = np.array([s.label for s in test])
    row = {
        "references": [dataset.relative(s) for s in references],
        **_labels(dataset),
        "images": {"test_good": int((labels == 0).sum()), "test_defective": int((labels == 1).sum())},
        "metrics": image_metrics(labels, predictions.scores) | _pixels(protocol, detector, test, predictions, dataset),
        "calibration": calibration,
        "timings": {
            "fit_s": round(fitted - start, 3),
            "predict_s_per_image": round((predicted - fitted) / len(test), 5),
        },
        "environment": _environment(detector),
    }
    scores = pd.DataFrame(
        {
            "image": [dataset.relative(s) for s in test],
            "label": labels,
            "defect": [s.defect for s in test],
            "score": predictions.scores,
        }
    )
    result = Result(protocol, at_rate(row, scores, false_alarms), scores)
    if store is not None:
        store.put(result, predictions.grids)
    if save is not None:
        detector.save(save)
    return result


def fit_and_save(
    protocol: Protocol,
    dataset: Dataset,
    save: str | Path,
    *,
    machine: Machine = HERE,
    cache: TensorCache | None = None,
    show_progress: bool = False,
    false_alarms: float = FALSE_ALARM_RATE,
) -> dict[str, Any]:
    """Learn from good images and save the detector, where there are no test images.

    The parameters are those of `run`. Returns the entries of a result row about the threshold, without decisions.
    Raises InputError as `run` does.
    """
    check_rate(false_alarms)
    dataset = label_defects(dataset, protocol.labelled, protocol.seed)
    detector, references = _fit(protocol, dataset, machine, cache, show_progress)
    if not references:
        raise InputError("At 0 shots and without test images there is nothing to do; give shots of at least 1.")
    calibration = calibrate(detector, dataset, references, false_alarms, cache, for_predict=True)
    detector.save(save)
    return {
        "calibration": calibration,
        "threshold": threshold_from(calibration, false_alarms),
        "decisions": None,
        "images": {"test_good": 0, "test_defective": 0},
        **_labels(dataset),
    }


def _fit(
    protocol: Protocol, dataset: Dataset, machine: Machine, cache: TensorCache | None, show: bool
) -> tuple[Detector, list[Sample]]:
    """The detector of a protocol, fitted also on all labelled defects of the data set, and its references."""
    detector = build(protocol, machine)
    references = [] if protocol.shots == 0 else dataset.few_shot(protocol.shots, protocol.seed, protocol.selection)
    if references:
        detector.fit([s.path for s in references], cache, show, **fit_labels(dataset))
    return detector, references


def _labels(dataset: Dataset) -> dict[str, list[str]]:
    """The entry of a row that names the labelled defects learned from; rows without any have none."""
    names = [dataset.relative(s) for s in dataset.train_defects]
    return {"labelled": names} if names else {}


def _predict(
    detector: Detector, references: Sequence[Sample], test: Sequence[Sample], cache: TensorCache | None, show: bool
) -> Predictions:
    paths = [s.path for s in test]
    if references:
        return detector.predict(paths, cache, show)
    if not hasattr(detector, "fit_predict"):
        raise InputError(f"{detector.name} cannot score without good images (0 shots); give shots of at least 1.")
    return detector.fit_predict(paths, cache, show)


def _pixels(
    protocol: Protocol, detector: Detector, test: Sequence[Sample], predictions: Predictions, dataset: Dataset
) -> dict[str, float | None]:
    if not dataset.has_masks:
        return pixel_metrics([], None)
    network = protocol.map_frame == "network"

    def maps() -> Iterator[np.ndarray]:
        for index in range(len(test)):
            if network:
                yield predictions.network_map(index)
            else:
                # Pixels outside a centre crop have no score: they take the lowest score of the map.
                anomaly_map = predictions.anomaly_map(index)
                yield np.where(np.isnan(anomaly_map), np.nanmin(anomaly_map), anomaly_map)

    def masks() -> Iterator[np.ndarray]:
        for sample, frame in zip(test, predictions.frames, strict=True):
            height, width = frame.original
            if sample.label == 0:
                mask = np.zeros((height, width), dtype=bool)
            else:
                mask = read_mask(sample.mask, size=(width, height))
            yield detector.spec().preprocess.mask(mask, frame) if network else mask

    return pixel_metrics(maps(), masks())


def _environment(detector: Detector) -> dict[str, str]:
    return package_versions() | {
        "system": platform.system(),
        "processor": platform.machine(),
        "device": str(detector.network().device),
        "weights": detector.network().weights_source,
    }
