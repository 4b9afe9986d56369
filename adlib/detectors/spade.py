"""SPADE (Cohen & Hoshen 2020, 'Sub-Image Anomaly Detection with Deep Pyramid Correspondences'; chapter 06).

Two searches. One vector per image finds the K nearest good images, and their mean distance is the image score; then
every patch is compared with the patches of these K images only, and its distance to the nearest is the patch score.

Distances: the paper's equations square them; here they are Euclidean, as in the re-implementation that many use
(byungjae89/SPADE-pytorch). That code takes K = 5 instead of 50, and searches each layer alone and averages the layers'
maps, where the paper and this file join the layers to one vector and search once. We know of no code by the authors.
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
    """Finds the nearest good images, then scores each patch by its nearest patch in these images.

    Nothing here is random. Distances are Euclidean.

    layers: the pyramid whose maps are concatenated into patch vectors on the finest grid, None for the backbone's
        default. The paper's strides are 4, 8 and 16: name such layers for them. The finer grid has four times the
        patches, and a search takes sixteen times as long.
    crop: see `Preprocess`.
    global_layer: its mean over the image is the image's vector, None for the deepest layer.
    nearest_images: the paper's K, at most the number of references.
    neighbours: the paper's kappa, patch score = mean distance to the nearest `neighbours` patches.
    sigma: in network pixels.
    """

    name: ClassVar[str] = "spade"
    family: ClassVar[str] = "memory bank"
    chapter: ClassVar[str] = "06"
    unit: ClassVar[str] = "distance between features of whole images; patches: between theirs"

    crop: int | None = None
    global_layer: str | None = None
    nearest_images: int = 50
    neighbours: int = 1

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Keep one vector per image, `globals_` (N, G), and all patches, `bank_` (M, D), with their `offsets_`.

        Rows offsets_[i]:offsets_[i + 1] of the bank are image i. Memory: all patches of all references, without a
        coreset; 200 images of 32 x 32 patches with 152 values take 0.12 GB. InputError where it does not fit.
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
        distances, images = nearest(self._global(features)[None], self.globals_, k=count)
        gallery = self._gallery(images[0].tolist())
        to_patches, _ = nearest(self._vectors(features), gallery, k=min(self.neighbours, len(gallery)))
        return distances.mean(), to_patches.mean(dim=1).reshape(grid_size(self._pyramid(features)))

    def _check(self) -> None:
        super()._check()
        for name in ("nearest_images", "neighbours"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}.")

    def onnx_refusal(self) -> str:
        """See `Detector.onnx_refusal`."""
        if self.nearest_images < len(self.globals_):
            return "which references it searches depends on the image; fit it with nearest_images as large as the shots"
        return ""

    def spec(self) -> FeatureSpec:
        """The layers and the preprocessing: the pyramid and the layer of the whole image."""
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

    def _gallery(self, images: Sequence[int]) -> Tensor:
        """All patches of the reference images with these indices; the bank itself, not a copy, for all images."""
        if len(images) == len(self.globals_):
            return self.bank_
        return torch.cat([self.bank_[self.offsets_[i] : self.offsets_[i + 1]] for i in sorted(images)])
