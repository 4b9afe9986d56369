"""Random numbers of synthetic defects, from torch's generator: `torch.manual_seed` fixes them."""

import torch


def between(low: float, high: float) -> float:
    """A number, uniform from low to high."""
    return low + (high - low) * float(torch.rand(()))
