"""PatchCore (Roth et al. 2022, 'Towards Total Recall in Industrial Anomaly Detection'; chapters 06 and 20).

The bank holds mid-level features of good images, one vector per patch and its neighbourhood, thinned by a coreset; a
patch is scored by its distance to the nearest bank entry. The published numbers come from code that differs from the
paper; each difference is a parameter here:

=================  =====================  =================================  ==================================
parameter          paper                  official code                      what it is
=================  =====================  =================================  ==================================
pooling            "mean"                 "official"                         how a window becomes a vector
distance           "euclidean"            "squared"                          what is scored
reweight           b of eq. 7             0 (off)                            weight of the image score, eq. 7
coreset_method     "greedy"               "approximate"                      random starts, projected to 128 dims
=================  =====================  =================================  ==================================
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adlib.bank.coreset import approximate_greedy_coreset, coreset_size, greedy_coreset, random_coreset
from adlib.bank.index import BankIndex
from adlib.bank.memory import PatchBank
from adlib.detectors.base import Detector, Predictions
from adlib.detectors.scores import reweighted, top_share_mean
from adlib.errors import InputError, check_choice
from adlib.features.cache import TensorCache
from adlib.features.extract import ImageFeatures
from adlib.features.patches import grid_size, patch_vectors

CORESETS = ("greedy", "approximate", "random")
DISTANCES = ("euclidean", "squared")

# The switches as patchcore-inspection sets them for its published numbers.
OFFICIAL = {
    "resize": 256,
    "crop": 224,
    "pooling": "official",
    "dims": 1024,
    "distance": "squared",
    "reweight": 0,
    "coreset_method": "approximate",
}


@dataclass(kw_only=True, eq=False, repr=False)
class PatchCore(Detector):
    """A bank of patch features, thinned by a coreset; a patch is scored by its nearest neighbour.

    crop: see `Preprocess`.
    neighbourhood: odd side of the window around a patch.
    pooling, dims: see `patch_vectors`.
    coreset: fraction of the patches to keep, 0 < coreset <= 1, or an integer, the maximal number of patches.
    coreset_method: "greedy", "approximate" or "random".
    distance: what is scored, "euclidean" or "squared".
    neighbours: patch score = mean distance to the nearest `neighbours` bank entries.
    reweight: b of eq. 7, 0 for off.
    top_share: image score = mean of the highest patch scores, this fraction of all, 0 for the maximum.
    sigma: in network pixels.
    seed: of the coreset's first pick.
    """

    name: ClassVar[str] = "patchcore"
    family: ClassVar[str] = "memory bank"
    chapter: ClassVar[str] = "06"
    unit: ClassVar[str] = "distance between features (squared, where distance is)"
    _index_of: ClassVar[BankIndex | None] = None  # made from `bank_` on first use

    crop: int | None = None
    neighbourhood: int = 3
    pooling: str = "mean"
    dims: int = 1024
    coreset: float = 0.01
    coreset_method: str = "greedy"
    distance: str = "euclidean"
    neighbours: int = 1
    reweight: int = 0
    top_share: float = 0.0

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Fill the bank `bank_` (M, D) with the coreset of all patches."""
        bank = PatchBank(views)
        for item in features:
            bank.append(self._vectors(item))
        patches = bank.vectors()
        self.bank_ = patches[self._chosen(patches, self._bank_size(len(patches)), show_progress)]

    def predict(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """See `Detector.predict`."""
        self._require_fit()
        self._index()  # made once, here, rather than by two threads at a time
        return super().predict(images, cache, show_progress)

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        vectors = self._vectors(features)
        distances, entries = self._search(vectors, min(self.neighbours, len(self.bank_)))
        patch_scores = self._scaled(distances, entries).mean(dim=1)
        score = top_share_mean(patch_scores, self.top_share)
        if self.reweight:
            score = self._reweight(score, vectors, distances[:, 0], entries[:, 0])
        return score, patch_scores.reshape(grid_size(features.maps))

    def _vectors(self, features: ImageFeatures) -> Tensor:
        return patch_vectors(features.maps, self.neighbourhood, self.pooling, self.dims)[0]

    def _search(self, vectors: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Euclidean distances (P, k) of vectors to their nearest bank entries, ascending, and the indices (P, k)."""
        return self._index().nearest(vectors, k)

    def _index(self) -> BankIndex:
        if self._index_of is None or self._index_of.bank is not self.bank_:
            self._index_of = BankIndex(self.bank_)
        return self._index_of

    def _scaled(self, distances: Tensor, entries: Tensor) -> Tensor:
        """What a patch's score is the mean of, (P, k), from Euclidean distances to bank entries."""
        return distances**2 if self.distance == "squared" else distances

    def _bank_size(self, count: int) -> int:
        """The number of entries that a coreset of `count` patches keeps."""
        return min(self.coreset, count) if isinstance(self.coreset, int) else coreset_size(count, self.coreset)

    def _chosen(self, patches: Tensor, size: int, show_progress: bool) -> Tensor | slice:
        """Indices (size,) of a coreset; a slice where it holds all patches, so that the bank is not copied."""
        if size == len(patches):
            return slice(None)
        if self.coreset_method == "random":
            chosen = random_coreset(len(patches), size, self.seed)
        elif self.coreset_method == "approximate":
            chosen = approximate_greedy_coreset(patches, size, self.seed)
        else:
            chosen = greedy_coreset(patches, size, self.seed, show_progress=show_progress)
        return chosen.to(patches.device)

    def _reweight(self, score: Tensor, vectors: Tensor, distances: Tensor, entries: Tensor) -> Tensor:
        farthest = distances.argmax()
        entry = self.bank_[entries[farthest]]
        _, around = self._index().nearest(entry[None], min(self.reweight, len(self.bank_)))
        to_neighbours = torch.linalg.vector_norm(self.bank_[around[0]] - vectors[farthest], dim=1)
        return reweighted(score, distances[farthest], to_neighbours)

    def onnx_refusal(self) -> str:
        """See `Detector.onnx_refusal`."""
        if self.pooling == "official":
            return 'pooling="official" averages over unequal windows, which ONNX has no operator for; take "mean"'
        return ""

    def _check(self) -> None:
        super()._check()
        check_choice("coreset_method", self.coreset_method, CORESETS)
        check_choice("distance", self.distance, DISTANCES)
        if self.neighbours < 1:
            raise InputError(f"neighbours must be at least 1, not {self.neighbours}.")
        if self.reweight < 0 or self.reweight == 1:
            raise InputError(f"reweight is b of eq. 7: 0 for off or at least 2 entries, not {self.reweight}.")
        if isinstance(self.coreset, int) and self.coreset < 1:
            raise InputError(f"coreset must keep at least one patch, not {self.coreset}.")
