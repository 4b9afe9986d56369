"""SubspaceAD (Lendering, Akdag & Bondarev 2026, 'Training-Free Few-Shot Anomaly Detection via Subspace Modeling').

Chapter 17. No bank: the patches of a few good images, rotated copies included, have a mean and principal axes. The
axes that explain 99% of the variance span what is normal, and a patch is scored by the squared length of what lies
outside.

The facts are those of the authors' code for its few-shot tables (github.com/CLendering/SubspaceAD, commit 2ca687e, June
2026); the paper's equations were not at hand. Where this file differs:

=============  =================================  ====================================================================
what           here                               authors' code
=============  =================================  ====================================================================
layers         middle of any ViT, see `layers`    blocks 23 to 29 of the 40 of DINOv2 ViT-g/14 with registers, averaged
rotated views  8 angles, the image reflected      30 random angles below 345 degrees and the image itself, black
                                                  corners; none for MVTec AD's `transistor`
size           shorter side of 448 pixels         squares of 672 pixels
image score    top 1% of the pixels of the map    the same, after a window of 3 x 3 pixels (Gaussian, sigma 4)
map            Gaussian, sigma 4 pixels           the same window
=============  =================================  ====================================================================
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adlib.detectors.base import Detector
from adlib.detectors.gaussian import PatchMoments
from adlib.detectors.scores import top_share_mean
from adlib.errors import InputError, check_choice
from adlib.features.backbones import Backbone
from adlib.features.extract import ImageFeatures
from adlib.features.patches import grid_size, patch_vectors

MERGES = ("auto", "mean", "concatenate")
SCORE_OVER = ("pixels", "patches")
MIDDLE = (23 / 40, 29 / 40)  # first and last of the averaged blocks, as fractions of a transformer's depth


@dataclass(kw_only=True, eq=False, repr=False)
class SubspaceAD(Detector):
    """Principal subspace of the patches of a few good images; a patch is scored by its squared residual.

    Nothing here is random.

    layers: None for the middle blocks of a ViT (7 to 9 of 12, 14 to 17 of 24, 23 to 29 of 40) without its final norm,
        and for the default layers of a convolutional network (`adlib sweep` takes deeper layers, see `presets.py`).
    merge: "mean" averages the layers, which must be equally wide; "concatenate" makes one long vector of them; "auto"
        is "mean" for a ViT and "concatenate" for a convolutional network, whose layers differ in width.
    resize: shorter side in pixels, bicubic.
    neighbourhood: odd side of the window over which features are averaged, 1 for none.
    rotate: add every reference image at 8 angles, 45 degrees apart.
    rotation: "centred" or "official", see `adlib.data.rotate`.
    explained: fraction of the patches' variance in the subspace, in (0, 1); the fewest axes that reach it are kept.
    score_over: image score = mean of the highest `top_share` of the "pixels" of the map at the network's size, bilinear
        and not smoothed, or of the "patches", as in AnomalyDINO.
    top_share: fraction in the image score, see `top_share_mean`; 0 for the maximum.
    sigma: in network pixels, of the map only.
    """

    name: ClassVar[str] = "subspacead"
    family: ClassVar[str] = "memory bank"
    chapter: ClassVar[str] = "17"
    interpolation: ClassVar[str] = "bicubic"

    resize: int | None = 448
    merge: str = "auto"
    neighbourhood: int = 1
    rotate: bool = True
    rotation: str = "centred"
    explained: float = 0.99
    score_over: str = "pixels"
    top_share: float = 0.01

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Fit `mean_` (D,) and `axes_` (D, r), float64. Memory: D x D, however many patches there are."""
        moments = PatchMoments()
        for item in features:
            moments.add(self._vectors(item))
        self.mean_, covariance = moments.finish()
        self.axes_ = principal_axes(covariance, self.explained)

    def onnx_refusal(self) -> str:
        """See `Detector.onnx_refusal`."""
        if self.score_over == "pixels":
            return 'its image score is taken over the pixels of its map; fit it with score_over="patches"'
        return ""

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        residuals = squared_residuals(self._vectors(features), self.mean_, self.axes_).float()
        grid = residuals.reshape(grid_size(features.maps))
        if self.score_over == "pixels":
            residuals = torch.from_numpy(features.frame.network_map(grid.cpu().numpy(), sigma=0)).flatten()
        return top_share_mean(residuals, self.top_share), grid

    def _vectors(self, features: ImageFeatures) -> Tensor:
        """(patches, D) float64."""
        vectors = patch_vectors(features.maps, self.neighbourhood)[0].double()
        if self._averages():
            return vectors.unflatten(1, (len(features.maps), -1)).mean(dim=1)
        return vectors

    def _averages(self) -> bool:
        return self.merge == "mean" or (self.merge == "auto" and self.network().kind == "vit")

    def _layers(self) -> tuple[str, ...]:
        return tuple(self.layers or middle_layers(self.network()))

    def _check(self) -> None:
        super()._check()
        check_choice("merge", self.merge, MERGES)
        check_choice("score_over", self.score_over, SCORE_OVER)
        if not 0 < self.explained < 1:
            raise InputError(f"explained is a fraction of the variance, above 0 and below 1, not {self.explained}.")
        if self.merge == "mean":
            self._check_widths()

    def _check_widths(self) -> None:
        layers = self.network().check_layers(self._layers())
        widths = [self.network().dims[layer] for layer in layers]
        if len(set(widths)) > 1:
            raise InputError(
                f"merge='mean' averages layers of equal width, but {', '.join(layers)} have {widths} values; "
                "use merge='concatenate'."
            )


def middle_layers(network: Backbone) -> tuple[str, ...]:
    """The blocks of a ViT at the relative depth of blocks 23 to 29 of 40; another network's default layers."""
    if network.kind != "vit":
        return network.default_layers
    blocks = [layer for layer in network.layers if layer.startswith("block")]
    first, last = (round(part * len(blocks)) for part in MIDDLE)
    return tuple(blocks[first - 1 : last])


def principal_axes(covariance: Tensor, explained: float) -> Tensor:
    """The fewest principal axes whose variances sum to a fraction of the whole variance.

    covariance: (D, D) float64.
    explained: the fraction, in (0, 1).
    Returns (D, r) orthonormal columns, by descending variance; no column where nothing varies.
    """
    variances, axes = (values.flip(-1) for values in torch.linalg.eigh(covariance))  # eigh: ascending
    reached = variances.clamp_min(0).cumsum(0)
    count = int((reached < explained * reached[-1]).sum()) + int(reached[-1] > 0)
    # Row-major, as loaded from a file: another memory layout would sum in another order and round differently.
    return axes[:, :count].contiguous()


def squared_residuals(vectors: Tensor, mean: Tensor, axes: Tensor) -> Tensor:
    """(N,) squared distances of vectors (N, D) from the affine subspace through the mean (D,) along axes (D, r)."""
    centred = vectors - mean
    return (centred - centred @ axes @ axes.T).square().sum(dim=1)
