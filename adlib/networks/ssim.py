"""Structural similarity (Wang, Bovik, Sheikh & Simoncelli 2004, 'Image Quality Assessment') as a differentiable map.

Chapter 07. SSIM compares mean, variance and correlation of two windows. Windows whose values rise and fall together are
similar in structure, and a change of brightness counts less than a missing edge.
"""

import functools

import torch
from torch import Tensor

WINDOW = 11  # pixels
SIGMA = 1.5  # of the window's Gaussian weights
_STEADY = (0.01**2, 0.03**2)  # they keep the quotient finite in flat windows; for values in [0, 1]


def ssim_map(first: Tensor, second: Tensor) -> Tensor:
    """SSIM of the windows around every pixel, from -1 to 1 (equal).

    A window is 11 x 11 pixels with Gaussian weights (sigma 1.5), as in the paper. At the border the weights of the
    pixels inside the image are scaled to sum to 1.

    first, second: images (B, C, h, w) with values in [0, 1].
    Returns (B, C, h, w).
    """
    steady_mean, steady_spread = _STEADY
    channels = first.shape[1]
    moments = torch.cat([first, second, first * first, second * second, first * second], dim=1)
    mean_1, mean_2, square_1, square_2, product = _window_means(moments).split(channels, dim=1)
    # min=0: by rounding, the difference of two close numbers can be negative.
    variance_1, variance_2 = (square_1 - mean_1**2).clamp(min=0), (square_2 - mean_2**2).clamp(min=0)
    covariance = product - mean_1 * mean_2
    light = (2 * mean_1 * mean_2 + steady_mean) / (mean_1**2 + mean_2**2 + steady_mean)
    return light * (2 * covariance + steady_spread) / (variance_1 + variance_2 + steady_spread)


def _window_means(values: Tensor) -> Tensor:
    """Weighted mean of the window around every pixel, (B, C, h, w); the window is separable into rows and columns."""
    rows, columns = (_weights(int(side)).to(values) for side in values.shape[2:])
    return rows @ values @ columns.T


@functools.cache
def _weights(side: int) -> Tensor:
    """(side, side): row i holds the weights of the pixels of one row or column in the window around pixel i.

    A matrix product, since a convolution of one channel takes four times as long here, and its gradient even longer.
    """
    # float64: variances are small differences of means, and weights that sum to 1 + 1e-7 would show.
    places = torch.arange(side, dtype=torch.float64)
    offsets = places[None] - places[:, None]
    weights = torch.exp(-(offsets**2) / (2 * SIGMA**2)) * (offsets.abs() <= WINDOW // 2)
    return weights / weights.sum(1, keepdim=True)
