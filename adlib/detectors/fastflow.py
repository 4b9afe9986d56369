"""FastFlow (Yu et al. 2021, 'FastFlow: Unsupervised Anomaly Detection and Localization via 2D Normalizing Flows').

Chapter 05. One flow per level of the feature pyramid, on whole maps: its subnets are convolutions, alternately 3 x 3
and 1 x 1, so the expected value of a vector depends on its neighbours. Vectors that the flow maps far from the mean of
the standard normal are anomalous.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from adlib.detectors.flow import FlowDetector
from adlib.detectors.training import Maps
from adlib.networks.coupling import Flow, convolutions


@dataclass(kw_only=True, eq=False, repr=False)
class FastFlow(FlowDetector):
    """Convolutional normalizing flows on feature maps; unlikely features are anomalous.

    Parameters: see `FlowDetector`.
    Patch scores: see `FlowDetector`; the energy of z with C channels is |z|^2 / 2C. The paper's score is 1 minus the
    mean of exp(-energy). As in public implementations the log-determinant is part of the training loss but not of the
    score. Public implementations start from the mean and standard deviation of each channel; here the flow starts from
    the full covariance.
    """

    name: ClassVar[str] = "fastflow"
    family: ClassVar[str] = "normalizing flow"
    chapter: ClassVar[str] = "05"
    unit: ClassVar[str] = "energy, half a squared standard deviation per channel, smoothed"
    revision: ClassVar[int] = 1  # 1: the logarithm of the score

    def _flow(self, channels: int) -> Flow:
        hidden = self._hidden(channels)
        return Flow(channels, [convolutions(hidden, (3, 1)[number % 2]) for number in range(self.couplings)])

    def log_likelihoods(self, network: nn.Module, maps: Maps) -> Maps:
        """Level -> contribution of each position to the map's log-density, in nats per channel, (B, h, w)."""
        return {layer: flow.log_likelihood(maps[layer]) / maps[layer].shape[1] for layer, flow in network.items()}

    def _energies(self, maps: Maps) -> Maps:
        return {layer: 0.5 * flow(maps[layer])[0].square().mean(1) for layer, flow in self.network_.items()}
