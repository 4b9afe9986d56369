"""The contract of every detector, after scikit-learn's: `__init__` stores, `fit` learns, `predict` scores.

Chapter 06 teaches it by building one. A new method is one file with one subclass and one line in `registry.py`.
"""

import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_bytes
from torch import Tensor

from adlib import __version__
from adlib.errors import InputError
from adlib.features.backbones import Backbone, load_backbone
from adlib.features.cache import TensorCache
from adlib.features.patches import Frame
from adlib.files import atomic_write


@dataclass(frozen=True)
class Predictions:
    """What a detector says of N pictures.

    scores: (N,) float64 image scores, higher is more anomalous. grids: N arrays (h, w) float32, a score a patch.
    frames: N `Frame`s, which lead from patches to pixels. sigma: pixels of the Gaussian that smooths a map, counted
    in original pixels where smooth_original, else in the network's.
    """

    scores: np.ndarray
    grids: list[np.ndarray]
    frames: list[Frame]
    sigma: float = 4.0
    smooth_original: bool = False

    def __len__(self) -> int:
        return len(self.scores)

    def anomaly_map(self, index: int) -> np.ndarray:
        """(H, W) float32 anomaly map in ORIGINAL pixels; NaN where a centre crop hid the picture."""
        return self.frames[index].original_map(self.grids[index], self.sigma, self.smooth_original)

    def network_map(self, index: int) -> np.ndarray:
        """(h, w) float32 anomaly map in the network's frame: resized and cropped."""
        return self.frames[index].network_map(self.grids[index], self.sigma)


class Detector(ABC):
    """A detector of anomalies in pictures.

    `__init__` takes keyword arguments of plain values alone and stores each under its own name; `fit(images)`
    learns from good pictures and returns self; what it learned ends in `_`; `predict(images)` gives `Predictions`.
    images: any sequence of paths, PIL pictures or arrays. cache: a `TensorCache` of features, or None.
    """

    name: ClassVar[str]
    smooth_original: ClassVar[bool] = False  # see `Predictions`

    # Every detector on a frozen backbone takes these three.
    backbone: str
    weights: str | None
    device: str | None
    precision: str
    sigma: float

    @abstractmethod
    def fit(self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False) -> "Detector":
        """Learn from good pictures; returns self."""

    @abstractmethod
    def predict(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """Image scores and anomaly maps; raises InputError before `fit`."""

    @classmethod
    def parameter_defaults(cls) -> dict[str, Any]:
        """Name -> default of every constructor argument."""
        return {p.name: p.default for p in inspect.signature(cls.__init__).parameters.values() if p.name != "self"}

    def parameters(self) -> dict[str, Any]:
        """Name -> value of every constructor argument."""
        return {name: getattr(self, name) for name in self.parameter_defaults()}

    def assemble(self, scores: Sequence[float], grids: Sequence[np.ndarray], frames: Sequence[Frame]) -> Predictions:
        """Scores, patch scores and frames as this detector's `Predictions`, with its own smoothing of maps."""
        scores = np.asarray(scores, dtype=np.float64)
        return Predictions(scores, list(grids), list(frames), sigma=self.sigma, smooth_original=self.smooth_original)

    def network(self) -> Backbone:
        """The frozen backbone; detectors with the same weights share one in memory."""
        return _shared_backbone(self.backbone, self.weights, self.device, self.precision)

    def save(self, path: str | Path) -> None:
        """Write one safetensors file: learned tensors, and in its header the parameters and learned plain values.

        The backbone's weights are not in it, only their sha256.
        """
        learned = {k: v for k, v in vars(self).items() if k.endswith("_")}
        if not learned:
            raise InputError(f"This {self.name} detector has learned nothing yet; call fit(images) before save.")
        tensors = {k: v.detach().cpu().contiguous() for k, v in learned.items() if isinstance(v, Tensor)}
        header = {
            "detector": self.name,
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

    def _require_fit(self, attribute: str) -> None:
        if not hasattr(self, attribute):
            raise InputError(f"This {self.name} detector has learned nothing yet; call fit(images) before predict.")


def read_model(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a file that `Detector.save` wrote; InputError where it is none."""
    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {})["adlib"])
            return header, {name: file.get_tensor(name) for name in file.keys()}
    except FileNotFoundError as error:
        raise InputError(
            f"There is no model file {path}; write one with detector.save or `adlib run --save`."
        ) from error
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path} is no adlib model or is damaged; fit the detector again and save it.") from error


def require_images(images: Sequence[Any], purpose: str) -> None:
    """InputError where there is not one picture."""
    if len(images) == 0:
        raise InputError(f"There are no images to {purpose}; give at least one.")


_BACKBONES: dict[tuple[Any, ...], Backbone] = {}


def _shared_backbone(name: str, weights: str | None, device: str | None, precision: str) -> Backbone:
    key = (name, weights, device, precision)
    if key not in _BACKBONES:
        _BACKBONES[key] = load_backbone(name, weights=weights, device=device, precision=precision)
    return _BACKBONES[key]


def as_numpy_grid(distances: Tensor, grid: tuple[int, int]) -> np.ndarray:
    """Patch distances (h * w,) -> (h, w) float32 array."""
    return distances.reshape(grid).to("cpu", torch.float32).numpy()
