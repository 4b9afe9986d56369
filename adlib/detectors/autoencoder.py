"""The convolutional autoencoder: a network reconstructs an image, and the reconstruction error is the score.

Chapter 07. With the squared error it is the oldest reconstruction method; with structural similarity it is that of
Bergmann, Loewe, Fauser, Sattlegger & Steger 2019, 'Improving Unsupervised Defect Segmentation by Applying Structural
Similarity to Autoencoders'. The bottleneck has learned to encode good parts; a defect that still passes through it is
reconstructed and missed.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from adlib.detectors.pixels import PixelDetector, apart
from adlib.detectors.training import Maps
from adlib.errors import check_choice
from adlib.features.pixels import PIXELS
from adlib.networks.unet import Hourglass, check_shape

LOSSES = ("l2", "ssim")


@dataclass(kw_only=True, eq=False, repr=False)
class Autoencoder(PixelDetector):
    """A network trained to reconstruct good images; pixels that it cannot reconstruct are anomalous.

    It works on pixels and has no backbone. Image score: see `PixelDetector`.

    loss: "l2" or "ssim", see `apart`, in training and as the patch score (here a patch is one pixel).
    width, depth, bottleneck, skips: see `Hourglass`; with the defaults an image of 128 x 128 pixels is encoded in 8 x 8
        positions of 32 values.
    """

    name: ClassVar[str] = "autoencoder"
    family: ClassVar[str] = "reconstruction"
    chapter: ClassVar[str] = "07"
    unit: ClassVar[str] = "squared error or 1 - SSIM of a pixel, smoothed"

    learning_rate: float = 2e-3
    loss: str = "ssim"
    width: int = 16
    depth: int = 4
    bottleneck: int = 32
    skips: int = 0

    def _check(self) -> None:
        super()._check()
        check_choice("loss", self.loss, LOSSES)
        check_shape(self.width, self.depth, self.bottleneck, self.skips)

    def _build(self) -> nn.Module:
        return Hourglass(3, 3, self.width, self.depth, self.bottleneck, self.skips)

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        pixels = maps[PIXELS]
        return apart(pixels, network(pixels), self.loss).mean()

    def _pixel_scores(self, pixels: Tensor) -> Tensor:
        return apart(pixels, self.network_(pixels), self.loss)
