"""The interface of every detector, as in scikit-learn: the constructor stores, `fit` learns, `predict` scores.

Chapter 06 teaches it by building a detector. A new method is one file with one subclass and one line in `registry.py`:
its parameters are dataclass fields, `_learn` learns from features, and `_score` scores the features of one image.
Reading, preprocessing, feature extraction, caching, saving and the use of all cores are done here.
"""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_bytes
from torch import Tensor

from adlib import __version__
from adlib.data.rotation import ANGLES, ROTATIONS
from adlib.detectors.labelled import LabelledFeatures, labelled, paired
from adlib.errors import InputError, check_choice
from adlib.features.backbones import Backbone, load_backbone
from adlib.features.cache import TensorCache
from adlib.features.extract import FeatureSpec, ImageFeatures, extract
from adlib.features.patches import Frame, Preprocess
from adlib.files import atomic_write
from adlib.growth import Growth
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
class Detector(ABC):
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

    name: ClassVar[str]
    family: ClassVar[str]  # as the survey groups methods
    chapter: ClassVar[str]  # two digits: the chapter that teaches it
    revision: ClassVar[int] = 0  # raised whenever the same parameters give different numbers
    unit: ClassVar[str] = "none: compare a score with scores of the same model"  # of the image score, in words
    growth: ClassVar[Growth] = Growth()  # parameters added or renamed later: `growth = Detector.growth | Growth(...)`
    smooth_original: ClassVar[bool] = False  # see `Predictions`
    interpolation: ClassVar[str] = "bilinear"
    learns_defects: ClassVar[bool] = False  # whether `fit` takes labelled defects
    needs_defects: ClassVar[bool] = False  # whether `fit` needs at least one
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

    def __repr__(self) -> str:
        """The parameters that differ from the defaults, as code: PatchCore(resize=448)."""
        defaults = self.parameter_defaults()
        changed = [f"{name}={value!r}" for name, value in self.parameters().items() if value != defaults[name]]
        return f"{type(self).__name__}({', '.join(changed)})"

    def fit(
        self,
        images: Sequence[Any],
        cache: TensorCache | None = None,
        show_progress: bool = False,
        *,
        defects: Sequence[Any] = (),
        masks: Sequence[Any] = (),
    ) -> "Detector":
        """Learn from good images, and from labelled defects where the method does; returns self.

        defects: images that are known to be defective.
        masks: the mask of each defect, a path or an array (H, W), nonzero on the defect, or None; () where there are
            none.
        Raises InputError for invalid parameters, and for defects where the method learns from good images alone.
        """
        self._check()
        require_images(images, "fit on")
        self.check_defects(len(defects))
        angles = self.reference_angles
        features = self._features(images, angles, cache, show_progress, "reference features")
        labels = {"defects": self._labelled(defects, masks, cache, show_progress)} if self.learns_defects else {}
        self._learn(features, len(images) * len(angles), show_progress, **labels)
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
        """Learn from the features of `views` views of good images: each image at all `reference_angles` in turn.

        Where `learns_defects`, it also takes `defects`, a list of `LabelledFeatures`.
        """

    @abstractmethod
    def _score(self, features: ImageFeatures) -> tuple[Tensor | float, Tensor]:
        """Image score and patch scores (h, w) of one image. Several threads call it at a time."""

    def onnx_refusal(self) -> str:
        """Why the fitted detector cannot be exported to ONNX, a clause; empty where `_score` is plain operations."""
        return ""

    def learned_tensors(self) -> list[Tensor]:
        """What `save` would write, without plain values; [] before `fit`."""
        return [value for value in self._learned().values() if isinstance(value, Tensor)]

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

    @classmethod
    def check_defects(cls, count: int) -> None:
        """Raise InputError where the method cannot learn from `count` labelled defects."""
        if count and not cls.learns_defects:
            raise InputError(f"{cls.name} learns from good images alone; leave out the labelled defects (--labelled).")
        if cls.needs_defects and not count:
            raise InputError(f"{cls.name} needs labelled defects to learn from; give at least one (--labelled 1).")

    def _labelled(
        self, defects: Sequence[Any], masks: Sequence[Any], cache: TensorCache | None, show_progress: bool
    ) -> list[LabelledFeatures]:
        features = self._features(defects, (0,), cache, show_progress, "defect features")
        return [labelled(item, mask) for item, mask in zip(features, paired(defects, masks), strict=True)]

    def _scored(self, features: ImageFeatures) -> Scored:
        score, grid = self._score(features)
        return float(score), grid.to("cpu", torch.float32).numpy(), features.frame

    def _predictions(self, scored: Iterator[Scored]) -> Predictions:
        return self.assemble(*(zip(*scored, strict=True) if (scored := list(scored)) else ((), (), ())))

    @classmethod
    def parameter_defaults(cls) -> dict[str, Any]:
        """Name -> default of every constructor argument."""
        return {field.name: field.default for field in fields(cls)}

    @classmethod
    def check_names(cls, parameters: Mapping[str, Any]) -> None:
        """Raise InputError for a parameter that this method does not take."""
        names = cls.parameter_defaults()
        if unknown := sorted(set(parameters) - set(names)):
            raise InputError(f"{cls.name} takes no parameter {unknown[0]!r}; it takes {', '.join(names)}.")

    @classmethod
    def complete(cls, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Name -> value of every constructor argument, given or default. Raises InputError for an unknown parameter."""
        cls.check_names(parameters)
        return {**cls.parameter_defaults(), **parameters}

    def parameters(self) -> dict[str, Any]:
        """Name -> value of every constructor argument."""
        return {name: getattr(self, name) for name in self.parameter_defaults()}

    def assemble(self, scores: Sequence[float], grids: Sequence[np.ndarray], frames: Sequence[Frame]) -> Predictions:
        """`Predictions` from scores, patch scores and frames, with this detector's smoothing of maps."""
        scores = np.asarray(scores, dtype=np.float64)
        return Predictions(scores, list(grids), list(frames), self.sigma, self.smooth_original, self.stretch_maps)

    def network(self) -> Backbone:
        """The frozen backbone; detectors with the same weights share one in memory."""
        return _shared_backbone(self.backbone, self.weights, self.device, self.precision)

    def save(self, path: str | Path) -> None:
        """Write one safetensors file: learned tensors, with parameters and learned plain values in the header.

        Of the backbone's weights it holds only the sha256. Raises InputError before `fit`.
        """
        self._require_fit("save")
        learned = self._learned()
        tensors = {k: v.detach().cpu().contiguous() for k, v in learned.items() if isinstance(v, Tensor)}
        header = {
            "detector": self.name,
            "revision": self.revision,
            "adlib": __version__,
            "parameters": self.parameters(),
            "learned": {k: v for k, v in learned.items() if k not in tensors},
            "weights_sha256": self.network().weights_sha256,
        }
        with atomic_write(path, "wb") as file:
            file.write(save_bytes(tensors, {"adlib": json.dumps(header, allow_nan=False)}))

    def _restore(self, tensors: dict[str, Tensor], learned: dict[str, Any]) -> None:
        device = self.network().device
        for name, value in (tensors | learned).items():
            setattr(self, name, value.to(device) if isinstance(value, Tensor) else value)

    def _learned(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name.endswith("_")}

    def _require_fit(self, purpose: str = "predict") -> None:
        if not self._learned():
            raise InputError(f"This {self.name} detector has learned nothing yet; call fit(images) before {purpose}.")


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


def _shared_backbone(name: str, weights: str | None, device: str | None, precision: str) -> Backbone:
    key = (name, weights, device, precision)
    if key not in _BACKBONES:
        _BACKBONES[key] = load_backbone(name, weights=weights, device=device, precision=precision)
    return _BACKBONES[key]
