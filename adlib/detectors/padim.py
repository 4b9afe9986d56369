"""PaDiM (Defard et al. 2021, 'PaDiM: a Patch Distribution Modeling Framework'; chapter 06).

Every position of the patch grid has its own Gaussian, fitted to the features of the good images at that position. A
patch is scored by its Mahalanobis distance from the Gaussian of ITS position, the distance in standard deviations along
each direction. Fast and small, but the part must be at the same position in all images.

Layers are joined as in the paper (sec. 3.1): a patch takes from each layer the activation vector at its place, so the
cells of the finest grid below one coarse cell share that cell's vector. Rows and models of before this was a parameter
interpolated the coarser maps bilinearly (`join="interpolate"`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adlib.bank.memory import PatchBank, check_memory
from adlib.detectors.base import Detector, require_grid
from adlib.errors import InputError, check_choice
from adlib.features.extract import ImageFeatures
from adlib.features.patches import JOINS, patch_vectors
from adlib.features.stages import pyramid_layers
from adlib.growth import Growth

EPSILON = 0.01  # on the diagonal of every covariance, as in the paper: fewer images than channels leave it singular
CHUNK = 256  # positions fitted at once: 256 covariances of 100 x 100 in float64 take 20 MB


@dataclass(kw_only=True, eq=False, repr=False)
class PaDiM(Detector):
    """A Gaussian of features at each grid position; a patch is scored by its Mahalanobis distance.

    All images must give one grid, so aspect is "square" by default. Image score: the maximum of the smoothed map.

    layers: None for the deepest layer at each of the strides 4, 8 and 16 (a ViT: its default).
    crop: see `Preprocess`.
    dims: number of randomly chosen channels, at most those of the layers.
    join: "repeat" or "interpolate", how a coarser layer is brought to the finest grid; see `patch_vectors`.
    sigma: in network pixels.
    seed: of the choice of channels.
    """

    name: ClassVar[str] = "padim"
    family: ClassVar[str] = "memory bank"
    chapter: ClassVar[str] = "06"
    unit: ClassVar[str] = "Mahalanobis distance, in standard deviations, smoothed"
    growth: ClassVar[Growth] = Detector.growth | Growth(added={"join": "interpolate"})

    aspect: str = "square"
    crop: int | None = None
    dims: int = 100
    join: str = "repeat"

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Fit `mean_` (P, d) and `whitening_` (P, d, d) of the P positions of `grid_` on `channels_`.

        Memory: N x P x d floats while fitting, P x d x d floats to keep. Both are predicted; InputError says what to
        do where they do not fit.
        """
        patches, grid, channels = PatchBank(views), None, None
        for item in features:
            vectors, size = self._vectors(item)
            if grid is None:
                grid, channels = size, self._choose_channels(vectors)
                _check_memory(len(vectors), len(channels), vectors)
            require_grid(size, grid, item.name)
            patches.append(vectors[:, channels])
        samples = patches.vectors().reshape(views, -1, len(channels))
        self.whitening_ = torch.cat([whitening(part) for part in samples.split(CHUNK, dim=1)])
        self.mean_ = samples.mean(0)
        self.grid_, self.channels_ = list(grid), channels

    def _score(self, features: ImageFeatures) -> tuple[float, Tensor]:
        """Patch scores are Mahalanobis distances, >= 0. Raises InputError if the grid differs from the references'."""
        vectors, grid = self._vectors(features)
        require_grid(grid, tuple(self.grid_), features.name)
        deviations = vectors[:, self.channels_] - self.mean_
        distances = torch.linalg.vector_norm(torch.bmm(self.whitening_, deviations[:, :, None])[:, :, 0], dim=1)
        distances = distances.reshape(grid)
        return features.frame.highest(distances, self.sigma), distances

    def _check(self) -> None:
        super()._check()
        check_choice("join", self.join, JOINS)
        if self.dims < 1:
            raise InputError(f"dims is the number of channels to keep, at least 1, not {self.dims}.")

    def _layers(self) -> tuple[str, ...]:
        return tuple(self.layers or pyramid_layers(self.network()))

    def _vectors(self, features: ImageFeatures) -> tuple[Tensor, tuple[int, int]]:
        return patch_vectors(features.maps, neighbourhood=1, join=self.join)

    def _choose_channels(self, vectors: Tensor) -> Tensor:
        order = torch.randperm(vectors.shape[1], generator=torch.Generator().manual_seed(self.seed))
        return order[: self.dims].sort().values.to(vectors.device)


def whitening(samples: Tensor) -> Tensor:
    """Inverse Cholesky factors W of the covariances: |W (x - mean)| is the Mahalanobis distance of x.

    The covariance is the unbiased estimate, 0 where N is 1, plus 0.01 on the diagonal.

    samples: (N, P, d), N features at each of P positions.
    Returns (P, d, d) of the samples' dtype, computed in float64.
    """
    centred = (samples.double() - samples.double().mean(0)).transpose(0, 1)
    covariance = centred.mT @ centred / max(len(samples) - 1, 1)
    identity = torch.eye(samples.shape[2], dtype=torch.float64, device=samples.device)
    factor = torch.linalg.cholesky(covariance + EPSILON * identity)
    return torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False).to(samples.dtype)


def _check_memory(positions: int, dims: int, like: Tensor) -> None:
    needed = positions * dims**2 * like.element_size()
    what = f"{positions:,} Gaussians over {dims} channels"
    check_memory(needed, what, "choose fewer dims, a smaller resize or coarser layers", like.device)
