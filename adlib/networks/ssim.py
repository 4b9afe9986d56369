"""Structural similarity (Wang, Bovik, Sheikh & Simoncelli 2004, 'Image Quality Assessment'), as a map one can train by.

Chapter 07. Two windows are alike in structure where their values rise and fall together: mean, spread and correlation
are compared, and a change of light counts less than a lost line.
"""

import functools

import torch
from torch import Tensor

WINDOW = 11  # pixels
SIGMA = 1.5  # of the window's Gaussian weights
_STEADY = (0.01**2, 0.03**2)  # keep the quotient finite in flat windows; for values in [0, 1]


def ssim_map(first: Tensor, second: Tensor) -> Tensor:
    """SSIM of the windows around every pixel, 1 where they are equal and -1 at least: (B, C, h, w) twice -> the same.

    Values are meant to lie in [0, 1]. A window is 11 x 11 pixels with Gaussian weights (sigma 1.5), as the paper has
    it; at the border its weights are those of the pixels inside the picture, scaled to sum 1.
    """
    steady_mean, steady_spread = _STEADY
    channels = first.shape[1]
    moments = torch.cat([first, second, first * first, second * second, first * second], dim=1)
    mean_1, mean_2, square_1, square_2, product = _window_means(moments).split(channels, dim=1)
    # max(0): the difference of two near numbers can fall below it by rounding.
    variance_1, variance_2 = (square_1 - mean_1**2).clamp(min=0), (square_2 - mean_2**2).clamp(min=0)
    covariance = product - mean_1 * mean_2
    light = (2 * mean_1 * mean_2 + steady_mean) / (mean_1**2 + mean_2**2 + steady_mean)
    return light * (2 * covariance + steady_spread) / (variance_1 + variance_2 + steady_spread)


def _window_means(values: Tensor) -> Tensor:
    """Weighted mean of the window around every pixel, (B, C, h, w): the window is a product of rows and columns."""
    rows, columns = (_weights(side).to(values) for side in values.shape[2:])
    return rows @ values @ columns.T


@functools.cache
def _weights(side: int) -> Tensor:
    """(side, side): row i weights the pixels of a line in the window around pixel i.

    A product of matrices, since a convolution of one channel takes four times as long here, and its gradient more.
    """
    # float64: variances are small differences of means, and weights that sum to 1 + 1e-7 would show in them.
    places = torch.arange(side, dtype=torch.float64)
    offsets = places[None] - places[:, None]
    weights = torch.exp(-(offsets**2) / (2 * SIGMA**2)) * (offsets.abs() <= WINDOW // 2)
    return weights / weights.sum(1, keepdim=True)
