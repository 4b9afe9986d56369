"""Base class of detectors that learn the density of feature maps by normalizing flows (chapter 05).

One flow per level of the feature pyramid. Each flow starts as one Gaussian of all patches of its level, measured before
training, so training starts from the model of chapter 04 and improves its likelihood.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from adlib.detectors.gaussian import PatchMoments, whitening
from adlib.detectors.training import Maps, TrainedDetector
from adlib.errors import InputError
from adlib.features.extract import ImageFeatures
from adlib.features.stages import pyramid_layers
from adlib.networks.coupling import Flow


@dataclass(kw_only=True, eq=False, repr=False)
class FlowDetector(TrainedDetector):
    """One flow per level, trained to minimise the negative log-likelihood of good maps.

    Image score: the maximum of the smoothed map.

    layers: the levels, None for the deepest layer at each of the strides 4, 8 and 16.
    couplings: coupling layers of a flow.
    width: hidden channels of the subnets, divided by the channels of the level.
    sigma: in network pixels.
    """

    couplings: int = 8
    width: float = 1.0

    @abstractmethod
    def _flow(self, channels: int) -> Flow:
        """The flow of a level with `channels` channels."""

    @abstractmethod
    def log_likelihoods(self, network: nn.Module, maps: Maps) -> Maps:
        """Level -> log-density of the vector at each position, in nats per channel, (B, h, w)."""

    def _check(self) -> None:
        super()._check()
        if self.couplings < 1:
            raise InputError(f"couplings is the number of a flow's coupling layers, at least 1, not {self.couplings}.")
        if self.width <= 0:
            raise InputError(
                f"width is the subnets' hidden channels per channel of the level, above 0, not {self.width}."
            )

    def _layers(self) -> tuple[str, ...]:
        return tuple(self.layers or pyramid_layers(self.network()))

    def _build(self) -> nn.Module:
        dims = self.network().dims
        return nn.ModuleDict({layer: self._flow(dims[layer]) for layer in self._layers()})

    def _hidden(self, channels: int) -> int:
        return max(1, round(self.width * channels))

    def _prepare(self, network: nn.Module, samples: Sequence[ImageFeatures]) -> None:
        for layer, flow in network.items():
            moments = PatchMoments()
            for sample in samples:
                moments.add(sample.maps[layer].flatten(1).T.double())
            mean, covariance = moments.finish()
            flow.whiten(mean, whitening(covariance))

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        return -sum(values.mean() for values in self.log_likelihoods(network, maps).values())
