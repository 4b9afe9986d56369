"""CutPaste (Li et al. 2021, 'CutPaste: Self-Supervised Learning for Anomaly Detection and Localization'; chapter 08).

A rectangle is cut from a good image, changed slightly in colour and pasted back elsewhere into the same image: what is
pasted is good material in the wrong place, with sharp edges. A *patch* is large, a *scar* is small and turned. Random
numbers come from torch's generator, so `torch.manual_seed` fixes them.
"""

import math

import torch
from torch import Tensor

from adlib.synthesis.chance import between

AREA = (0.02, 0.15)  # of a patch, fraction of the image
ASPECT = (0.3, 3.3)  # height / width of a patch
SCAR_WIDTH, SCAR_LENGTH = (2, 16), (10, 25)  # pixels of an image with a shorter side of `SCAR_SIDE`
SCAR_SIDE = 256
SCAR_ANGLE = 45.0  # degrees, largest turn either way
JITTER = 0.1  # largest relative change of brightness, contrast and saturation


def cutpaste(image: Tensor) -> tuple[Tensor, Tensor]:
    """Paste a rectangle of the image elsewhere: 2% to 15% of its area, height / width 0.3 to 3.3 (sec. 2.2).

    image: (3, H, W) in [0, 1].
    Returns the image (3, H, W) in [0, 1] and the mask (1, H, W) bool of the pasted rectangle.
    """
    height, width = image.shape[1:]
    area = between(*AREA) * height * width
    aspect = math.exp(between(*(math.log(end) for end in ASPECT)))  # as likely above 1 as below
    return _moved(image, math.sqrt(area * aspect), math.sqrt(area / aspect), 0.0)


def scar(image: Tensor) -> tuple[Tensor, Tensor]:
    """Paste a small, often thin rectangle of the image elsewhere, turned by up to 45 degrees either way (sec. 2.3).

    At a shorter side of 256 pixels it is 2 to 16 wide and 10 to 25 long; in other images in proportion.

    image: (3, H, W) in [0, 1].
    Returns the image (3, H, W) in [0, 1] and the mask (1, H, W) bool of the scar.
    """
    scale = min(image.shape[1:]) / SCAR_SIDE
    length, width = scale * between(*SCAR_LENGTH), scale * between(*SCAR_WIDTH)
    return _moved(image, length, width, between(-SCAR_ANGLE, SCAR_ANGLE))


def jittered(pixels: Tensor) -> Tensor:
    """Pixels (3, ...) in [0, 1] with brightness, contrast and saturation changed by up to 10% each."""
    brightness, contrast, saturation = (1 + between(-JITTER, JITTER) for _ in range(3))
    changed = pixels * brightness
    changed = changed.mean() + contrast * (changed - changed.mean())
    grey = changed.mean(0, keepdim=True)
    return (grey + saturation * (changed - grey)).clamp(0, 1)


def _moved(image: Tensor, height: float, width: float, angle: float) -> tuple[Tensor, Tensor]:
    """Copy a rectangle from one random place to another, turned by `angle` degrees, with jittered colours.

    Each pixel of the target asks which pixel of the source it shows: the nearest, so a rectangle that is not turned is
    copied exactly.
    """
    size = image.shape[1:]
    height, width = max(1, min(round(height), size[0])), max(1, min(round(width), size[1]))
    source, target = (_corner(size, height, width) for _ in range(2))
    middle = ((height - 1) / 2, (width - 1) / 2)
    y, x = (torch.arange(side) - top - half for side, top, half in zip(size, target, middle, strict=True))
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    row = cos * y[:, None] + sin * x[None, :] + middle[0]  # (H, W), in the frame of the rectangle
    column = -sin * y[:, None] + cos * x[None, :] + middle[1]
    row, column = row.round().long(), column.round().long()
    mask = ((row >= 0) & (row < height) & (column >= 0) & (column < width)).to(image.device)
    pasted = image.clone()
    row, column = (row.to(image.device) + source[0])[mask], (column.to(image.device) + source[1])[mask]
    pasted[:, mask] = jittered(image[:, row, column])
    return pasted, mask[None]


def _corner(size: torch.Size, height: int, width: int) -> tuple[int, int]:
    """A random top left corner of a rectangle inside an image."""
    return tuple(int(torch.randint(whole - side + 1, ())) for whole, side in zip(size, (height, width), strict=True))
