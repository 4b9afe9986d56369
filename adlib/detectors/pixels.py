"""Base class of detectors that train on pixels, without a backbone, and score each pixel (chapters 07 and 08)."""

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor

from adlib.detectors.training import TrainedDetector
from adlib.features.extract import ImageFeatures
from adlib.features.pixels import PIXELS
from adlib.networks.ssim import ssim_map


@dataclass(kw_only=True, eq=False, repr=False)
class PixelDetector(TrainedDetector):
    """A detector that trains on the pixels of good images (128 x 128 by default) and scores every pixel.

    Image score: the maximum of the map smoothed by `sigma`.
    """

    backbone: str = "pixels"
    resize: int | None = 128
    steps: int = 1000
    patience: int = 20
    sigma: float = 2.0

    @abstractmethod
    def _pixel_scores(self, pixels: Tensor) -> Tensor:
        """(B, 3, h, w) RGB in [0, 1] -> (B, h, w) patch scores, higher is more anomalous."""

    def _layers(self) -> tuple[str, ...]:
        return tuple(self.layers or (PIXELS,))

    def _score(self, features: ImageFeatures) -> tuple[float, Tensor]:
        grid = self._pixel_scores(features.maps[PIXELS][None])[0]
        return features.frame.highest(grid, self.sigma), grid


def apart(pixels: Tensor, returned: Tensor, loss: str) -> Tensor:
    """Difference of two batches of images at each pixel: (B, h, w), >= 0.

    pixels, returned: (B, C, h, w) images and their reconstructions.
    loss: "l2" for the squared difference, "ssim" for 1 - SSIM, each averaged over channels.
    """
    if loss == "l2":
        return (pixels - returned).square().mean(1)
    return 1 - ssim_map(pixels, returned).mean(1)
