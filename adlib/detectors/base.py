"""The interface of every detector, as in scikit-learn: the constructor stores, `fit` learns, `predict` scores.

Chapter 06 teaches it by building a detector. A new method is one file with one subclass and one line in `registry.py`:
its parameters are dataclass fields, `_learn` learns from features, and `_score` scores the features of one image.
Reading, preprocessing, feature extraction, caching and the use of all cores are done here; parameters and saving, which
detectors of point clouds share (`btf.py`), in `learner.py`.
"""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from adlib.data.rotation import ANGLES, ROTATIONS
from adlib.detectors.learner import Learner
from adlib.errors import InputError, check_choice
from adlib.features.backbones import Backbone, load_backbone
from adlib.features.cache import TensorCache
from adlib.features.extract import FeatureSpec, ImageFeatures, extract
from adlib.features.patches import Frame, Preprocess
from adlib.parallel import one_core_each


@dataclass(frozen=True)
class Predictions:
    """Scores and patch scores of N images.

    scores: (N,) float64 image scores, higher is more anomalous.
    grids: N arrays (h, w) float32, one score per patch.
    frames: N `Frame`s, which map patches to pixels.
    sigma: standard deviation in pixels of the Gaussian that smooths a map.
    smooth_original: whether sigma is in original pixels; otherwise it is in network pixels.
    stretch_maps: whether maps in original pixels lay the patches over the whole image, see `Frame.original_map`.
    """

    scores: np.ndarray
    grids: list[np.ndarray]
    frames: list[Frame]
    sigma: float = 4.0
    smooth_original: bool = False
    stretch_maps: bool = False

    def __len__(self) -> int:
        return len(self.scores)

    def anomaly_map(self, index: int) -> np.ndarray:
        """(H, W) float32 anomaly map in ORIGINAL pixels; NaN where a centre crop hid the image."""
        return self.frames[index].original_map(self.grids[index], self.sigma, self.smooth_original, self.stretch_maps)

    def network_map(self, index: int) -> np.ndarray:
        """(h, w) float32 anomaly map in the network's frame: resized and cropped."""
        return self.frames[index].network_map(self.grids[index], self.sigma)


Scored = tuple[float, np.ndarray, Frame]  # image score, patch scores (h, w) float32, frame


@dataclass(kw_only=True, eq=False, repr=False)
class Detector(Learner, ABC):
    """Detects anomalies in images from the feature maps of a frozen backbone.

    The fields are the parameters: plain values, keyword arguments of the constructor, which only stores them.
    `fit(images)` learns from good images and returns self; names of learned attributes end in `_`; `predict(images)`
    returns `Predictions`. images: any sequence of paths, PIL images or arrays. cache: a `TensorCache` of features, or
    None. Every detector takes:

    backbone, weights, device, precision: see `load_backbone`.
    layers: names of the backbone's layers, None for the method's own choice.
    resize, aspect: see `Preprocess`.
    window: see `read_image`.
    sigma: standard deviation in pixels of the Gaussian that smooths a map.
    seed: of everything random; accepted also where nothing is random.
    """

    family: ClassVar[str]  # as the survey groups methods
    chapter: ClassVar[str]  # two digits: the chapter that teaches it
    unit: ClassVar[str] = "none: compare a score with scores of the same model"  # of the image score, in words
    smooth_original: ClassVar[bool] = False  # see `Predictions`
    interpolation: ClassVar[str] = "bilinear"
    crop: ClassVar[int | None] = None  # a field of the detectors that offer a centre crop
    rotation: ClassVar[str] = "centred"  # see `adlib.data.rotate`; a field of the detectors that rotate references
    stretch_maps: ClassVar[bool] = False  # see `Predictions`; a field where the official code stretches
    multiple: ClassVar[int] = 1  # sides of the network's input are multiples of this
    rotate = False  # a field of the detectors that rotate references; an annotation here would move it to the front

    backbone: str = "efficientnet_lite0"
    weights: str | None = None
    device: str | None = None
    precision: str = "float32"
    layers: tuple[str, ...] | None = None
    resize: int | None = 256
    aspect: str = "keep"
    window: tuple[float, float] | None = None
    sigma: float = 4.0
    seed: int = 0

    def fit(self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False) -> "Detector":
        """Learn from good images; returns self. Raises InputError for invalid parameters."""
        self._check()
        require_images(images, "fit on")
        angles = self.reference_angles
        features = self._features(images, angles, cache, show_progress, "reference features")
        self._learn(features, len(images) * len(angles), show_progress)
        return self

    def predict(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """Image scores and anomaly maps; raises InputError before `fit`."""
        self._require_fit()
        features = self._features(images, (0,), cache, show_progress, "scoring")
        return self._predictions(one_core_each(self._scored, features))

    @abstractmethod
    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Learn from the features of `views` views of good images: each image at all `reference_angles` in turn."""

    @abstractmethod
    def _score(self, features: ImageFeatures) -> tuple[Tensor | float, Tensor]:
        """Image score and patch scores (h, w) of one image. Several threads call it at a time."""

    def onnx_refusal(self) -> str:
        """Why the fitted detector cannot be exported to ONNX, a clause; empty where `_score` is plain operations."""
        return ""

    def _check(self) -> None:
        """Raise InputError for invalid parameters."""
        if self.sigma < 0:
            raise InputError(f"sigma is the width of a Gaussian in pixels, 0 for none, not {self.sigma}.")
        check_choice("rotation", self.rotation, ROTATIONS)

    @property
    def reference_angles(self) -> tuple[int, ...]:
        """Rotations in degrees at which `fit` reads every image: all eight if `rotate`, else 0 alone."""
        return ANGLES if self.rotate else (0,)

    def spec(self) -> FeatureSpec:
        """The layers and the preprocessing of the features that this detector needs."""
        multiple = math.lcm(self.network().patch_multiple, self.multiple)
        preprocess = Preprocess(self.resize, self.crop, self.aspect, self.interpolation, multiple)
        window = tuple(self.window) if self.window else None
        return FeatureSpec(self._layers(), preprocess, window, self.rotation)

    def _layers(self) -> tuple[str, ...]:
        """The layers given by the user, or the method's own choice."""
        return tuple(self.layers or self.network().default_layers)

    def _features(
        self,
        images: Sequence[Any],
        angles: Sequence[int] = (0,),
        cache: TensorCache | None = None,
        show_progress: bool = False,
        label: str = "features",
    ) -> Iterator[ImageFeatures]:
        spec = self.spec()
        return extract(self.network(), images, spec, angles, cache=cache, show_progress=show_progress, label=label)

    def _scored(self, features: ImageFeatures) -> Scored:
        score, grid = self._score(features)
        return float(score), grid.to("cpu", torch.float32).numpy(), features.frame

    def _predictions(self, scored: Iterator[Scored]) -> Predictions:
        return self.assemble(*(zip(*scored, strict=True) if (scored := list(scored)) else ((), (), ())))

    def assemble(self, scores: Sequence[float], grids: Sequence[np.ndarray], frames: Sequence[Frame]) -> Predictions:
        """`Predictions` from scores, patch scores and frames, with this detector's smoothing of maps."""
        scores = np.asarray(scores, dtype=np.float64)
        return Predictions(scores, list(grids), list(frames), self.sigma, self.smooth_original, self.stretch_maps)

    def network(self) -> Backbone:
        """The frozen backbone; detectors with the same weights share one in memory."""
        return shared_backbone(self.backbone, self.weights, self.device, self.precision)

    def learned_device(self) -> torch.device:
        """See `Learner`."""
        return self.network().device

    def weights_sha256(self) -> str | None:
        """See `Learner`."""
        return self.network().weights_sha256


def read_model(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a file that `Detector.save` wrote; InputError for any other file."""
    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {})["adlib"])
            # A copy: where a tensor begins in the file depends on the header, and sums over memory that is aligned
            # otherwise may end in another last bit.
            return header, {name: file.get_tensor(name).clone() for name in file.keys()}
    except FileNotFoundError as error:
        raise InputError(
            f"There is no model file {path}; write one with detector.save or `adlib run --save`."
        ) from error
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path} is not an adlib model or is damaged; fit the detector again and save it.") from error


def require_images(images: Sequence[Any], purpose: str) -> None:
    """Raise InputError where there are no images."""
    if len(images) == 0:
        raise InputError(f"There are no images to {purpose}; give at least one.")


def require_grid(grid: tuple[int, int], expected: tuple[int, int], name: str) -> None:
    """Raise InputError where the patches of the image `name` are not on the grid of the first reference image."""
    if grid != expected:
        raise InputError(
            f"{name} gives {grid[0]} x {grid[1]} patches and the first reference image {expected[0]} x {expected[1]}; "
            'this method compares position by position, so give images of one shape or set aspect="square".'
        )


def require_batch(images: Sequence[Any]) -> None:
    """Raise InputError where images cannot be scored against each other."""
    if len(images) < 2:
        raise InputError(f"Scoring images against each other needs at least 2; {len(images)} is too few.")


_BACKBONES: dict[tuple[Any, ...], Backbone] = {}


def shared_backbone(name: str, weights: str | None, device: str | None, precision: str) -> Backbone:
    """`load_backbone`, once per process for the same arguments."""
    key = (name, weights, device, precision)
    if key not in _BACKBONES:
        _BACKBONES[key] = load_backbone(name, weights=weights, device=device, precision=precision)
    return _BACKBONES[key]
