"""The convolutional autoencoder: a network that gives a picture back, and what it cannot give back is the score.

Chapter 07. Trained by squared error it is the oldest of the kind; by structural similarity it is Bergmann, Loewe,
Fauser, Sattlegger & Steger 2019, 'Improving Unsupervised Defect Segmentation by Applying Structural Similarity to
Autoencoders'. Everything passes a bottleneck that has learned to carry good parts; a defect that gets through all the
same is copied and not found.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from adlib.detectors.training import Maps, TrainedDetector
from adlib.errors import InputError
from adlib.features.extract import ImageFeatures
from adlib.features.pixels import PIXELS
from adlib.networks.ssim import ssim_map
from adlib.networks.unet import Hourglass, check_shape

LOSSES = ("l2", "ssim")


@dataclass(kw_only=True, eq=False, repr=False)
class Autoencoder(TrainedDetector):
    """A network that gives back good pictures through a bottleneck; it works on pixels and has no backbone.

    loss: "l2" for the squared difference, "ssim" for 1 - SSIM, in training and as the patch score (here a patch is one
    pixel, the mean over RGB); width, depth, bottleneck, skips: see `Hourglass`; with the defaults a picture of 128
    pixels passes through 8 x 8 places of 32 values. Image score: the maximum of the map smoothed by `sigma`.
    """

    name: ClassVar[str] = "autoencoder"
    family: ClassVar[str] = "reconstruction"
    chapter: ClassVar[str] = "07"

    backbone: str = "pixels"
    resize: int | None = 128
    steps: int = 1000
    learning_rate: float = 2e-3
    patience: int = 20
    sigma: float = 2.0
    loss: str = "ssim"
    width: int = 16
    depth: int = 4
    bottleneck: int = 32
    skips: int = 0

    def _check(self) -> None:
        super()._check()
        if self.loss not in LOSSES:
            raise InputError(f"Unknown loss {self.loss!r}; choose one of {', '.join(LOSSES)}.")
        check_shape(self.width, self.depth, self.bottleneck, self.skips)

    def _layers(self) -> tuple[str, ...]:
        return tuple(self.layers or (PIXELS,))

    def _build(self) -> nn.Module:
        return Hourglass(3, 3, self.width, self.depth, self.bottleneck, self.skips)

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        pixels = maps[PIXELS]
        return apart(pixels, network(pixels), self.loss).mean()

    def _score(self, features: ImageFeatures) -> tuple[float, Tensor]:
        pixels = features.maps[PIXELS][None]
        grid = apart(pixels, self.network_(pixels), self.loss)[0]
        return features.frame.network_map(grid.cpu().numpy(), self.sigma).max(), grid


def apart(pixels: Tensor, returned: Tensor, loss: str) -> Tensor:
    """How far two batches of pictures are apart at each pixel: (B, C, h, w) twice -> (B, h, w). loss: of `LOSSES`."""
    if loss == "l2":
        return (pixels - returned).square().mean(1)
    return 1 - ssim_map(pixels, returned).mean(1)
