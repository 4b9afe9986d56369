"""AnomalyDINO (Damm et al. 2025, 'Boosting Patch-based Few-shot Anomaly Detection with DINOv2'; chapter 21).

No training and no coreset: patch tokens of a few good pictures, their length normalised, are the bank; a patch's
distance is 1 - cosine to its nearest entry. What the few pictures do not show is added by turning them (rotations),
what does not matter is left out by masking the background.
"""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adlib.bank.memory import PatchBank
from adlib.bank.neighbours import GroupedBank
from adlib.data.images import content_key
from adlib.detectors.base import Detector, Predictions, as_numpy_grid, require_images
from adlib.detectors.columns import DistanceColumns
from adlib.detectors.masking import THRESHOLD, mask_test, object_mask
from adlib.detectors.scores import top_share_mean
from adlib.errors import InputError
from adlib.features.cache import TensorCache, digest
from adlib.features.extract import FeatureSpec, ImageFeatures, extract
from adlib.features.patches import Preprocess, grid_size, patch_vectors
from adlib.parallel import one_core_each
from adlib.progress import progress

# Raise it whenever the same features come to give other distances, so that columns on disk are not used.
DISTANCES_VERSION = 1
VIEWS_AT_ONCE = 256  # reference pictures, or turned copies, whose columns are computed together, from memory
ANGLES = tuple(range(0, 360, 45))
MASKS = ("test", "always", "never")


class AnomalyDINO(Detector):
    """Nearest neighbours of normalised patch tokens, from a few good pictures.

    layers: None for the deepest of the backbone's default layers: a ViT's tokens after its final norm, and of a
    convolutional network its coarser grid (`adlib sweep` asks for deeper ones, see `methods.py`); resize: shorter side
    in pixels (the paper: 448 or 672), bicubic; rotate: add every reference picture at 8 angles, 45 degrees apart;
    mask: leave background patches of TEST pictures out ("test": where the mask test passes on the first reference
    picture, "always", "never"); mask_threshold: of the first principal component; top_share: see `top_share_mean`;
    neighbourhood: odd window over which features are averaged, 1 for none; sigma: Gaussian of the map in original
    pixels. seed is taken so that every detector has one; nothing here is random.
    """

    name: ClassVar[str] = "anomalydino"
    smooth_original: ClassVar[bool] = True
    _bank_of: GroupedBank | None = None  # made from what was learned, when first asked

    def __init__(
        self,
        *,
        backbone: str = "efficientnet_lite0",
        weights: str | None = None,
        device: str | None = None,
        precision: str = "float32",
        layers: tuple[str, ...] | None = None,
        resize: int | None = 448,
        aspect: str = "keep",
        window: tuple[float, float] | None = None,
        neighbourhood: int = 1,
        rotate: bool = True,
        mask: str = "test",
        mask_threshold: float = THRESHOLD,
        top_share: float = 0.01,
        sigma: float = 4.0,
        seed: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.device = device
        self.precision = precision
        self.layers = layers
        self.resize = resize
        self.aspect = aspect
        self.window = window
        self.neighbourhood = neighbourhood
        self.rotate = rotate
        self.mask = mask
        self.mask_threshold = mask_threshold
        self.top_share = top_share
        self.sigma = sigma
        self.seed = seed

    def fit(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> "AnomalyDINO":
        """Fill the bank `bank_` (N, D), a group of rows a picture (`offsets_`, `references_`); returns self."""
        if self.mask not in MASKS:
            raise InputError(f"Unknown mask {self.mask!r}; choose one of {', '.join(MASKS)}.")
        require_images(images, "fit on")
        angles = self._angles()
        bank = PatchBank(len(images) * len(angles))
        masked = self.mask == "always"
        keys = []
        for number, features in enumerate(self._features(images, angles, cache, show_progress, "reference features")):
            if number == 0 and self.mask == "test":
                masked = mask_test(self._object_mask(features))
            bank.append(self._vectors(features))
            keys.append(features.key)
        self.masked_ = masked
        self.references_ = keys[:: len(angles)]
        self.bank_ = bank.vectors()
        self.offsets_ = bank.offsets[:: len(angles)]
        return self

    def predict(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """Scores and maps; raises InputError before `fit`. Distances that `share_distances` left are not made anew."""
        self._require_fit("bank_")
        self._grouped_bank()  # made here, once, and not by two threads at a time
        shared = self._shared(cache)
        features = self._features(images, (0,), cache, show_progress, "scoring")
        return self._predictions(one_core_each(lambda item: (item, self._distances(item, shared)), features))

    def fit_predict(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """Batched zero-shot (sec. 4.3 of the paper): each picture is scored against all the others of the batch."""
        if len(images) < 2:
            raise InputError(f"Batched zero-shot scores pictures against each other; {len(images)} is too few.")
        self.fit(images, cache, show_progress)
        features = self._features(images, (0,), cache, show_progress, "scoring")

        def against_others() -> Iterator[tuple[ImageFeatures, Tensor]]:
            for number, item in enumerate(features):
                columns = self.reference_distances(item)
                columns[:, number] = torch.inf
                yield item, columns.amin(dim=1)

        return self._predictions(against_others())

    def share_distances(
        self, references: Sequence[Any], images: Sequence[Any], cache: TensorCache, show_progress: bool = False
    ) -> None:
        """Put the distances of images to each of the references into the cache, where they are not there yet.

        A detector with the same parameters, fitted on any choice of these references, then scores the images by
        minima over columns, with the same bits as without. What was learned before is forgotten.
        """
        shared = self._shared(cache)
        at_once = max(1, VIEWS_AT_ONCE // len(self._angles()))
        blocks = [references[i : i + at_once] for i in range(0, len(references), at_once)]
        with progress(total=len(blocks) * len(images), label="distances", unit="img", show=show_progress) as bar:
            for block in blocks:
                keys = [content_key(image) for image in block]
                waiting = [image for image in images if shared.missing(content_key(image), keys)]
                bar.update(len(images) - len(waiting))
                if not waiting:
                    continue
                self.fit(block, cache)
                self._grouped_bank()  # made here, once, and not by two threads at a time
                items = self._features(waiting, (0,), cache, False, "scoring")
                for item, columns in one_core_each(lambda item: (item, self.reference_distances(item)), items):
                    shared.add(item.key, keys, columns)
                    bar.update()

    def reference_distances(self, features: ImageFeatures) -> Tensor:
        """(patches, references) distance 1 - cosine of each patch to its nearest patch in each reference picture.

        A column depends on its reference picture alone, so that the minimum over any choice of columns is, bit for
        bit, what a detector fitted on that choice gives.
        """
        euclidean = self._grouped_bank().nearest(self._vectors(features))
        return euclidean.square_().div_(2)  # of unit vectors: |a - b|^2 = 2 (1 - cos)

    def _distances(self, features: ImageFeatures, shared: DistanceColumns | None) -> Tensor:
        known = shared.minimum(features.key, self.references_) if shared else None
        return self.reference_distances(features).amin(dim=1) if known is None else known.to(self.bank_.device)

    def _shared(self, cache: TensorCache | None) -> DistanceColumns | None:
        if cache is None:
            return None
        spec, network = self.spec(), self.network()
        shaped_by = {
            "version": DISTANCES_VERSION,
            "features": [spec.kind(network, layer, angle) for layer in spec.layers for angle in self._angles()],
            "neighbourhood": self.neighbourhood,
            "device": network.device.type,
        }
        return DistanceColumns(cache, f"{network.name}-distances-{digest(shaped_by)}")

    def _angles(self) -> tuple[int, ...]:
        return ANGLES if self.rotate else (0,)

    def _grouped_bank(self) -> GroupedBank:
        if self._bank_of is None or self._bank_of.bank is not self.bank_:
            self._bank_of = GroupedBank(self.bank_, self.offsets_)
        return self._bank_of

    def spec(self) -> FeatureSpec:
        """What is asked of the backbone."""
        network = self.network()
        layers = tuple(self.layers or network.default_layers[-1:])
        preprocess = Preprocess(self.resize, None, self.aspect, "bicubic", network.patch_multiple)
        return FeatureSpec(layers, preprocess, tuple(self.window) if self.window else None)

    def _features(
        self, images: Sequence[Any], angles: Sequence[int], cache: TensorCache | None, show_progress: bool, label: str
    ) -> Iterator[ImageFeatures]:
        return extract(
            self.network(), images, self.spec(), angles, cache=cache, show_progress=show_progress, label=label
        )

    def _vectors(self, features: ImageFeatures) -> Tensor:
        return F.normalize(patch_vectors(features.maps, self.neighbourhood)[0], dim=1)

    def _object_mask(self, features: ImageFeatures) -> np.ndarray:
        tokens, grid = patch_vectors(features.maps, self.neighbourhood)
        return object_mask(tokens.cpu().numpy(), grid, self.mask_threshold)

    def _predictions(self, scored: Iterator[tuple[ImageFeatures, Tensor]]) -> Predictions:
        scores, grids, frames = [], [], []
        for features, distances in scored:
            if self.masked_:
                keep = torch.from_numpy(self._object_mask(features).ravel()).to(distances.device)
                distances = distances * keep
            scores.append(float(top_share_mean(distances, self.top_share)))
            grids.append(as_numpy_grid(distances, grid_size(features.maps)))
            frames.append(features.frame)
        return self.assemble(scores, grids, frames)
