"""Affine coupling layers: invertible networks with a known Jacobian determinant (chapter 05).

A layer leaves half of the channels unchanged, and scales and shifts the other half by the output of a subnet on the
first (Dinh et al. 2017, 'Density estimation using Real NVP'). The subnet may be any network: it is never inverted. The
Jacobian is triangular, so the logarithm of its determinant is exactly the sum of the log-scales.

Values are vectors (B, C) or maps (B, C, h, w). There is one log-determinant per position, (B,) or (B, h, w); those of
one map add up to that of the whole map, also where a subnet uses neighbours.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from adlib.errors import InputError

Subnet = Callable[[int, int], nn.Module]  # channels in, channels out -> a network that keeps height and width


class Coupling(nn.Module):
    """z = [x1, x2 * exp(s) + t] with s, t = subnet(x1, condition), after the channels were put into `order`.

    The log-scale s ends in a tanh, so that one layer scales by a factor between 1/e and e for any subnet. Wider bounds
    fit good values no better, and unseen values explode, including held-out good values.

    order: a permutation of the channels.
    subnet: builds the network from its numbers of channels.
    condition: number of channels that the subnet gets besides x1.
    Raises InputError for fewer than 2 channels.
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
        """z in the shape of `values`, and the log-determinant at each position."""
        first, second = self._split(values[:, self.order])
        scale, shift = self._scale_and_shift(first, condition)
        return torch.cat([first, second * scale.exp() + shift], dim=1), scale.sum(1)

    def inverse(self, values: Tensor, condition: Tensor | None = None) -> Tensor:
        """The x for which `forward` gives these values."""
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
    """A whitening linear layer, then couplings; training makes good values standard normal at the output.

    Before training every coupling is the identity (see `dense`, `convolutions`). So the flow starts as ONE Gaussian,
    with the mean and covariance given to `whiten`, and learns where this Gaussian is wrong.

    channels: number of channels.
    subnets: one for each coupling. The orders of the channels come from torch's generator.
    condition: number of channels of the condition.
    """

    def __init__(self, channels: int, subnets: list[Subnet], condition: int = 0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("whitening", torch.eye(channels))
        orders = [_order(channels, number) for number in range(len(subnets))]
        self.couplings = nn.ModuleList(Coupling(*pair, condition) for pair in zip(orders, subnets, strict=True))

    def whiten(self, mean: Tensor, whitening: Tensor) -> None:
        """Set the linear layer x -> W (x - mean).

        mean: (C,).
        whitening: W, (C, C), lower triangular with a positive diagonal.
        """
        self.mean.copy_(mean)
        self.whitening.copy_(whitening)

    def forward(self, values: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z in the shape of `values`, and the log-determinant at each position."""
        last = values.ndim - 1  # not -1, which ends as it is in an exported graph
        values = torch.movedim((values.movedim(1, last) - self.mean) @ self.whitening.T, last, 1)
        log_det = self.whitening.diagonal().log().sum().expand(values.shape[0], *values.shape[2:])
        for coupling in self.couplings:
            values, more = coupling(values, condition)
            log_det = log_det + more
        return values, log_det

    def inverse(self, values: Tensor, condition: Tensor | None = None) -> Tensor:
        """The x for which `forward` gives these values: samples of the flow, where the values are standard normal."""
        for coupling in reversed(self.couplings):
            values = coupling.inverse(values, condition)
        vectors = values.movedim(1, -1).flatten(0, -2).T  # (C, positions)
        vectors = torch.linalg.solve_triangular(self.whitening, vectors, upper=False).T + self.mean
        return vectors.reshape(*values.shape[:1], *values.shape[2:], -1).movedim(-1, 1)

    def log_likelihood(self, values: Tensor, condition: Tensor | None = None) -> Tensor:
        """Log-density in nats at each position: (B,), or (B, h, w) whose sum is the log-density of the whole map."""
        values, log_det = self(values, condition)
        return standard_normal(values) + log_det


def standard_normal(values: Tensor) -> Tensor:
    """Log-density of the standard normal in C dimensions: (B, C, ...) -> (B, ...)."""
    return -0.5 * values.square().sum(1) - 0.5 * values.shape[1] * math.log(2 * math.pi)


def dense(width: int) -> Subnet:
    """Subnets for vectors: two hidden layers."""

    def build(inputs: int, outputs: int) -> nn.Module:
        first, second, last = nn.Linear(inputs, width), nn.Linear(width, width), nn.Linear(width, outputs)
        return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), _zeroed(last))

    return build


def convolutions(width: int, size: int) -> Subnet:
    """Subnets for maps: two convolutions of `size` x `size` (odd)."""

    def build(inputs: int, outputs: int) -> nn.Module:
        first, last = (nn.Conv2d(*pair, size, padding=size // 2) for pair in ((inputs, width), (width, outputs)))
        return nn.Sequential(first, nn.ReLU(), _zeroed(last))

    return build


def _zeroed(layer: nn.Linear | nn.Conv2d) -> nn.Module:
    """The layer with weights of 0: a coupling whose subnet ends in it starts as the identity."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _order(channels: int, number: int) -> Tensor:
    """A random order for every even coupling, swapped halves for every odd coupling.

    So any two consecutive couplings change every channel, and the next two mix the channels again.
    """
    if number % 2 == 0:
        return torch.randperm(channels)
    return torch.arange(channels).roll(-(channels // 2))
