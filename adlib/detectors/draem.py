"""DRAEM (Zavrtanik, Kristan & Skocaj 2021, 'DRAEM: A Discriminatively Trained Reconstruction Embedding'; chapter 08).

Good images get synthetic defects: foreign texture on a mask of Perlin noise. An autoencoder learns to repair them; a
U-Net gets the image and its repair as input and learns to segment the defect. The U-Net replaces the plain difference:
it has learned which differences matter.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adlib.detectors.pixels import PixelDetector, apart
from adlib.detectors.training import Maps
from adlib.errors import InputError, check_choice
from adlib.features.pixels import PIXELS
from adlib.networks.unet import Hourglass, check_shape
from adlib.synthesis.pasting import TEXTURES, made_up_defects

FOCUS = 2.0  # exponent of the focal loss
DECAYS_AFTER = (0.8, 0.9)  # fractions of the training steps, as in the authors' code


@dataclass(kw_only=True, eq=False, repr=False)
class DRAEM(PixelDetector):
    """A network repairs synthetic defects; a U-Net compares image and repair and segments the defect.

    It works on pixels and has no backbone. Patch scores: the probability of a defect at each pixel. Image score: see
    `PixelDetector`.
    The paper works at 256 pixels, with 128 and 64 channels at full resolution, for 700 epochs, on textures from DTD,
    and rotates good images at random; here the networks are small, the epochs few, and the textures those of `pasting`.

    width, depth: of both networks, see `Hourglass`.
    textures: what is pasted, see `made_up_defects`.
    decay: factor of the learning rate after 80% and again after 90% of the steps (0.2 in the authors' code, 1 for
        none).
    """

    name: ClassVar[str] = "draem"
    family: ClassVar[str] = "reconstruction"
    chapter: ClassVar[str] = "08"
    unit: ClassVar[str] = "probability of a defect, smoothed"

    learning_rate: float = 3e-4
    width: int = 16
    depth: int = 4
    textures: str = "all"
    decay: float = 0.2

    def _check(self) -> None:
        super()._check()
        check_shape(self.width, self.depth)
        check_choice("kind of textures", self.textures, TEXTURES)
        if not 0 < self.decay <= 1:
            raise InputError(f"decay must be a factor above 0 and at most 1, not {self.decay}.")

    def _build(self) -> nn.Module:
        return RepairAndCompare(self.width, self.depth)

    def _rate(self, step: int) -> float:
        return self.decay ** sum(step > share * self.steps for share in DECAYS_AFTER)

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        good = maps[PIXELS]
        spoiled, masks = made_up_defects(good, self.textures)
        repaired, logits = network(spoiled)
        repair = apart(good, repaired, "l2").mean() + apart(good, repaired, "ssim").mean()
        return repair + focal_loss(logits, masks)

    def _pixel_scores(self, pixels: Tensor) -> Tensor:
        _, logits = self.network_(pixels)
        return logits[:, 0].sigmoid()


class RepairAndCompare(nn.Module):
    """The two networks: `repair` has no skip connections, `compare` has all of them."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.repair = Hourglass(3, 3, width, depth)
        self.compare = Hourglass(6, 1, width, depth, skips=depth)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, h, w) RGB in [0, 1] -> repaired images of that shape, and logits (B, 1, h, w) of a defect."""
        repaired = self.repair(images)
        return repaired, self.compare(torch.cat([images, repaired], dim=1))


def focal_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Mean of -(1 - p)^2 log p, where p is the predicted probability of the true class (Lin et al. 2017).

    The factor (1 - p)^2 reduces the weight of confident pixels: most pixels are good and soon confident, and would
    otherwise outweigh the few defective pixels.

    logits: any shape.
    masks: bool, of the same shape.
    """
    surprise = F.binary_cross_entropy_with_logits(logits, masks.to(logits.dtype), reduction="none")
    return ((1 - (-surprise).exp()) ** FOCUS * surprise).mean()
