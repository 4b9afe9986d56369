"""The variational autoencoder (Kingma & Welling 2014, 'Auto-Encoding Variational Bayes'), as a detector (chapter 07).

The bottleneck holds a Gaussian at each position instead of a value: noise is added in training, and a penalty keeps the
Gaussians close to the standard normal. Detail below the noise is lost, and defects with it.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from adlib.detectors.autoencoder import Autoencoder
from adlib.detectors.pixels import apart
from adlib.detectors.training import Maps
from adlib.errors import InputError
from adlib.features.pixels import PIXELS
from adlib.networks.latent import divergence, sampled
from adlib.networks.unet import Hourglass


@dataclass(kw_only=True, eq=False, repr=False)
class VAE(Autoencoder):
    """An autoencoder with a noisy bottleneck; pixels that it cannot reconstruct are anomalous.

    Noise is sampled in training only: images are scored by the reconstruction from the Gaussians' means. All else is as
    in `Autoencoder`.

    kl_weight: weight of the divergence from the standard normal, in nats per value of the image; the loss of a pixel
        has weight 1.
    """

    name: ClassVar[str] = "vae"

    loss: str = "l2"
    kl_weight: float = 1e-2

    def _check(self) -> None:
        super()._check()
        if self.kl_weight < 0:
            raise InputError(f"kl_weight must be at least 0, not {self.kl_weight}.")

    def _build(self) -> nn.Module:
        return NoisyHourglass(3, 3, self.width, self.depth, self.bottleneck, self.skips)

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        pixels = maps[PIXELS]
        deepest, passed = network.encode(pixels)
        mean, log_variance = network.gaussians(deepest)
        code = sampled(mean, log_variance) if network.training else mean
        nats = divergence(mean, log_variance).sum() / pixels.numel()
        return apart(pixels, network.decode(code, passed), self.loss).mean() + self.kl_weight * nats


class NoisyHourglass(Hourglass):
    """An `Hourglass` whose code is the mean of a Gaussian; `spread` gives the logarithm of its variance."""

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, bottleneck: int, skips: int = 0) -> None:
        super().__init__(inputs, outputs, width, depth, bottleneck, skips)
        self.spread = nn.Conv2d(self.deepest, bottleneck, 1)

    def gaussians(self, deepest: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of the variances, each of the code's shape."""
        return self.squeeze(deepest), self.spread(deepest).clamp(-10, 10)  # keeps exp() in range
