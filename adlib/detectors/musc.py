"""MuSc (Li et al. 2024, 'Zero-shot Industrial Anomaly Classification and Segmentation with the Unlabeled Images').

Batched zero-shot: no image is known to be good, and the unlabelled images judge each other. A good patch has a like in
most of the other images, a defective one in few, so that even its nearest images are far (chapter 19). In the paper's
terms: patches are averaged over neighbourhoods of several sizes (LNAMD), scored against each other image (MSM), and
image scores are averaged with those of the most similar images (RsCIN).

The published numbers are with CLIP's ViT-L/14 at 518 pixels, four layers and its class token. Here any backbone serves,
and two things follow: each layer is compared on its own grid, and its patch scores, not its features, are brought to
the finest grid; the vector of an image is the mean of its deepest layer. Smaller differences to the official code: the
image score is the highest patch score instead of the highest pixel of the enlarged map, and similarities below 0 count
as 0 where that code would extrapolate.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adlib.bank.grouped import GroupedBank
from adlib.bank.memory import PatchBank, check_memory
from adlib.detectors.base import Detector, Predictions, Scored, require_batch
from adlib.errors import InputError
from adlib.features.cache import TensorCache
from adlib.features.extract import ImageFeatures
from adlib.features.patches import grid_size, patch_vectors
from adlib.parallel import one_core_each


@dataclass(kw_only=True, eq=False, repr=False)
class MuSc(Detector):
    """Unlabelled images judge each other: a patch is scored by its distances to the most similar of them.

    Nothing here is random. `fit` keeps the patches of a batch, good or not; `predict` scores other images by this
    batch, and `fit_predict` the images of a batch by each other, which is the paper's method. Distances are Euclidean,
    between vectors of length 1. Time grows with the square of the number of images.

    layers: each is scored alone, the last gives the vector of the image; None for the backbone's default. The paper has
        four, evenly spaced.
    neighbourhoods: odd sides of the windows over which features are averaged; scores are averaged over them.
    image_share: fraction in (0, 1] of the other images in a patch's score, those nearest to it; at least one image.
    image_neighbours: numbers of images, the image itself among them, over which `fit_predict` averages image scores;
        (1,) for none. More than there are means all. The paper has (1, 2, 3) for MVTec AD and (1, 8, 9) for VisA.
    sigma: in network pixels; the official code does not smooth.
    """

    name: ClassVar[str] = "musc"
    family: ClassVar[str] = "zero-shot"
    chapter: ClassVar[str] = "19"

    neighbourhoods: tuple[int, ...] = (1, 3, 5)
    image_share: float = 0.3
    image_neighbours: tuple[int, ...] = (1, 2, 3)
    sigma: float = 0.0

    _banks_of: ClassVar[list[GroupedBank]] = []  # made from the learned tensors on first use

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Keep all patches, `bank0_` ... (patches, D) with the rows of each image in `offsets_`, and `globals_` (N, G).

        A level is one layer at one neighbourhood and has a bank of its own. InputError where they do not fit in memory.
        """
        banks = [PatchBank(views) for _ in self._levels()]
        whole: list[Tensor] = []
        for item in features:
            vectors = self._vectors(item)
            if not whole:
                _check_memory(views, vectors)
            for bank, rows in zip(banks, vectors, strict=True):
                bank.append(rows)
            whole.append(_image_vector(item))
        for level, bank in enumerate(banks):  # by name, since only single tensors can be saved
            setattr(self, f"bank{level}_", bank.vectors())
        self.offsets_ = [bank.offsets for bank in banks]
        self.globals_ = torch.stack(whole)

    def predict(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """Each image scored by the images of `fit`, which are not scored again. Raises InputError before `fit`."""
        self._require_fit()
        self._banks()  # made once, here, rather than by two threads at a time
        return super().predict(images, cache, show_progress)

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        grid = self._patch_scores(features)
        return grid.max(), grid

    def fit_predict(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """Each image scored by the others, and its image score averaged with those of the most similar images.

        Raises InputError for fewer than two images.
        """
        predictions = self.leave_one_out(images, cache, show_progress)
        return replace(predictions, scores=rescored(predictions.scores, self.globals_, self.image_neighbours))

    def onnx_refusal(self) -> str:
        """See `Detector.onnx_refusal`."""
        return "the images of a batch score each other, and a graph sees one image"

    def leave_one_out(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """Each image scored as by a detector fitted on the other images. Raises InputError as `fit_predict`."""
        require_batch(images)
        self.fit(images, cache, show_progress)
        self._banks()  # made once, here, rather than by two threads at a time
        features = self._features(images, (0,), cache, show_progress, "scoring")
        return self._predictions(one_core_each(self._scored_by_others, enumerate(features)))

    def _scored_by_others(self, numbered: tuple[int, ImageFeatures]) -> Scored:
        number, item = numbered
        grid = self._patch_scores(item, left_out=number)
        return float(grid.max()), grid.cpu().numpy(), item.frame

    def _patch_scores(self, features: ImageFeatures, left_out: int | None = None) -> Tensor:
        """(h, w) mean over the levels, on the finest grid; left_out: number of a kept image that does not judge."""
        finest = grid_size(features.maps)
        levels = zip(self._levels(), self._vectors(features), self._banks(), strict=True)
        total = torch.zeros(finest, device=self.globals_.device)
        for (layer, _), vectors, bank in levels:
            columns = bank.nearest(vectors)  # (patches, images): one image at a time, see `GroupedBank`
            if left_out is not None:
                columns = torch.cat([columns[:, :left_out], columns[:, left_out + 1 :]], dim=1)
            scores = lowest_share_mean(columns, self.image_share).reshape(features.maps[layer].shape[1:])
            total += F.interpolate(scores[None, None], size=finest, mode="bilinear")[0, 0]
        return total / len(self._levels())

    def _levels(self) -> list[tuple[str, int]]:
        return list(product(self._layers(), self.neighbourhoods))

    def _vectors(self, features: ImageFeatures) -> list[Tensor]:
        """(patches, D) of length 1 for each level. The mean over a window has zeros outside the map, as officially."""
        normed = {layer: F.layer_norm(values, values.shape) for layer, values in features.maps.items()}
        means = (patch_vectors({layer: normed[layer]}, side)[0] for layer, side in self._levels())
        return [F.normalize(vectors, dim=1) for vectors in means]

    def _banks(self) -> list[GroupedBank]:
        learned = [getattr(self, f"bank{level}_") for level in range(len(self.offsets_))]
        if not self._banks_of or self._banks_of[0].bank is not learned[0]:
            self._banks_of = [GroupedBank(*level) for level in zip(learned, self.offsets_, strict=True)]
        return self._banks_of

    def _check(self) -> None:
        super()._check()
        if not 0 < self.image_share <= 1:
            raise InputError(f"image_share is a fraction of the images, above 0 and at most 1, not {self.image_share}.")
        for name in ("neighbourhoods", "image_neighbours"):
            if not getattr(self, name) or min(getattr(self, name)) < 1:
                raise InputError(f"{name} must be one or more numbers of at least 1, not {getattr(self, name)}.")


def lowest_share_mean(columns: Tensor, share: float) -> Tensor:
    """Mean of the smallest distances of each patch (MuSc's interval average over images).

    columns: (patches, N) distance of each patch to its nearest patch in each of N images.
    share: fraction of the images.
    Returns (patches,) mean of the int(share * N) smallest, or the smallest where that number is 0.
    """
    count = max(1, int(share * columns.shape[1]))
    return columns.topk(count, dim=1, largest=False).values.mean(dim=1)


def rescored(scores: np.ndarray, vectors: Tensor, counts: Sequence[int]) -> np.ndarray:
    """Image scores averaged with those of the most similar images (MuSc's RsCIN).

    For each number k in `counts`, the scores of the image and of its k - 1 most similar images are averaged, weighted
    by cosine similarity, then the results for all k are averaged. The official code first scales all scores to [0, 1];
    weights that sum to 1 leave the order the same, and without scaling scores of different batches compare.

    scores: (N,) image scores.
    vectors: (N, G) of length 1, one per image.
    counts: each at least 1; more than N means N.
    Returns (N,) float64.
    """
    similarity = (vectors @ vectors.T).cpu().double()
    # An image is the first among its own neighbours, also where the batch holds a copy of it.
    order = similarity.clone().fill_diagonal_(torch.inf).argsort(dim=1, descending=True, stable=True)
    weights = similarity.gather(1, order).clamp_(min=0)
    weighted = weights * torch.from_numpy(np.asarray(scores, dtype=np.float64))[order]
    sums, totals = weighted.cumsum(dim=1), weights.cumsum(dim=1)
    last = [min(count, len(order)) - 1 for count in counts]
    return (sums[:, last] / totals[:, last]).mean(dim=1).numpy()


def _image_vector(features: ImageFeatures) -> Tensor:
    deepest = list(features.maps.values())[-1]
    return F.normalize(deepest.mean(dim=(1, 2)), dim=0)


def _check_memory(views: int, vectors: Sequence[Tensor]) -> None:
    needed = views * sum(rows.numel() * rows.element_size() for rows in vectors)
    what = f"The patches of {views} images at {len(vectors)} levels"
    check_memory(needed, what, "give fewer images, layers or neighbourhoods, or a smaller resize", vectors[0].device)
