"""DevNet (Pang et al., KDD 2019, 'Deep anomaly detection with deviation networks'; for images Pang et al. 2021).

The second paper is 'Explainable deep few-shot anomaly detection with deviation networks', arXiv 2108.00462. Chapter 09.

A few labelled defects cannot show what every defect looks like, but they can calibrate a score: the scores of good
images shall look like draws of N(0, 1), and those of labelled defects lie at least `margin` standard deviations above
them. For images the score is a mean over the most anomalous positions, so a label of the whole image teaches the
network where the defect is.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from adlib.detectors.scores import top_share_mean
from adlib.detectors.supervised import LABEL, SupervisedDetector
from adlib.detectors.training import Maps, stack
from adlib.errors import InputError
from adlib.features.extract import ImageFeatures
from adlib.networks.standardised import Standardised

DRAWS = 5000  # of N(0, 1), the reference of the deviation


@dataclass(kw_only=True, eq=False, repr=False)
class DevNet(SupervisedDetector):
    """A linear score of each position, at 0 for good images and beyond a margin for a few labelled defects.

    Patch scores: magnitudes of a 1 x 1 convolution over the backbone's maps, standardised on good images. Image score:
    the mean of the highest 10% of them, which training compares with the prior. Masks are not used.
    The paper fine-tunes its whole ResNet-18 on one layer at 448 pixels and on two scales, for 50 epochs of random
    rotations; here the backbone is frozen and only the linear layer is trained, so that a fit takes seconds.

    margin: deviations by which labelled defects shall exceed the prior (a in the paper).
    absolute: whether a position's score is the magnitude, as in the authors' code, or signed.
    top_share: fraction of the positions in the image score (K in the paper), above 0 and at most 1.
    The other parameters are those of `TrainedDetector`; at least one labelled defect is needed.
    """

    name: ClassVar[str] = "devnet"
    family: ClassVar[str] = "supervised"
    chapter: ClassVar[str] = "09"
    unit: ClassVar[str] = "standard deviations of the prior"
    needs_defects: ClassVar[bool] = True

    batch: int = 16
    learning_rate: float = 1e-2
    weight_decay: float = 1e-2
    margin: float = 5.0
    top_share: float = 0.1
    absolute: bool = True

    def _check(self) -> None:
        super()._check()
        if self.margin <= 0:
            raise InputError(f"margin is a number of standard deviations above 0, not {self.margin}.")
        if not 0 < self.top_share <= 1:
            raise InputError(f"top_share is a fraction of the positions, above 0 and at most 1, not {self.top_share}.")

    def _build(self) -> nn.Module:
        return PositionScore(sum(self.network().dims[layer] for layer in self._layers()))

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        scores = self._image_scores(self._grids(network, maps))
        prior = torch.randn(DRAWS, device=scores.device)
        return deviation_loss(scores, maps[LABEL], prior, self.margin)

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        grids = self._grids(self.network_, stack([features]))
        return self._image_scores(grids)[0], grids[0]

    def _grids(self, network: nn.Module, maps: Maps) -> Tensor:
        """Scores of all positions, (B, h, w)."""
        grids = network(self._input(maps))
        return grids.abs() if self.absolute else grids

    def _image_scores(self, grids: Tensor) -> Tensor:
        """(B, h, w) -> (B,)."""
        return top_share_mean(grids.flatten(1), self.top_share)


class PositionScore(Standardised):
    """One linear function of the standardised channels at every position. channels: of the input."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.score = nn.Conv2d(channels, 1, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, h, w)."""
        return self.score(self.standard(inputs))[:, 0]


def deviation_loss(scores: Tensor, labels: Tensor, prior: Tensor, margin: float = 5.0) -> Tensor:
    """The deviation loss (eq. 6 and 7 of Pang et al. 2019), the mean over a batch.

    dev = (score - mean(prior)) / std(prior); the loss is |dev| for good images and max(0, margin - dev) for defects.

    scores: (B,) image scores.
    labels: (B,) 0 for good, 1 for defective.
    prior: draws of N(0, 1), 5,000 in the paper.
    margin: the deviation from which a defect costs nothing.
    """
    deviation = (scores - prior.mean()) / prior.std()
    return ((1 - labels) * deviation.abs() + labels * (margin - deviation).clamp(min=0)).mean()
