"""CFLOW-AD (Gudovskiy et al. 2022, 'CFLOW-AD: Real-Time Unsupervised Anomaly Detection with Localization via
Conditional Normalizing Flows'; chapter 05).

One flow per level, on single feature vectors, without their neighbours. The flow is conditioned on the position, in
sines and cosines, so one network models a density for each position, as PaDiM fits a Gaussian for each.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from adlib.detectors.flow import FlowDetector
from adlib.detectors.training import History, Maps, stack
from adlib.features.extract import ImageFeatures
from adlib.networks.coupling import Flow, dense

ENCODING = 128  # channels of the position, as in the paper
POSITIONS = 512  # vectors of a map in a training step, resampled every time


class Levels(nn.ModuleDict):
    """Flows by level, and `best`: the highest log-density of each level on good images, in nats per channel."""

    def __init__(self, flows: dict[str, Flow]) -> None:
        super().__init__(flows)
        self.register_buffer("best", torch.zeros(len(flows)))


@dataclass(kw_only=True, eq=False, repr=False)
class CFLOW(FlowDetector):
    """Normalizing flows on single feature vectors and their position; unlikely features are anomalous.

    Parameters: see `FlowDetector`.
    Patch scores: see `FlowDetector`; the energy is best - log p, in nats per channel, where best is the maximum of
    log p over the good images of `fit`; better vectors have negative energies. The official code scores by the sum of
    1 - exp(-energy), takes the maximum over the test set, which is not available for a single image, and minimises
    -log sigmoid(log p).
    """

    name: ClassVar[str] = "cflow"
    family: ClassVar[str] = "normalizing flow"
    chapter: ClassVar[str] = "05"
    unit: ClassVar[str] = "difference of log-densities in nats per channel, smoothed"
    revision: ClassVar[int] = 1  # 1: the logarithm of the score, without a limit below

    def _build(self) -> nn.Module:
        dims = self.network().dims
        return Levels({layer: self._flow(dims[layer]) for layer in self._layers()})

    def _flow(self, channels: int) -> Flow:
        return Flow(channels, [dense(self._hidden(channels))] * self.couplings, ENCODING)

    def log_likelihoods(self, network: nn.Module, maps: Maps) -> Maps:
        """Level -> log-density of the vector at each position, given the position, in nats per channel, (B, h, w)."""
        densities = {}
        for layer, flow in network.items():
            vectors, places = _vectors(maps[layer])
            values = flow.log_likelihood(vectors.flatten(0, 1), places.repeat(len(vectors), 1)) / vectors.shape[2]
            densities[layer] = values.reshape(len(vectors), *maps[layer].shape[2:])
        return densities

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        total = 0.0
        for layer, flow in network.items():
            vectors, places = _vectors(maps[layer])
            sampled = torch.randperm(len(places))[:POSITIONS].to(places.device)
            vectors, places = vectors[:, sampled].flatten(0, 1), places[sampled].repeat(len(vectors), 1)
            total = total - flow.log_likelihood(vectors, places).mean() / vectors.shape[1]
        return total

    def _train(
        self, network: nn.Module, trained: list[ImageFeatures], watched: list[ImageFeatures], show_progress: bool
    ) -> History:
        history = super()._train(network, trained, watched, show_progress)
        with torch.inference_mode():
            good = [self.log_likelihoods(network.eval(), stack([sample])) for sample in (*trained, *watched)]
            network.best.copy_(torch.stack([max(one[layer].max() for one in good) for layer in network]))
        return history

    def _energies(self, maps: Maps) -> Maps:
        levels = self.log_likelihoods(self.network_, maps).items()
        return {layer: best - values for (layer, values), best in zip(levels, self.network_.best, strict=True)}


def position_encoding(height: int, width: int, channels: int = ENCODING) -> Tensor:
    """Encoding of each position of a grid in sines and cosines of decreasing frequency.

    The first half of the channels encodes the column x, the second half the row y; each half alternates sin(x f) and
    cos(x f) for the frequencies f = 10000^(-4 i / channels), i = 0, 1, ... (Vaswani et al. 2017, in two dimensions).

    height, width: of the grid.
    channels: a multiple of 4.
    Returns (height * width, channels), row by row.
    """
    frequencies = 10000.0 ** (-4 * torch.arange(channels // 4) / channels)
    halves = []
    for count in (width, height):
        angles = torch.arange(count)[:, None] * frequencies
        halves.append(torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1))
    across, down = halves
    grid = [across.expand(height, -1, -1), down[:, None].expand(-1, width, -1)]
    return torch.cat(grid, dim=2).flatten(0, 1)


def _vectors(maps: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C, h, w) -> vectors (B, h * w, C) and their positions, encoded (h * w, ENCODING)."""
    places = position_encoding(*maps.shape[2:]).to(maps.device, maps.dtype)
    return maps.flatten(2).transpose(1, 2), places
