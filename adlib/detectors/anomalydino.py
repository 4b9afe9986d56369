"""AnomalyDINO (Damm et al. 2025, 'Boosting Patch-based Few-shot Anomaly Detection with DINOv2'; chapter 21).

No training and no coreset: the bank holds length-normalised patch tokens of a few good images; a patch's distance is
1 - cosine similarity to its nearest entry. Rotated copies augment the images, and a mask can exclude the background.
The published numbers come from code that differs; each difference is a parameter here. The default is the paper's
value, or ours where the paper does not say:

=================  =====================  ==================  ======================================================
parameter          default                official code       what it is
=================  =====================  ==================  ======================================================
mask_growth        "grid" (paper)         "column"            where the object mask grows
rotation           "centred" (ours)       "official"          point and border about which references are turned
stretch_maps       False (ours)           True                whether a map covers what the network did not see
batch_share        0, nearest (ours)      0.001               distances in a patch's mean in batched zero-shot
=================  =====================  ==================  ======================================================
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adlib.bank.memory import PatchBank
from adlib.bank.neighbours import nearest
from adlib.detectors.base import Predictions, Scored, require_batch
from adlib.detectors.columns import SharesDistances
from adlib.detectors.masking import GROWTHS, THRESHOLD, mask_test, object_mask
from adlib.detectors.scores import top_share_mean
from adlib.errors import InputError, check_choice
from adlib.features.cache import TensorCache
from adlib.features.extract import ImageFeatures
from adlib.features.patches import Frame, grid_size, patch_vectors
from adlib.growth import Growth
from adlib.parallel import one_core_each

MASKS = ("test", "always", "never")

# The switches as the official code sets them for the published numbers.
OFFICIAL = {"mask_growth": "column", "rotation": "official", "stretch_maps": True, "batch_share": 0.001}


@dataclass(kw_only=True, eq=False, repr=False)
class AnomalyDINO(SharesDistances):
    """Patch features of a few rotated good images; a patch is scored by the nearest cosine distance.

    Nothing here is random.

    layers: None for the deepest of the backbone's default layers: the tokens of a ViT after its final norm, the coarser
        grid of a convolutional network (`adlib sweep` takes deeper layers, see `presets.py`).
    resize: shorter side in pixels, bicubic; the paper has 448 or 672.
    neighbourhood: odd side of the window over which features are averaged, 1 for none.
    rotate: add every reference image at 8 angles, 45 degrees apart.
    rotation: "centred" or "official", see `adlib.data.rotate`.
    mask: whether background patches of TEST images are left out: "always", "never", or "test" for where the mask test
        passes on the first reference image.
    mask_threshold: of the first principal component.
    mask_growth: "grid" or "column", see `grown` in `adlib.detectors.masking`.
    top_share: fraction of the patches in the image score, see `top_share_mean`.
    batch_share: a patch's score in `fit_predict` is the mean of this fraction of its distances to all patches of the
        other images, the smallest ones, in [0, 1]; 0 for the smallest distance.
    stretch_maps: whether maps lay the patches over the whole image, also over the strip at the right and bottom that
        the network did not see because its input must be a multiple of its patches; otherwise they lie where they were
        seen, and the strip continues its neighbours.
    sigma: in original pixels.
    """

    name: ClassVar[str] = "anomalydino"
    family: ClassVar[str] = "memory bank"
    chapter: ClassVar[str] = "21"
    unit: ClassVar[str] = "1 - cosine, mean of the highest patches"
    smooth_original: ClassVar[bool] = True
    interpolation: ClassVar[str] = "bicubic"
    growth: ClassVar[Growth] = SharesDistances.growth | Growth(
        added={"rotation": "centred", "mask_growth": "grid", "batch_share": 0.0, "stretch_maps": False}
    )

    resize: int | None = 448
    neighbourhood: int = 1
    rotate: bool = True
    rotation: str = "centred"
    mask: str = "test"
    mask_threshold: float = THRESHOLD
    mask_growth: str = "grid"
    top_share: float = 0.01
    batch_share: float = 0.0
    stretch_maps: bool = False

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Fill the bank `bank_` (N, D), one group of rows per image (`offsets_`, `references_`)."""
        bank = PatchBank(views)
        masked = self.mask == "always"
        keys = []
        for number, item in enumerate(features):
            if number == 0 and self.mask == "test":
                masked = mask_test(self.object_mask(item))
            bank.append(self._vectors(item))
            keys.append(item.key)
        angles = len(self.reference_angles)
        self.masked_ = masked
        self.references_ = keys[::angles]
        self.bank_ = bank.vectors()
        self.offsets_ = bank.offsets[::angles]

    def _vectors(self, features: ImageFeatures) -> Tensor:
        return F.normalize(patch_vectors(features.maps, self.neighbourhood)[0], dim=1)

    def reference_distances(self, features: ImageFeatures) -> Tensor:
        """(patches, references) distance 1 - cosine of each patch to its nearest patch in each reference image.

        A column depends on its reference image alone: see `GroupedBank.nearest`.
        """
        euclidean = self._grouped_bank().nearest(self._vectors(features))
        return euclidean.square_().div_(2)  # of unit vectors: |a - b|^2 = 2 (1 - cos)

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        distances = self._masked(self.reference_distances(features).amin(dim=1), features)
        return top_share_mean(distances, self.top_share), distances.reshape(grid_size(features.maps))

    def _masked(self, distances: Tensor, features: ImageFeatures) -> Tensor:
        if not self.masked_:
            return distances
        return distances * torch.from_numpy(self.object_mask(features).ravel()).to(distances.device)

    def object_mask(self, features: ImageFeatures) -> np.ndarray:
        """(h, w) bool, True on the patches of the object, see `adlib.detectors.masking`."""
        tokens, grid = patch_vectors(features.maps, self.neighbourhood)
        return object_mask(tokens.cpu().numpy(), grid, self.mask_threshold, self.mask_growth)

    def fit_predict(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """Batched zero-shot (sec. 4.3 of the paper): each image is scored against all other images of the batch.

        Raises InputError for fewer than two images.
        """
        distances = self._closest_share_of_others if self.batch_share else self._nearest_of_others
        return self._against_others(images, distances, cache, show_progress)

    def leave_one_out(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """Each image scored as by a detector that learned from the other images. Raises InputError as `fit_predict`."""
        return self._against_others(images, self._nearest_of_others, cache, show_progress)

    def _against_others(
        self,
        images: Sequence[Any],
        distances: Callable[[int, ImageFeatures], Tensor],
        cache: TensorCache | None,
        show_progress: bool,
    ) -> Predictions:
        require_batch(images)
        self.fit(images, cache, show_progress)
        self._grouped_bank()

        def scored(numbered: tuple[int, ImageFeatures]) -> Scored:
            number, item = numbered
            return self._finished(self._masked(distances(number, item), item), grid_size(item.maps), item.frame)

        features = self._features(images, (0,), cache, show_progress, "scoring")
        return self._predictions(one_core_each(scored, enumerate(features)))

    def _nearest_of_others(self, number: int, features: ImageFeatures) -> Tensor:
        """(patches,) distance of an image's patches to the nearest patch of the other images."""
        columns = self.reference_distances(features)
        columns[:, number] = torch.inf
        return columns.amin(dim=1)

    def _closest_share_of_others(self, number: int, features: ImageFeatures) -> Tensor:
        """(patches,) mean of the smallest `batch_share` of the distances to all patches of the other images."""
        first, last = self.offsets_[number], self.offsets_[number + 1]
        others = [rows for rows in (self.bank_[:first], self.bank_[last:]) if len(rows)]
        count = max(1, int(self.batch_share * sum(map(len, others))))
        vectors = self._vectors(features)
        euclidean = torch.cat([nearest(vectors, rows, min(count, len(rows)))[0] for rows in others], dim=1)
        return euclidean.topk(count, dim=1, largest=False).values.square_().div_(2).mean(dim=1)

    def _finished(self, distances: Tensor, grid: tuple[int, int], frame: Frame) -> Scored:
        return float(top_share_mean(distances, self.top_share)), distances.reshape(grid).cpu().numpy(), frame

    def _distances_depend_on(self) -> dict[str, Any]:
        return {"neighbourhood": self.neighbourhood}

    def onnx_refusal(self) -> str:
        """See `Detector.onnx_refusal`."""
        if self.masked_:
            return "its object mask needs a singular value decomposition, which ONNX lacks; fit it with mask=never"
        return ""

    def _layers(self) -> tuple[str, ...]:
        return tuple(self.layers or self.network().default_layers[-1:])

    def _check(self) -> None:
        super()._check()
        check_choice("mask", self.mask, MASKS)
        check_choice("mask_growth", self.mask_growth, GROWTHS)
        if not 0 <= self.batch_share <= 1:
            raise InputError(f"batch_share is a fraction of the patches, between 0 and 1, not {self.batch_share}.")
