"""SoftPatch (Jiang et al. 2022, 'Unsupervised Anomaly Detection with Noisy Data', NeurIPS, arXiv 2403.14233).

PatchCore for training images of which some are defective: greedy k-center picks the patches that are unlike all others
first, so a defect among the training images enters the bank before most good patches. Here every patch gets its local
outlier factor (LOF) among the patches at the same position of the grid. The worst 15% of all patches are dropped before
the coreset is chosen, and a patch's distance is multiplied by the factor of its nearest bank entry, so that entries
that look like outliers vouch less for the patches near them. The factors replace PatchCore's eq. 7.

The authors' code (TencentYoutuResearch/AnomalyDetection-SoftPatch) differs from the defaults here: it multiplies
SQUARED distances by the factors (`distance="squared"`), computes them on a random projection to 128 values, pools
features and picks its coreset of 10% as PatchCore's official code does (`pooling`, `coreset_method`, `coreset`). As
there, the coreset is a fraction of all patches, the dropped ones included, so that its size is that of PatchCore's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from adlib.bank.memory import PatchBank
from adlib.bank.outliers import local_outlier_factors
from adlib.detectors.base import require_grid
from adlib.detectors.patchcore import PatchCore
from adlib.errors import InputError
from adlib.features.extract import ImageFeatures
from adlib.features.patches import grid_size


@dataclass(kw_only=True, eq=False, repr=False)
class SoftPatch(PatchCore):
    """PatchCore that drops the most outlying patches and weights distances, for noisy training images.

    All reference images must give one grid, so aspect is "square" by default. With one image no patch is judged.

    lof_neighbours: k of the local outlier factor, at most the other images.
    drop: fraction of all patches that is dropped, 0 <= drop < 1; patches equal to the worst kept one are kept, too.
    soft: whether distances are multiplied by the factors of the bank entries.
    reweight: 0, because the factors replace eq. 7.
    The other parameters are PatchCore's.
    """

    name: ClassVar[str] = "softpatch"
    chapter: ClassVar[str] = "12"

    aspect: str = "square"
    lof_neighbours: int = 6
    drop: float = 0.15
    soft: bool = True

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Fill `bank_` (M, D) with the coreset of the patches that are kept, and `lof_` (M,) with their factors."""
        patches, factors = self._judged(features, views)
        kept = factors <= factors.kthvalue(len(factors) - int(len(factors) * self.drop)).values
        size = min(self._bank_size(len(patches)), int(kept.sum()))
        patches, factors = patches[kept], factors[kept]
        chosen = self._chosen(patches, size, show_progress)
        self.bank_, self.lof_ = patches[chosen], factors[chosen]

    def _judged(self, features: Iterator[ImageFeatures], views: int) -> tuple[Tensor, Tensor]:
        """All patches (N, D), image by image, and their local outlier factors (N,)."""
        bank, grid = PatchBank(views), None
        for item in features:
            grid = grid or grid_size(item.maps)
            require_grid(grid_size(item.maps), grid, item.name)
            bank.append(self._vectors(item))
        patches = bank.vectors()
        factors = local_outlier_factors(patches.reshape(views, -1, patches.shape[1]), self.lof_neighbours)
        return patches, factors.flatten().to(patches.dtype)

    def _scaled(self, distances: Tensor, entries: Tensor) -> Tensor:
        scaled = super()._scaled(distances, entries)
        return scaled * self.lof_[entries] if self.soft else scaled

    def _check(self) -> None:
        super()._check()
        if self.reweight:
            raise InputError(f"softpatch's outlier factors replace eq. 7, so reweight must be 0, not {self.reweight}.")
        if self.lof_neighbours < 1:
            raise InputError(f"lof_neighbours must be at least 1, not {self.lof_neighbours}.")
        if not 0 <= self.drop < 1:
            raise InputError(f"drop is a fraction of the patches, at least 0 and below 1, not {self.drop}.")
