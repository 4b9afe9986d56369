"""Perlin noise (Perlin 1985, 'An Image Synthesizer'), and masks from it: blobs of many sizes with natural outlines.

DRAEM (Zavrtanik et al. 2021) uses them as outlines of synthetic defects; chapter 08 computes one by hand. Random
numbers come from torch's generator, so `torch.manual_seed` fixes them.
"""

import math

import torch
from torch import Tensor

LARGEST_POWER = 5  # a lattice has 1 to 2 ** 5 cells along each axis
THRESHOLD = 0.5  # of noise in [-1, 1]; the mask is where the noise is above it


def perlin(points: Tensor, gradients: Tensor) -> Tensor:
    """Gradient noise at some points, in [-1, 1].

    Each corner of a point's cell contributes the dot product of its gradient with the vector from the corner to the
    point. The four products are blended smoothly (weights 6 t^5 - 15 t^4 + 10 t^3 of Perlin 2002). The noise is 0 at
    every corner; the factor sqrt(2) makes the range [-1, 1].

    points: (..., 2), row and column in cells of the lattice, from 0 to its number of cells.
    gradients: (rows + 1, columns + 1, 2), unit vectors at the lattice's corners.
    Returns (...).
    """
    rows, columns = gradients.shape[0] - 1, gradients.shape[1] - 1
    most = torch.tensor([rows - 1, columns - 1], device=points.device)
    cell = torch.minimum(points.floor().long().clamp(min=0), most)
    inside = points - cell
    fade = inside**3 * (inside * (inside * 6 - 15) + 10)
    noise = torch.zeros_like(points[..., 0])
    for down in (0, 1):
        for right in (0, 1):
            corner = gradients[cell[..., 0] + down, cell[..., 1] + right]
            offset = inside - torch.tensor([down, right], device=points.device)
            weight = (fade if down else 1 - fade)[..., 0] * (fade if right else 1 - fade)[..., 1]
            noise = noise + weight * (corner * offset).sum(-1)
    return math.sqrt(2) * noise


def perlin_noise(size: tuple[int, int], cells: tuple[int, int], angle: float = 0.0) -> Tensor:
    """An image of noise with random gradients.

    size: (height, width) in pixels.
    cells: numbers of lattice cells along both axes.
    angle: rotation of the lattice in the image, in degrees.
    Returns (h, w) in [-1, 1].
    """
    rows, columns = ((torch.arange(side) + 0.5) / side - 0.5 for side in size)  # the image is 1 wide, centred at 0
    turn = math.radians(angle)
    y, x = rows[:, None], columns[None, :]
    turned = torch.stack([math.cos(turn) * y - math.sin(turn) * x, math.sin(turn) * y + math.cos(turn) * x], dim=-1)
    counts = torch.tensor(cells)
    # A rotated image's corners are 0.71 from its centre: the lattice extends beyond the image on all sides.
    margin = torch.ceil(0.21 * counts).long() if angle else torch.zeros_like(counts)
    directions = 2 * math.pi * torch.rand(*(counts + 2 * margin + 1).tolist())
    gradients = torch.stack([directions.sin(), directions.cos()], dim=-1)
    return perlin((turned + 0.5) * counts + margin, gradients)


def random_noise(size: tuple[int, int]) -> Tensor:
    """An image (h, w) of noise on a random lattice, rotated by -90 to 90 degrees.

    The lattice has 1, 2, 4, ... 32 cells along each axis, sampled separately.
    """
    cells = 2 ** torch.randint(0, LARGEST_POWER + 1, (2,))
    angle = float(180 * torch.rand(()) - 90)
    return perlin_noise(size, tuple(cells.tolist()), angle)


def perlin_masks(count: int, size: tuple[int, int]) -> Tensor:
    """Random masks, each where noise of a random lattice (`random_noise`) exceeds 0.5.

    A few masks are empty: with few cells the noise may stay below.

    count: number of masks.
    size: (height, width) in pixels.
    Returns (count, 1, h, w) bool.
    """
    return torch.stack([random_noise(size) > THRESHOLD for _ in range(count)])[:, None]
