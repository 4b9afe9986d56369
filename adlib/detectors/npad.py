"""N-pad (Jang, Hwang & Park 2023, 'N-pad: Neighboring Pixel-based Industrial Anomaly Detection'; chapter 17).

Each position of the patch grid is judged by the good vectors of its NEIGHBOURHOOD alone: the positions at most `radius`
rows and columns away, in all good images. Radius 0 is the same position, as in PaDiM; the whole grid is PatchCore.

The facts are those of the paper's abstract: distributions from neighbouring features, Mahalanobis distances; centroids
of clusters of good features, Euclidean distances. Where this file differs: either of the two scores, not both; all
vectors of the neighbourhood in place of centroids, so that the whole grid is PatchCore without a coreset.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adlib.bank.memory import PatchBank
from adlib.bank.neighbours import nearest
from adlib.detectors.base import Detector, require_grid
from adlib.detectors.padim import EPSILON
from adlib.detectors.scores import top_share_mean
from adlib.errors import InputError, check_choice
from adlib.features.extract import ImageFeatures
from adlib.features.patches import patch_vectors

MODELS = ("nearest", "gaussian")


@dataclass(kw_only=True, eq=False, repr=False)
class NPad(Detector):
    """Scores a patch by the good vectors of its neighbourhood: the nearest of them, or their Gaussian.

    All images must give one grid, so aspect is "square" by default.

    model: "nearest" scores the Euclidean distance to the nearest vector, "gaussian" the Mahalanobis distance.
    radius: of the neighbourhood, in patches, cut at the border; None for the whole grid.
    neighbourhood: odd side of the window over which features are averaged, as in PatchCore.
    dims: number of randomly chosen channels of the Gaussian, as in PaDiM.
    top_share: image score = mean of the highest patch scores, this fraction of all, 0 for the maximum.
    sigma: in network pixels, of the map only.
    seed: of the choice of channels.
    """

    name: ClassVar[str] = "npad"
    family: ClassVar[str] = "memory bank"
    chapter: ClassVar[str] = "17"
    unit: ClassVar[str] = "distance between features; with a Gaussian in standard deviations"

    aspect: str = "square"
    model: str = "nearest"
    radius: int | None = 1
    neighbourhood: int = 3
    dims: int = 100
    top_share: float = 0.0

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Fill `bank_` (N, h, w, D), all patches; or fit `mean_` (P, d) and `whitening_` (P, d, d) on `channels_`."""
        patches, grid = PatchBank(views), None
        for item in features:
            vectors, size = self._vectors(item)
            grid = grid or size
            require_grid(size, grid, item.name)
            patches.append(vectors)
        bank = patches.vectors().reshape(views, *grid, -1)
        self.grid_ = list(grid)
        if self.model == "nearest":
            self.bank_ = bank
            return
        order = torch.randperm(bank.shape[-1], generator=torch.Generator().manual_seed(self.seed))
        self.channels_ = order[: self.dims].sort().values.to(bank.device)
        mean, covariance = window_moments(bank[..., self.channels_], self._reach())
        identity = torch.eye(len(self.channels_), dtype=covariance.dtype, device=covariance.device)
        factor = torch.linalg.cholesky(covariance + EPSILON * identity)
        whitening = torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)
        self.mean_, self.whitening_ = mean.flatten(0, 1).float(), whitening.flatten(0, 1).float().contiguous()

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        vectors, grid = self._vectors(features)
        require_grid(grid, tuple(self.grid_), features.name)
        if self.model == "gaussian":
            deviations = (vectors[:, self.channels_] - self.mean_)[:, :, None]
            scores = torch.linalg.vector_norm(torch.bmm(self.whitening_, deviations)[:, :, 0], dim=1)
        elif self.radius is None:
            scores = nearest(vectors, self.bank_.flatten(0, 2))[0][:, 0]
        else:
            scores = window_squared_distances(vectors.reshape(*grid, -1), self.bank_, self._reach()).sqrt().flatten()
        return top_share_mean(scores, self.top_share), scores.reshape(grid)

    def onnx_refusal(self) -> str:
        """See `Detector.onnx_refusal`."""
        if self.model == "nearest" and self.radius is not None:
            return 'a graph would hold the search of each offset of its window; take model="gaussian" or radius=None'
        return ""

    def _check(self) -> None:
        super()._check()
        check_choice("model", self.model, MODELS)
        if self.radius is not None and self.radius < 0:
            raise InputError(f"radius counts patches: 0 or more, or None for the whole grid, not {self.radius}.")
        if self.dims < 1:
            raise InputError(f"dims is the number of channels to keep, at least 1, not {self.dims}.")

    def _reach(self) -> int:
        return max(self.grid_) if self.radius is None else min(self.radius, max(self.grid_))

    def _vectors(self, features: ImageFeatures) -> tuple[Tensor, tuple[int, int]]:
        return patch_vectors(features.maps, self.neighbourhood)


def window_squared_distances(queries: Tensor, bank: Tensor, radius: int) -> Tensor:
    """(h, w) squared distance of each query to the nearest bank vector at most `radius` rows and columns away.

    queries: (h, w, D).
    bank: (N, h, w, D).
    """
    height, width, _ = queries.shape
    best = queries.new_full((height, width), torch.inf)
    for down in range(-radius, radius + 1):
        rows, bank_rows = _overlap(height, down)
        for right in range(-radius, radius + 1):
            columns, bank_columns = _overlap(width, right)
            gaps = queries[rows, columns] - bank[:, bank_rows, bank_columns]
            found = gaps.square_().sum(dim=-1).amin(dim=0)
            best[rows, columns] = torch.minimum(best[rows, columns], found)
    return best


def _overlap(size: int, offset: int) -> tuple[slice, slice]:
    """Positions that have a partner `offset` further on, and these partners."""
    first, last = max(0, -offset), max(0, min(size, size - offset))
    return slice(first, max(first, last)), slice(first + offset, max(first, last) + offset)


def window_moments(bank: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """Mean (h, w, d) and unbiased covariance (h, w, d, d), float64, of the bank's vectors around each position.

    bank: (N, h, w, d). One vector alone has covariance 0.
    """
    count = window_sums(torch.full(bank.shape[1:3], float(len(bank)), dtype=torch.float64, device=bank.device), radius)
    centre = bank.double().mean(dim=(0, 1, 2))
    vectors = bank.double() - centre  # near the origin differences of sums are exact
    mean = window_sums(vectors.sum(dim=0), radius) / count[..., None]
    products = window_sums(torch.einsum("nhwi,nhwj->hwij", vectors, vectors), radius) / count[..., None, None]
    covariance = products - mean[..., :, None] * mean[..., None, :]
    return mean + centre, covariance * (count / (count - 1).clamp_min(1))[..., None, None]


def window_sums(values: Tensor, radius: int) -> Tensor:
    """Sums of values (h, w, ...) over the window of `radius` around each position, cut at the border."""
    for axis in (0, 1):
        size = values.shape[axis]
        start = torch.zeros_like(values.narrow(axis, 0, 1))
        totals = torch.cat([start, values.cumsum(dim=axis)], dim=axis)
        place = torch.arange(size, device=values.device)
        upper, lower = (place + radius + 1).clamp_max(size), (place - radius).clamp_min(0)
        values = totals.index_select(axis, upper) - totals.index_select(axis, lower)
    return values
