"""Codes that are Gaussians instead of values, as in variational autoencoders (chapters 07 and 18)."""

import torch
from torch import Tensor


def sampled(mean: Tensor, log_variance: Tensor) -> Tensor:
    """A sample of each N(mean, variance), through which gradients pass to both (Kingma & Welling 2014, sec. 2.4)."""
    return mean + torch.randn_like(mean) * (0.5 * log_variance).exp()


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, variance) from N(0, 1) in nats, for each value; 0 where they are equal."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
