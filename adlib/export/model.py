"""An exported detector, run by ONNX Runtime, with the interface that `adlib predict` needs of a detector."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adlib.data.images import image_name, read_image
from adlib.detectors.base import Detector, Predictions, require_images
from adlib.detectors.registry import load_detector
from adlib.errors import InputError
from adlib.export.describe import KEY, parsed
from adlib.export.graph import INPUT
from adlib.features.extract import FeatureSpec
from adlib.features.patches import Frame, Preprocess


class OnnxModel:
    """A detector in an ONNX file that `export_onnx` wrote.

    content: the file's content.
    name: the file's name, for messages.
    Raises InputError where onnxruntime is missing, and for a file that is damaged, foreign or of another format.
    """

    def __init__(self, content: bytes, name: str) -> None:
        runtime = onnx_runtime()
        try:
            self._session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has a class for every kind of damage
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"ONNX Runtime cannot load {name} ({reason}); export the model again.") from error
        self.description = parsed(self._session.get_modelmeta().custom_metadata_map.get(KEY), name)
        self.calibration_ = self.description["calibration"]
        how = dict(self.description["preprocess"])
        window = how.pop("window")
        self.window = tuple(window) if window else None
        self._spec = FeatureSpec((), Preprocess(**how), self.window)

    def spec(self) -> FeatureSpec:
        """The preprocessing, without layers."""
        return self._spec

    def predict(self, images: Sequence[Any]) -> Predictions:
        """As `Detector.predict`."""
        require_images(images, "predict")
        scores, grids, frames = zip(*self._scored(images), strict=True)
        shown = self.description["map"]
        original = shown["sigma_in"] == "original pixels"
        scores = np.asarray(scores, dtype=np.float64)
        return Predictions(scores, list(grids), list(frames), shown["sigma"], original, shown["stretch"])

    def _scored(self, images: Sequence[Any]) -> Iterator[tuple[float, np.ndarray, Frame]]:
        for image in images:
            pixels, frame = self._spec.preprocess(read_image(image, self.window))
            score, grid = self._run(pixels.numpy()[None], image_name(image))
            yield float(score[0]), grid[0], frame

    def _run(self, pixels: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
        try:
            return tuple(self._session.run(None, {INPUT: pixels}))
        except Exception as error:  # its own classes, as above
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"ONNX Runtime cannot score {name} of {pixels.shape} with this graph ({reason})."
            ) from error


def load_model(path: str | Path, weights: str | None = None, device: str | None = None) -> Detector | OnnxModel:
    """A saved detector, or an exported one where the file's name ends in .onnx.

    path: the file.
    weights, device: see `load_detector`; an exported model holds its weights and runs on the CPU.
    Raises InputError as `load_detector` and `OnnxModel` do.
    """
    if Path(path).suffix.lower() != ".onnx":
        return load_detector(str(path), weights, device)
    if weights is not None or device not in (None, "cpu"):
        raise InputError(f"{path} holds its own weights and runs on the CPU; leave out --weights and --device.")
    try:
        return OnnxModel(Path(path).read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"Cannot read the model {path}: {error.strerror}; check the path.") from error


def onnx_runtime() -> Any:
    """The module onnxruntime, or InputError where it is not installed."""
    try:
        import onnxruntime  # an extra: nothing but exported models needs it
    except ImportError as error:
        raise InputError("ONNX models need the package onnxruntime; run pip install 'adlib[onnx]'.") from error
    onnxruntime.set_default_logger_severity(4)  # what fails is raised, too
    return onnxruntime
