"""One Gaussian of good images (Rippel et al. 2021, 'Modeling the Distribution of Normal Data in Pre-Trained Deep
Features for Anomaly Detection'; chapter 04).

The means of all feature maps over the image form one vector per image. One multivariate normal is fitted to the vectors
of good images, and an image is scored by its Mahalanobis distance, the distance in standard deviations along each
direction. The paper fits a normal to each layer and sums the distances; here the layers are concatenated and share one
normal, which also models the covariance between layers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf_shrinkage
from torch import Tensor

from adlib.detectors.base import Detector
from adlib.errors import InputError
from adlib.features.extract import ImageFeatures
from adlib.features.patches import patch_vectors
from adlib.features.stages import pyramid_layers

# Fraction of the mean variance added to the diagonal: two images, or a constant channel, leave even the covariance of
# Ledoit and Wolf singular. Small, because directions of low variance reveal defects.
FLOOR = 1e-9


@dataclass(kw_only=True, eq=False, repr=False)
class Gaussian(Detector):
    """One Gaussian of whole-image features; an image is scored by its Mahalanobis distance.

    The method has no anomaly map of its own, because the mean over the image removes the position. The map here is a
    substitute: the Mahalanobis distance of each patch from ONE normal of all patches of all good images, at any
    position. Its values are not on the scale of the image score. Nothing here is random.

    layers: None for all layers in the image's vector (a ViT: its default) and the deepest layer at each of the strides
        4, 8 and 16 in the patches; otherwise the given layers, in both.
    shrinkage: fraction in [0, 1] of the covariance that is replaced by a multiple of the identity of equal trace, None
        for the choice of Ledoit & Wolf (2004). Without shrinkage, fewer images than dimensions leave it singular.
    sigma: in network pixels, of the map only.
    """

    name: ClassVar[str] = "gaussian"
    family: ClassVar[str] = "Gaussian"
    chapter: ClassVar[str] = "04"
    unit: ClassVar[str] = "Mahalanobis distance, in standard deviations"

    shrinkage: float | None = None

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Fit `mean_` (D,), `whitening_` (D, D) with `shrinkage_`, and `patch_mean_` (d,), `patch_whitening_` (d, d).

        float64. Both normals have the maximum-likelihood covariance (divided by N); the patches' has no shrinkage.
        Memory: N x D and D x D floats; patches are accumulated image by image.
        """
        vectors, moments = [], PatchMoments()
        for item in features:
            vectors.append(self._image_vector(item))
            moments.add(self._patches(item)[0])
        self.mean_, self.whitening_, self.shrinkage_ = fit_normal(torch.stack(vectors), self.shrinkage)
        self.patch_mean_, covariance = moments.finish()
        self.patch_whitening_ = whitening(covariance)

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        """Mahalanobis distances, >= 0, from the normal of the images and from that of the patches."""
        score = torch.linalg.vector_norm(self.whitening_ @ (self._image_vector(features) - self.mean_))
        patches, grid = self._patches(features)
        distances = torch.linalg.vector_norm((patches - self.patch_mean_) @ self.patch_whitening_.T, dim=1)
        return score, distances.reshape(grid)

    def _check(self) -> None:
        super()._check()
        if self.shrinkage is not None and not 0 <= self.shrinkage <= 1:
            raise InputError(f"shrinkage must be between 0 and 1, or None for Ledoit-Wolf's, not {self.shrinkage}.")

    def _layers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._image_layers(), *self._patch_layers())))

    def _image_layers(self) -> tuple[str, ...]:
        network = self.network()
        return tuple(self.layers or (network.default_layers if network.kind == "vit" else network.layers))

    def _patch_layers(self) -> tuple[str, ...]:
        return tuple(self.layers or pyramid_layers(self.network()))

    def _image_vector(self, features: ImageFeatures) -> Tensor:
        """(D,) float64: the means of all layers over the image, concatenated."""
        return torch.cat([features.maps[layer].double().mean(dim=(1, 2)) for layer in self._image_layers()])

    def _patches(self, features: ImageFeatures) -> tuple[Tensor, tuple[int, int]]:
        """(h * w, d) float64 and (h, w)."""
        vectors, grid = patch_vectors({name: features.maps[name] for name in self._patch_layers()}, neighbourhood=1)
        return vectors.double(), grid


class PatchMoments:
    """Mean and covariance of vectors that arrive in blocks.

    Blocks are merged by their means and scatters (Chan, Golub & LeVeque 1983): plain sums of squares lose the small
    variances to cancellation, and the small variances matter most.
    """

    def __init__(self) -> None:
        self.count = 0

    def add(self, vectors: Tensor) -> None:
        """One block (n, d) of vectors, float64."""
        mean = vectors.mean(0)
        centred = vectors - mean
        scatter = centred.T @ centred
        if self.count == 0:
            self.count, self.mean, self.scatter = len(vectors), mean, scatter
            return
        total, gap = self.count + len(vectors), mean - self.mean
        self.scatter += scatter + torch.outer(gap, gap) * (self.count * len(vectors) / total)
        self.mean = self.mean + gap * (len(vectors) / total)
        self.count = total

    def finish(self) -> tuple[Tensor, Tensor]:
        """Mean (d,) and covariance (d, d), divided by the number of vectors."""
        return self.mean, self.scatter / self.count


def fit_normal(vectors: Tensor, shrinkage: float | None = None) -> tuple[Tensor, Tensor, float]:
    """Fit a normal to vectors: mean (D,), whitening matrix (D, D) and shrinkage s.

    The shrunk covariance is (1 - s) S + s (tr S / D) I, where S is the covariance divided by N, as in scikit-learn.

    vectors: (N, D).
    shrinkage: s, None for the choice of Ledoit & Wolf, see `Gaussian`.
    """
    vectors = vectors.double()
    mean = vectors.mean(0)
    if shrinkage is None:
        samples = vectors.cpu().numpy()
        # One image has no covariance to shrink: the formula of Ledoit and Wolf would divide 0 by 0.
        shrinkage = float(ledoit_wolf_shrinkage(samples)) if len(np.unique(samples, axis=0)) > 1 else 0.0
    covariance = (vectors - mean).T @ (vectors - mean) / len(vectors)
    return mean, whitening(shrink(covariance, shrinkage)), shrinkage


def shrink(covariance: Tensor, shrinkage: float) -> Tensor:
    """(1 - s) S + s (tr S / D) I of a covariance S (D, D)."""
    identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    return (1 - shrinkage) * covariance + shrinkage * covariance.diagonal().mean() * identity


def whitening(covariance: Tensor) -> Tensor:
    """Inverse Cholesky factor W (D, D) of a covariance (D, D): |W (x - mean)| is the Mahalanobis distance of x.

    1e-9 of the mean variance is added to the diagonal. Where nothing varies (one image, or equal images), W is the
    identity and the distance Euclidean.
    """
    variance = covariance.diagonal().mean()
    identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    if variance <= 0:
        return identity
    factor = torch.linalg.cholesky(covariance + FLOOR * variance * identity)
    # Row-major, as loaded from a file: another memory layout would sum in another order and round differently.
    return torch.linalg.solve_triangular(factor, identity, upper=False).contiguous()
