"""CFLOW-AD (Gudovskiy et al. 2022, 'CFLOW-AD: Real-Time Unsupervised Anomaly Detection with Localization via
Conditional Normalizing Flows'; chapter 05).

One flow a level, on single feature vectors: it never sees two of them at once. Where a vector lies it is told by a
condition, the position in sines and cosines, so one network holds a density for each place, as PaDiM holds a Gaussian.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from adlib.detectors.flow import FlowDetector
from adlib.detectors.stfpm import on_finest_grid
from adlib.detectors.training import History, Maps, stack
from adlib.features.extract import ImageFeatures
from adlib.networks.coupling import Flow, dense

ENCODING = 128  # channels of the position, as in the paper
POSITIONS = 512  # vectors of a map that a training step looks at, drawn anew each time


class Levels(nn.ModuleDict):
    """Flows by level, and `best`: the highest log-density of each level among good pictures, in nats a channel."""

    def __init__(self, flows: dict[str, Flow]) -> None:
        super().__init__(flows)
        self.register_buffer("best", torch.zeros(len(flows)))


@dataclass(kw_only=True, eq=False, repr=False)
class CFLOW(FlowDetector):
    """Flows on single vectors that know their position; see `FlowDetector` for the parameters.

    Patch scores: the levels' 1 - exp(log p - best), log p in nats a channel and best its maximum over the good pictures
    learned from, so each level says between 0 and 1; summed over the levels on the finest grid. The official code takes
    the maximum over the test set, which one picture by itself does not have, and minimises -log sigmoid(log p).
    """

    name: ClassVar[str] = "cflow"
    family: ClassVar[str] = "normalizing flow"
    chapter: ClassVar[str] = "05"

    def _build(self) -> nn.Module:
        dims = self.network().dims
        return Levels({layer: self._flow(dims[layer]) for layer in self._layers()})

    def _flow(self, channels: int) -> Flow:
        return Flow(channels, [dense(self._hidden(channels))] * self.couplings, ENCODING)

    def log_likelihoods(self, network: nn.Module, maps: Maps) -> Maps:
        """Level -> log-density of the vector at each position, given the position, in nats a channel, (B, h, w)."""
        found = {}
        for layer, flow in network.items():
            vectors, places = _vectors(maps[layer])
            values = flow.log_likelihood(vectors.flatten(0, 1), places.repeat(len(vectors), 1)) / vectors.shape[2]
            found[layer] = values.reshape(len(vectors), *maps[layer].shape[2:])
        return found

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        total = 0.0
        for layer, flow in network.items():
            vectors, places = _vectors(maps[layer])
            drawn = torch.randperm(len(places))[:POSITIONS].to(places.device)
            vectors, places = vectors[:, drawn].flatten(0, 1), places[drawn].repeat(len(vectors), 1)
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

    def _score(self, features: ImageFeatures) -> tuple[float, Tensor]:
        maps = {layer: values[None] for layer, values in features.maps.items()}
        levels = self.log_likelihoods(self.network_, maps).items()
        unlikely = {
            layer: 1 - torch.exp((values - best).clamp(max=0))
            for (layer, values), best in zip(levels, self.network_.best, strict=True)
        }
        grid = on_finest_grid(unlikely)[0].sum(0)
        return features.frame.network_map(grid.cpu().numpy(), self.sigma).max(), grid


def position_encoding(height: int, width: int, channels: int = ENCODING) -> Tensor:
    """Where each position of a grid lies, in sines and cosines of falling frequency: (height * width, channels).

    Row by row. The first half of the channels holds the column x, the second the row y; each half is sin(x f), cos(x f)
    in turn for the frequencies f = 10000^(-4 i / channels), i = 0, 1, ... (Vaswani et al. 2017, in two dimensions).
    channels: a multiple of 4.
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
    return maps.flatten(2).mT, places
