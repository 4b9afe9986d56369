"""SPADE (Cohen & Hoshen 2020, 'Sub-Image Anomaly Detection with Deep Pyramid Correspondences'; chapter 06).

Two searches after each other. One vector for the whole picture finds the K good pictures most like it, and how far
they are is the image score; then every patch looks for its like among the patches of these K pictures alone, and how
far that is is the pixel score.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from adlib.bank.memory import PatchBank
from adlib.bank.neighbours import nearest
from adlib.detectors.base import Detector
from adlib.errors import InputError
from adlib.features.extract import FeatureSpec, ImageFeatures
from adlib.features.patches import grid_size, patch_vectors


@dataclass(kw_only=True, eq=False, repr=False)
class SPADE(Detector):
    """The nearest good pictures, and in them the nearest patches.

    layers: the pyramid whose maps are stacked into patches, coarse ones brought to the finest grid, None for the
    backbone's default. (The paper's strides are 4, 8 and 16: ask for them by name. The finer grid has four times the
    patches, and a search takes sixteen times as long.) global_layer: its mean over the picture is the picture's one
    vector, None for the deepest layer there is; crop: see `Preprocess`; nearest_images: the paper's K, capped at the
    number of references; neighbours: its kappa, patch score = mean distance to so many patches; sigma: in network
    pixels. Nothing here is random. Distances are Euclidean.
    """

    name: ClassVar[str] = "spade"
    family: ClassVar[str] = "memory bank"
    chapter: ClassVar[str] = "06"

    crop: int | None = None
    global_layer: str | None = None
    nearest_images: int = 50
    neighbours: int = 1

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Keep one vector a picture, `globals_` (N, G), and all patches, `bank_` (M, D), by `offsets_`.

        Rows offsets_[i]:offsets_[i + 1] of the bank are picture i. Memory: all patches of all references, nothing is
        thinned; 200 pictures of 32 x 32 patches with 152 values take 0.12 GB. InputError where it does not fit.
        """
        patches, whole = PatchBank(views), []
        for item in features:
            patches.append(self._vectors(item))
            whole.append(self._global(item))
        self.globals_ = torch.stack(whole)
        self.bank_ = patches.vectors()
        self.offsets_ = patches.offsets

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        count = min(self.nearest_images, len(self.globals_))
        distances, found = nearest(self._global(features)[None], self.globals_, k=count)
        gallery = self._gallery(found[0].tolist())
        to_patches, _ = nearest(self._vectors(features), gallery, k=min(self.neighbours, len(gallery)))
        return distances.mean(), to_patches.mean(dim=1).reshape(grid_size(self._pyramid(features)))

    def _check(self) -> None:
        super()._check()
        for name in ("nearest_images", "neighbours"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}.")

    def spec(self) -> FeatureSpec:
        """What is asked of the backbone: the pyramid and the layer of the whole picture."""
        spec = super().spec()
        return replace(spec, layers=tuple(dict.fromkeys((*spec.layers, self._whole_layer()))))

    def _whole_layer(self) -> str:
        return self.global_layer or self.network().layers[-1]

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
