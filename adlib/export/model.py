"""An exported detector, run by ONNX Runtime, with the interface that `adlib predict` needs of a detector."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from adlib.data.images import image_name, read_image
from adlib.detectors.base import Detector, Predictions, require_images
from adlib.detectors.registry import load_detector
from adlib.errors import InputError
from adlib.export.describe import KEY, parsed
from adlib.export.graph import INPUT
from adlib.export.resize import PICTURE
from adlib.features.extract import FeatureSpec
from adlib.features.patches import Frame, Preprocess


class OnnxModel:
    """A detector in an ONNX file that `export_onnx` wrote.

    content: the file's content.
    name: the file's name, for messages.
    Raises InputError where onnxruntime is missing, and for a file that is damaged, foreign or of another format.
    """

    runtime: ClassVar[str] = "ONNX Runtime"

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
        self._resizes = self.description["input"]["name"] == PICTURE

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
            fed, frame = self._fed(read_image(image, self.window))
            try:
                score, grid = self._compute(fed)
            except Exception as error:  # its own classes, as above
                reason = " ".join(str(error).split())[:200]
                raise InputError(
                    f"{self.runtime} cannot score {image_name(image)} with this graph ({reason})."
                ) from error
            yield float(score[0]), grid[0], frame

    def _fed(self, image: Image.Image) -> tuple[dict[str, np.ndarray], Frame]:
        """The graph's input, and the part of the image that it shows."""
        if self._resizes:
            return {PICTURE: np.asarray(image)}, self._spec.preprocess.frame(image.height, image.width)
        pixels, frame = self._spec.preprocess(image)
        return {INPUT: pixels.numpy()[None]}, frame

    def _compute(self, fed: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Image score (1,) and patch scores (1, rows, columns)."""
        return tuple(self._session.run(None, fed))


class OpenVinoModel(OnnxModel):
    """The same file, computed by OpenVINO in float32. Parameters and errors: see `OnnxModel`."""

    runtime: ClassVar[str] = "OpenVINO"

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content, name)
        self._content = content

    @cached_property
    def _compiled(self) -> Any:
        import openvino

        core = openvino.Core()
        # Left alone, OpenVINO computes in bfloat16 where the processor can.
        return core.compile_model(core.read_model(self._content), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def _compute(self, fed: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        return tuple(self._compiled(fed).to_tuple())


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
