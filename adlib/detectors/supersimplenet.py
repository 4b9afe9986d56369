"""SuperSimpleNet (Rolih, Fucka & Skocaj 2024, 'SuperSimpleNet: Unifying Unsupervised and Supervised Learning for Fast
and Reliable Surface Defect Detection', ICPR; chapter 09).

One network for both settings. Without labelled defects it learns from synthetic ones: noise on the features of good
images, inside a mask of Perlin noise. With labelled defects it learns from those as well. A segmentation head marks
positions; a classification head reads the features and that map, and gives the image score.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from adlib.detectors.draem import focal_loss
from adlib.detectors.supervised import LABEL, MASK, SupervisedDetector
from adlib.detectors.training import Maps, stack
from adlib.errors import InputError
from adlib.features.extract import ImageFeatures
from adlib.networks.standardised import Standardised
from adlib.synthesis.perlin import perlin_masks

MARGIN = 0.5  # of the truncated L1 loss, as in the paper
SLOPE = 0.2  # of the leaky activations


@dataclass(kw_only=True, eq=False, repr=False)
class SuperSimpleNet(SupervisedDetector):
    """A segmentation and a classification head, with or without labelled defects: one network for both settings.

    Patch scores: the segmentation head's logit of a defect at each position. Image score: the classification head's
    logit, which unlike a probability has no ceiling. A labelled defect without a mask trains the second head alone.
    The paper upscales the maps of a WideResNet-50 by 2 and averages 3 x 3 windows, trains wider heads on two copies of
    each batch for 300 epochs, with noise on half of all images, and stops the gradient from the second head to the
    first where nothing is labelled. Here the grid is the backbone's finest, half of the good images of a batch get the
    noise, at random, and the steps are few, so that a fit takes seconds.

    noise: standard deviation of the noise on features, in standard deviations of a channel over good images.
    width: channels of the segmentation head.
    The other parameters are those of `TrainedDetector`.
    """

    name: ClassVar[str] = "supersimplenet"
    family: ClassVar[str] = "supervised"
    chapter: ClassVar[str] = "09"
    unit: ClassVar[str] = "logit of a defect"

    noise: float = 1.0
    width: int = 64

    def _check(self) -> None:
        super()._check()
        if self.noise <= 0:
            raise InputError(f"noise is a standard deviation above 0, not {self.noise}.")
        if self.width < 1:
            raise InputError(f"width is a number of channels, at least 1, not {self.width}.")

    def _build(self) -> nn.Module:
        return TwoHeads(sum(self.network().dims[layer] for layer in self._layers()), self.width)

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        features = network.adapted(self._input(maps))
        features, masks = with_noise(features, maps[MASK], self.noise)
        labels = torch.maximum(maps[LABEL], masks.nan_to_num(0).amax(dim=(1, 2, 3)))
        segmented, classified = network.heads(features)
        marked = ~masks.isnan()
        logits, truth = segmented[marked], masks[marked]
        return truncated_loss(logits, truth) + focal_loss(logits, truth) + focal_loss(classified, labels)

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        network = self.network_
        segmented, classified = network.heads(network.adapted(self._input(stack([features]))))
        return classified[0], segmented[0, 0]


class TwoHeads(Standardised):
    """A linear adaptor, and the two heads on its output.

    channels: of the input.
    width: of the segmentation head; the classification head has an eighth of it.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels)
        narrow = max(1, width // 8)
        self.adaptor = nn.Conv2d(channels, channels, 1)
        nn.init.eye_(self.adaptor.weight[:, :, 0, 0])
        nn.init.zeros_(self.adaptor.bias)
        self.segment = nn.Sequential(*_block(channels, width, 1), nn.Conv2d(width, 1, 1, bias=False))
        self.look = nn.Sequential(*_block(channels + 1, narrow, 5))
        self.classify = nn.Linear(2 * narrow + 2, 1)

    def adapted(self, inputs: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape, standardised and adapted."""
        return self.adaptor(self.standard(inputs))

    def heads(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Adapted features (B, C, h, w) -> logits of positions (B, 1, h, w) and of images (B,)."""
        segmented = self.segment(features)
        looked = torch.cat([self.look(torch.cat([features, segmented], dim=1)), segmented], dim=1).flatten(2)
        pooled = torch.cat([looked.amax(dim=2), looked.mean(dim=2)], dim=1)
        return segmented, self.classify(pooled)[:, 0]


def with_noise(features: Tensor, masks: Tensor, deviation: float) -> tuple[Tensor, Tensor]:
    """Synthetic defects on half of the good images, at random: Gaussian noise inside a Perlin mask.

    features: (B, C, h, w).
    masks: (B, 1, h, w) as in `SupervisedDetector`: of a good image all 0.
    deviation: of the noise.
    Returns features with noise, and masks that mark it.
    """
    good = masks.flatten(1).eq(0).all(dim=1)  # NaN is not
    chosen = good & (torch.rand(len(masks)) < 0.5).to(masks.device)
    spoiled = perlin_masks(len(masks), masks.shape[2:]).to(masks) * chosen[:, None, None, None]
    return features + deviation * spoiled * torch.randn_like(features), masks + spoiled


def truncated_loss(logits: Tensor, truth: Tensor, margin: float = MARGIN) -> Tensor:
    """Truncated L1 loss: max(0, margin + x) of good positions, max(0, margin - x) of defective ones.

    Each side is averaged on its own, so a small defect counts as much as the good area around it; a side without any
    position costs nothing.

    logits, truth: (N,); truth is 0 or 1.
    """
    sides = ((margin + logits)[truth == 0], (margin - logits)[truth == 1])
    return sum(side.clamp(min=0).sum() / max(1, len(side)) for side in sides)


def _block(inputs: int, outputs: int, side: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, side, padding=side // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE)]
