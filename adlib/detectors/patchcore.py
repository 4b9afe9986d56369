"""PatchCore (Roth et al. 2022, 'Towards Total Recall in Industrial Anomaly Detection'; chapters 06 and 20).

Mid-level features of good pictures, one vector a patch that knows its neighbourhood, thinned by a coreset, are the
bank; a patch is as anomalous as it is far from its nearest bank entry. The published numbers come from a code that
differs from the paper; each difference is a parameter here:

=================  =====================  =================================  ==================================
parameter          paper                  official code                      what it is
=================  =====================  =================================  ==================================
pooling            "mean"                 "official"                         how a window becomes a vector
distance           "euclidean"            "squared"                          what is scored
reweight           b of eq. 7             0 (off)                            image score discounted in thin regions
coreset_method     "greedy"               "approximate"                      random starts, projected to 128 dims
=================  =====================  =================================  ==================================
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adlib.bank.coreset import approximate_greedy_coreset, coreset_size, greedy_coreset, random_coreset
from adlib.bank.memory import PatchBank
from adlib.bank.neighbours import nearest
from adlib.detectors.base import Detector, Predictions, as_numpy_grid, require_images
from adlib.detectors.scores import reweighted, top_share_mean
from adlib.errors import InputError
from adlib.features.cache import TensorCache
from adlib.features.extract import FeatureSpec, extract
from adlib.features.patches import Frame, Preprocess, patch_vectors
from adlib.parallel import one_core_each

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


class PatchCore(Detector):
    """A bank of locally aware patch features, thinned by a coreset.

    layers: names of the backbone's layers, None for its default; resize, crop, aspect: see `Preprocess`;
    neighbourhood: odd side of the window around a patch; pooling, dims: see `patch_vectors`;
    coreset: share of patches kept, 0 < share <= 1, or a whole number: at most so many patches;
    distance: what is scored; neighbours: patch score = mean distance to so many bank entries;
    reweight: b of eq. 7, 0 for off; top_share: image score = mean of this share of patch scores, 0 for the maximum;
    sigma: Gaussian of the map in network pixels; seed: of the coreset's first pick.
    """

    name: ClassVar[str] = "patchcore"

    def __init__(
        self,
        *,
        backbone: str = "efficientnet_lite0",
        weights: str | None = None,
        device: str | None = None,
        precision: str = "float32",
        layers: tuple[str, ...] | None = None,
        resize: int | None = 256,
        crop: int | None = None,
        aspect: str = "keep",
        window: tuple[float, float] | None = None,
        neighbourhood: int = 3,
        pooling: str = "mean",
        dims: int = 1024,
        coreset: float = 0.01,
        coreset_method: str = "greedy",
        distance: str = "euclidean",
        neighbours: int = 1,
        reweight: int = 0,
        top_share: float = 0.0,
        sigma: float = 4.0,
        seed: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.device = device
        self.precision = precision
        self.layers = layers
        self.resize = resize
        self.crop = crop
        self.aspect = aspect
        self.window = window
        self.neighbourhood = neighbourhood
        self.pooling = pooling
        self.dims = dims
        self.coreset = coreset
        self.coreset_method = coreset_method
        self.distance = distance
        self.neighbours = neighbours
        self.reweight = reweight
        self.top_share = top_share
        self.sigma = sigma
        self.seed = seed

    def fit(self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False) -> "PatchCore":
        """Fill the bank `bank_` (M, D) with the coreset of all patches of good pictures; returns self."""
        self._check()
        require_images(images, "fit on")
        patches = PatchBank(len(images))
        for vectors, _, _ in self._patches(images, cache, show_progress, "reference features"):
            patches.append(vectors)
        self.bank_ = self._thin(patches.vectors(), show_progress)
        return self

    def predict(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """Scores and maps; raises InputError before `fit`."""
        self._require_fit("bank_")
        patches = self._patches(images, cache, show_progress, "scoring")
        scored = list(one_core_each(lambda item: self._score(*item), patches))
        return self.assemble(*zip(*scored, strict=True)) if scored else self.assemble([], [], [])

    def _score(self, vectors: Tensor, grid: tuple[int, int], frame: Frame) -> tuple[float, np.ndarray, Frame]:
        distances, entries = nearest(vectors, self.bank_, k=min(self.neighbours, len(self.bank_)))
        patch_scores = (distances**2 if self.distance == "squared" else distances).mean(dim=1)
        score = top_share_mean(patch_scores, self.top_share)
        if self.reweight:
            score = self._reweight(score, vectors, distances[:, 0], entries[:, 0])
        return float(score), as_numpy_grid(patch_scores, grid), frame

    def spec(self) -> FeatureSpec:
        """What is asked of the backbone."""
        network = self.network()
        layers = tuple(self.layers or network.default_layers)
        preprocess = Preprocess(self.resize, self.crop, self.aspect, "bilinear", network.patch_multiple)
        return FeatureSpec(layers, preprocess, tuple(self.window) if self.window else None)

    def _patches(self, images: Sequence[Any], cache: TensorCache | None, show_progress: bool, label: str):
        for features in extract(
            self.network(), images, self.spec(), cache=cache, show_progress=show_progress, label=label
        ):
            vectors, grid = patch_vectors(features.maps, self.neighbourhood, self.pooling, self.dims)
            yield vectors, grid, features.frame

    def _thin(self, patches: Tensor, show_progress: bool) -> Tensor:
        size = (
            min(self.coreset, len(patches))
            if isinstance(self.coreset, int)
            else coreset_size(len(patches), self.coreset)
        )
        if size == len(patches):
            return patches
        if self.coreset_method == "random":
            chosen = random_coreset(len(patches), size, self.seed)
        elif self.coreset_method == "approximate":
            chosen = approximate_greedy_coreset(patches, size, self.seed)
        else:
            chosen = greedy_coreset(patches, size, self.seed, show_progress=show_progress)
        return patches[chosen.to(patches.device)]

    def _reweight(self, score: Tensor, vectors: Tensor, distances: Tensor, entries: Tensor) -> Tensor:
        farthest = int(distances.argmax())
        entry = self.bank_[entries[farthest]]
        _, around = nearest(entry[None], self.bank_, k=min(self.reweight, len(self.bank_)))
        to_neighbours = torch.linalg.vector_norm(self.bank_[around[0]] - vectors[farthest], dim=1)
        return reweighted(score, distances[farthest], to_neighbours)

    def _check(self) -> None:
        if self.coreset_method not in CORESETS:
            raise InputError(f"Unknown coreset_method {self.coreset_method!r}; choose one of {', '.join(CORESETS)}.")
        if self.distance not in DISTANCES:
            raise InputError(f"Unknown distance {self.distance!r}; choose one of {', '.join(DISTANCES)}.")
        if self.neighbours < 1:
            raise InputError(f"neighbours must be at least 1, not {self.neighbours}.")
        if self.reweight < 0 or self.reweight == 1:
            raise InputError(f"reweight is the b of eq. 7: 0 for off or at least 2 entries, not {self.reweight}.")
        if isinstance(self.coreset, int) and self.coreset < 1:
            raise InputError(f"coreset must keep at least one patch, not {self.coreset}.")
