"""SPADE (Cohen & Hoshen 2020, 'Sub-Image Anomaly Detection with Deep Pyramid Correspondences'; chapter 06).

Two searches after each other. One vector for the whole picture finds the K good pictures most like it, and how far
they are is the image score; then every patch looks for its like among the patches of these K pictures alone, and how
far that is is the pixel score.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from adlib.bank.memory import PatchBank
from adlib.bank.neighbours import nearest
from adlib.detectors.base import Detector, Predictions, as_numpy_grid, require_images
from adlib.errors import InputError
from adlib.features.cache import TensorCache
from adlib.features.extract import FeatureSpec, ImageFeatures, extract
from adlib.features.patches import Preprocess, grid_size, patch_vectors


class SPADE(Detector):
    """The nearest good pictures, and in them the nearest patches.

    layers: the pyramid whose maps are stacked into patches, coarse ones brought to the finest grid, None for the
    backbone's default. (The paper's strides are 4, 8 and 16: ask for them by name. The finer grid has four times the
    patches, and a search takes sixteen times as long.) global_layer: its mean over the picture is the picture's one
    vector, None for the deepest layer there is; resize, crop, aspect: see `Preprocess`; nearest_images: the paper's K,
    capped at the number of references; neighbours: its kappa, patch score = mean distance to so many patches;
    sigma: Gaussian of the map in network pixels. seed is taken so that every detector has one; nothing here is random.
    Distances are Euclidean.
    """

    name: ClassVar[str] = "spade"

    def __init__(
        self,
        *,
        backbone: str = "efficientnet_lite0",
        weights: str | None = None,
        device: str | None = None,
        precision: str = "float32",
        layers: tuple[str, ...] | None = None,
        global_layer: str | None = None,
        resize: int | None = 256,
        crop: int | None = None,
        aspect: str = "keep",
        window: tuple[float, float] | None = None,
        nearest_images: int = 50,
        neighbours: int = 1,
        sigma: float = 4.0,
        seed: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.device = device
        self.precision = precision
        self.layers = layers
        self.global_layer = global_layer
        self.resize = resize
        self.crop = crop
        self.aspect = aspect
        self.window = window
        self.nearest_images = nearest_images
        self.neighbours = neighbours
        self.sigma = sigma
        self.seed = seed

    def fit(self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False) -> "SPADE":
        """Keep one vector a picture, `globals_` (N, G), and all patches, `bank_` (M, D), by `offsets_`; returns self.

        Rows offsets_[i]:offsets_[i + 1] of the bank are picture i. Memory: all patches of all references, nothing is
        thinned; 200 pictures of 32 x 32 patches with 152 values take 0.12 GB. InputError where it does not fit.
        """
        for name in ("nearest_images", "neighbours"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}.")
        require_images(images, "fit on")
        patches, whole = PatchBank(len(images)), []
        for features in self._features(images, cache, show_progress, "reference features"):
            patches.append(self._vectors(features))
            whole.append(self._global(features))
        self.globals_ = torch.stack(whole)
        self.bank_ = patches.vectors()
        self.offsets_ = patches.offsets
        return self

    def predict(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """Scores and maps; raises InputError before `fit`."""
        self._require_fit("bank_")
        scores, grids, frames = [], [], []
        for features in self._features(images, cache, show_progress, "scoring"):
            count = min(self.nearest_images, len(self.globals_))
            distances, found = nearest(self._global(features)[None], self.globals_, k=count)
            gallery = self._gallery(found[0].tolist())
            to_patches, _ = nearest(self._vectors(features), gallery, k=min(self.neighbours, len(gallery)))
            scores.append(float(distances.mean()))
            grids.append(as_numpy_grid(to_patches.mean(dim=1), grid_size(self._pyramid(features))))
            frames.append(features.frame)
        return self.assemble(scores, grids, frames)

    def spec(self) -> FeatureSpec:
        """What is asked of the backbone."""
        network = self.network()
        layers = tuple(dict.fromkeys((*self._layers(), self._whole_layer())))
        preprocess = Preprocess(self.resize, self.crop, self.aspect, "bilinear", network.patch_multiple)
        return FeatureSpec(layers, preprocess, tuple(self.window) if self.window else None)

    def _layers(self) -> tuple[str, ...]:
        return tuple(self.layers or self.network().default_layers)

    def _whole_layer(self) -> str:
        return self.global_layer or self.network().layers[-1]

    def _features(self, images: Sequence[Any], cache: TensorCache | None, show_progress: bool, label: str):
        return extract(self.network(), images, self.spec(), cache=cache, show_progress=show_progress, label=label)

    def _pyramid(self, features: ImageFeatures) -> dict[str, Tensor]:
        return {layer: features.maps[layer] for layer in self._layers()}

    def _vectors(self, features: ImageFeatures) -> Tensor:
        return patch_vectors(self._pyramid(features), neighbourhood=1)[0]

    def _global(self, features: ImageFeatures) -> Tensor:
        return features.maps[self._whole_layer()].mean(dim=(1, 2))

    def _gallery(self, pictures: Sequence[int]) -> Tensor:
        """All patches of some reference pictures; the bank itself, uncopied, where that is all of them."""
        if len(pictures) == len(self.globals_):
            return self.bank_
        return torch.cat([self.bank_[self.offsets_[i] : self.offsets_[i + 1]] for i in sorted(pictures)])
