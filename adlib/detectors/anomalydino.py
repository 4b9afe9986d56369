"""AnomalyDINO (Damm et al. 2025, 'Boosting Patch-based Few-shot Anomaly Detection with DINOv2'; chapter 21).

No training and no coreset: the bank holds length-normalised patch tokens of a few good images; a patch's distance is
1 - cosine similarity to its nearest entry. Rotated copies augment the images, and a mask can exclude the background.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adlib.bank.memory import PatchBank
from adlib.detectors.base import Predictions, Scored
from adlib.detectors.columns import SharesDistances
from adlib.detectors.masking import THRESHOLD, mask_test, object_mask
from adlib.detectors.scores import top_share_mean
from adlib.errors import InputError, check_choice
from adlib.features.cache import TensorCache
from adlib.features.extract import ImageFeatures
from adlib.features.patches import Frame, grid_size, patch_vectors
from adlib.parallel import one_core_each

ANGLES = tuple(range(0, 360, 45))
MASKS = ("test", "always", "never")


@dataclass(kw_only=True, eq=False, repr=False)
class AnomalyDINO(SharesDistances):
    """Patch features of a few rotated good images; a patch is scored by the nearest cosine distance.

    Nothing here is random.

    layers: None for the deepest of the backbone's default layers: the tokens of a ViT after its final norm, the coarser
        grid of a convolutional network (`adlib sweep` takes deeper layers, see `presets.py`).
    resize: shorter side in pixels, bicubic; the paper has 448 or 672.
    neighbourhood: odd side of the window over which features are averaged, 1 for none.
    rotate: add every reference image at 8 angles, 45 degrees apart.
    mask: whether background patches of TEST images are left out: "always", "never", or "test" for where the mask test
        passes on the first reference image.
    mask_threshold: of the first principal component.
    top_share: fraction of the patches in the image score, see `top_share_mean`.
    sigma: in original pixels.
    """

    name: ClassVar[str] = "anomalydino"
    family: ClassVar[str] = "memory bank"
    chapter: ClassVar[str] = "21"
    smooth_original: ClassVar[bool] = True
    interpolation: ClassVar[str] = "bicubic"

    resize: int | None = 448
    neighbourhood: int = 1
    rotate: bool = True
    mask: str = "test"
    mask_threshold: float = THRESHOLD
    top_share: float = 0.01

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Fill the bank `bank_` (N, D), one group of rows per image (`offsets_`, `references_`)."""
        bank = PatchBank(views)
        masked = self.mask == "always"
        keys = []
        for number, item in enumerate(features):
            if number == 0 and self.mask == "test":
                masked = mask_test(self._object_mask(item))
            bank.append(self._vectors(item))
            keys.append(item.key)
        angles = len(self.reference_angles)
        self.masked_ = masked
        self.references_ = keys[::angles]
        self.bank_ = bank.vectors()
        self.offsets_ = bank.offsets[::angles]

    @property
    def reference_angles(self) -> tuple[int, ...]:
        """All eight angles if `rotate`, else 0 alone."""
        return ANGLES if self.rotate else (0,)

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
        return distances * torch.from_numpy(self._object_mask(features).ravel()).to(distances.device)

    def _object_mask(self, features: ImageFeatures) -> np.ndarray:
        tokens, grid = patch_vectors(features.maps, self.neighbourhood)
        return object_mask(tokens.cpu().numpy(), grid, self.mask_threshold)

    def fit_predict(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """Batched zero-shot (sec. 4.3 of the paper): each image is scored against all other images of the batch.

        Raises InputError for fewer than two images.
        """
        if len(images) < 2:
            raise InputError(f"Batched zero-shot needs at least 2 images to compare; {len(images)} is too few.")
        self.fit(images, cache, show_progress)
        self._grouped_bank()

        def against_others(numbered: tuple[int, ImageFeatures]) -> Scored:
            number, item = numbered
            columns = self.reference_distances(item)
            columns[:, number] = torch.inf
            return self._finished(self._masked(columns.amin(dim=1), item), grid_size(item.maps), item.frame)

        features = self._features(images, (0,), cache, show_progress, "scoring")
        return self._predictions(one_core_each(against_others, enumerate(features)))

    def _finished(self, distances: Tensor, grid: tuple[int, int], frame: Frame) -> Scored:
        return float(top_share_mean(distances, self.top_share)), distances.reshape(grid).cpu().numpy(), frame

    def _distances_depend_on(self) -> dict[str, Any]:
        return {"neighbourhood": self.neighbourhood}

    def _layers(self) -> tuple[str, ...]:
        return tuple(self.layers or self.network().default_layers[-1:])

    def _check(self) -> None:
        super()._check()
        check_choice("mask", self.mask, MASKS)
