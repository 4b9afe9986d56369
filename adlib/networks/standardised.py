"""Input channels of mean 0 and standard deviation 1, measured on good images before training."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Standardised(nn.Module):
    """Base class of networks that standardise their input, as buffers `mean` and `std`. channels: of the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))

    def standardise(self, inputs: Sequence[Tensor]) -> None:
        """Set mean and std such that every channel of the inputs (C, h, w) gets mean 0 and standard deviation 1."""
        values = torch.stack([torch.stack([one.mean((1, 2)), one.square().mean((1, 2))]) for one in inputs]).mean(0)
        self.mean.copy_(values[0, :, None, None])
        self.std.copy_((values[1] - values[0].square()).clamp(min=1e-8).sqrt()[:, None, None])

    def standard(self, inputs: Tensor) -> Tensor:
        """(B, C, h, w) -> the same, standardised."""
        return (inputs - self.mean) / self.std
