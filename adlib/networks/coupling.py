"""Affine coupling layers: networks that can be run backwards, and know by how much they stretch space (chapter 05).

A layer leaves half of the channels as they are and scales and shifts the other half by what a subnet says of the first
(Dinh et al. 2017, 'Density estimation using Real NVP'). The subnet may be anything: it is never inverted. The Jacobian
is triangular, so the logarithm of its determinant is the sum of the log-scales, exactly.

Values are vectors (B, C) or maps (B, C, h, w); log-determinants come a position, (B,) or (B, h, w), and those of one
map add up to that of the whole map, also where a subnet looks at neighbours.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from adlib.errors import InputError

Subnet = Callable[[int, int], nn.Module]  # channels in, channels out -> a network that keeps the places


class Coupling(nn.Module):
    """z = [x1, x2 * exp(s) + t] with s, t = subnet(x1, condition), after the channels were put into `order`.

    order: a permutation of the channels; condition: channels that the subnet sees besides x1. The log-scale s ends in a
    tanh: one layer scales by a factor between 1/e and e, however wild the subnet. Wider bounds fit good values no
    better and make strangers, held-out good values among them, explode.
    """

    def __init__(self, order: Tensor, subnet: Subnet, condition: int = 0) -> None:
        super().__init__()
        channels = len(order)
        if channels < 2:
            raise InputError(
                f"A coupling layer splits its channels into two parts, so it takes at least 2, not {channels}."
            )
        self.kept = channels // 2
        self.register_buffer("order", order)
        self.subnet = subnet(self.kept + condition, 2 * (channels - self.kept))

    def forward(self, values: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z of the shape of `values`, and the log-determinant at each position."""
        first, second = self._split(values[:, self.order])
        scale, shift = self._scale_and_shift(first, condition)
        return torch.cat([first, second * scale.exp() + shift], dim=1), scale.sum(1)

    def inverse(self, values: Tensor, condition: Tensor | None = None) -> Tensor:
        """The x whose `forward` gives these values."""
        first, second = self._split(values)
        scale, shift = self._scale_and_shift(first, condition)
        return torch.cat([first, (second - shift) * (-scale).exp()], dim=1)[:, self.order.argsort()]

    def _split(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return values[:, : self.kept], values[:, self.kept :]

    def _scale_and_shift(self, first: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        seen = first if condition is None else torch.cat([first, condition], dim=1)
        scale, shift = self.subnet(seen).chunk(2, dim=1)
        return torch.tanh(scale), shift


class Flow(nn.Module):
    """A linear layer that whitens, then couplings; where they end, good values are to be standard normal.

    subnets: one for each coupling; torch's generator draws the orders of the channels. Before training every coupling
    does nothing (see `dense`, `convolutions`), so the flow begins as ONE Gaussian, that of the values given to
    `whiten`, and learns what this one gets wrong.
    """

    def __init__(self, channels: int, subnets: list[Subnet], condition: int = 0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("whitening", torch.eye(channels))
        orders = [_order(channels, number) for number in range(len(subnets))]
        self.couplings = nn.ModuleList(Coupling(*pair, condition) for pair in zip(orders, subnets, strict=True))

    def whiten(self, mean: Tensor, whitening: Tensor) -> None:
        """Set the linear layer x -> W (x - mean). mean: (C,); W: (C, C), lower triangular, its diagonal positive."""
        self.mean.copy_(mean)
        self.whitening.copy_(whitening)

    def forward(self, values: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z of the shape of `values`, and the log-determinant at each position."""
        values = torch.movedim((values.movedim(1, -1) - self.mean) @ self.whitening.T, -1, 1)
        log_det = self.whitening.diagonal().log().sum().expand(values.shape[0], *values.shape[2:])
        for coupling in self.couplings:
            values, more = coupling(values, condition)
            log_det = log_det + more
        return values, log_det

    def inverse(self, values: Tensor, condition: Tensor | None = None) -> Tensor:
        """The x whose `forward` gives these values: samples, where they are standard normal."""
        for coupling in reversed(self.couplings):
            values = coupling.inverse(values, condition)
        vectors = values.movedim(1, -1).flatten(0, -2).T  # (C, positions)
        vectors = torch.linalg.solve_triangular(self.whitening, vectors, upper=False).T + self.mean
        return vectors.reshape(*values.shape[:1], *values.shape[2:], -1).movedim(-1, 1)

    def log_likelihood(self, values: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logarithm of the density in nats, a position: (B,), or (B, h, w) whose sum is that of the whole map."""
        values, log_det = self(values, condition)
        return standard_normal(values) + log_det


def standard_normal(values: Tensor) -> Tensor:
    """Log-density of the standard normal in C dimensions: (B, C, ...) -> (B, ...)."""
    return -0.5 * values.square().sum(1) - 0.5 * values.shape[1] * math.log(2 * math.pi)


def dense(width: int) -> Subnet:
    """Subnets for vectors: two hidden layers."""

    def build(inputs: int, outputs: int) -> nn.Module:
        first, second, last = nn.Linear(inputs, width), nn.Linear(width, width), nn.Linear(width, outputs)
        return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), _silent(last))

    return build


def convolutions(width: int, size: int) -> Subnet:
    """Subnets for maps: two convolutions of `size` x `size`, odd."""

    def build(inputs: int, outputs: int) -> nn.Module:
        first, last = (nn.Conv2d(*pair, size, padding=size // 2) for pair in ((inputs, width), (width, outputs)))
        return nn.Sequential(first, nn.ReLU(), _silent(last))

    return build


def _silent(layer: nn.Linear | nn.Conv2d) -> nn.Module:
    """The layer with weights of 0: a coupling that ends in it begins as the identity."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _order(channels: int, number: int) -> Tensor:
    """Channels shuffled for every even coupling, the halves changed for every odd one.

    So any two couplings in a row change every channel, and the next two mix them anew.
    """
    if number % 2 == 0:
        return torch.randperm(channels)
    return torch.arange(channels).roll(-(channels // 2))
