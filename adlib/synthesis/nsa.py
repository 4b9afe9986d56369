"""NSA (Schlueter et al. 2022, 'Natural Synthetic Anomalies for Self-supervised Anomaly Detection and Localization').

A rectangle of ANOTHER good image is resized and blended in by its gradients (Poisson blending, `blending.py`), so that
no edge gives it away. Where the blended piece happens to look like what was there, nothing changed; the label is
therefore soft: it rises with the change in intensity. Chapter 08. Random numbers come from torch's generator.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from adlib.errors import InputError
from adlib.synthesis.blending import blend
from adlib.synthesis.chance import between

HALF_SIDE = (0.05, 0.2)  # bounds of half a rectangle's side, fraction of the image's side
RESIZED = (0.7, 1.3)  # bounds of the factor by which a rectangle is resized
STEEPNESS, MIDDLE = 1 / 6, 20.0  # of the logistic label, over grey levels of 0 to 255
SEEN = 1.0  # grey levels; a smaller change is none
WINDOW = 5  # side of the median filter on the change, in pixels
TRIES = 10  # rectangles sampled until one changes the image


def nsa(image: Tensor, other: Tensor, patches: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Blend rectangles of another good image into an image.

    The first rectangle is always there, each further one with probability 1/2. Half a side is 0.03 + Gamma(2, 0.05) of
    the image's side, within 0.05 to 0.2; then the rectangle is resized by a factor from N(1, 0.5), within 0.7 to 1.3.
    The paper samples rectangles until they overlap the object, found by a background colour for each category; here
    they are sampled until one changes the image, ten times at most, so that a plain background rarely lands on itself.

    image: (3, H, W) in [0, 1].
    other: (3, H, W) in [0, 1], the good image that rectangles come from.
    patches: largest number of rectangles.
    Returns the image (3, H, W) in [0, 1]; the mask (1, H, W) bool, where it changed by more than one grey level of 255;
    and the label (1, H, W) in [0, 1], 0 off the mask.
    Raises InputError for images of different shapes and where patches is below 1.
    """
    if image.shape != other.shape or patches < 1:
        sizes = f"{tuple(image.shape)} and {tuple(other.shape)}"
        raise InputError(f"NSA takes two images of one shape and at least 1 patch, not {sizes} and {patches}.")
    for _ in range(TRIES):
        changed = _blended(image, other)
        if _change(image, changed).gt(SEEN).any():
            break
    for _ in range(patches - 1):
        if torch.rand(()) < 0.5:
            changed = _blended(changed, other)
    change = _change(image, changed)
    return changed, change > SEEN, soft_label(change)


def soft_label(change: Tensor) -> Tensor:
    """Label in [0, 1] of a change in grey levels of 0 to 255: 1 / (1 + exp(-(change - 20) / 6)), 0 up to one level."""
    return torch.where(change > SEEN, torch.sigmoid(STEEPNESS * (change - MIDDLE)), torch.zeros_like(change))


def _change(before: Tensor, after: Tensor) -> Tensor:
    """Mean absolute difference over the channels in grey levels, median-filtered: (3, H, W) twice -> (1, H, W)."""
    difference = 255 * (after - before).abs().mean(0, keepdim=True)
    padded = F.pad(difference[None], [WINDOW // 2] * 4, mode="reflect")
    windows = F.unfold(padded, WINDOW)[0]  # (25, H * W)
    return windows.median(dim=0).values.reshape(difference.shape)


def _blended(image: Tensor, other: Tensor) -> Tensor:
    size = image.shape[1:]
    sides = [round(2 * _half_side() * whole) for whole in size]
    top, left = (int(torch.randint(whole - side + 1, ())) for whole, side in zip(size, sides, strict=True))
    piece = other[:, top : top + sides[0], left : left + sides[1]]
    factor = min(max(1 + 0.5 * float(torch.randn(())), RESIZED[0]), RESIZED[1])
    sides = [max(3, min(round(factor * side), whole - 2)) for side, whole in zip(sides, size, strict=True)]
    piece = F.interpolate(piece[None], size=sides, mode="bilinear", antialias=True)[0]
    top, left = (int(torch.randint(whole - side + 1, ())) for whole, side in zip(size, sides, strict=True))
    inside = F.pad(torch.ones(1, sides[0] - 2, sides[1] - 2, dtype=torch.bool), (1, 1, 1, 1))
    return blend(image, piece.clamp(0, 1), inside.to(image.device), top, left)


def _half_side() -> float:
    """0.03 + Gamma(shape 2, scale 0.05), bounded: the sum of two exponentials is a gamma of shape 2."""
    gamma = -0.05 * sum(math.log(between(1e-9, 1.0)) for _ in range(2))
    return min(max(0.03 + gamma, HALF_SIDE[0]), HALF_SIDE[1])
