"""Perlin noise (Perlin 1985, 'An Image Synthesizer'), and masks of it: blobs of many sizes with natural outlines.

DRAEM (Zavrtanik et al. 2021) takes them for the outlines of made-up defects; chapter 07 draws one by hand. Numbers come
from torch's generator, so `torch.manual_seed` fixes them.
"""

import math

import torch
from torch import Tensor

LARGEST_POWER = 5  # a lattice has 1 to 2 ** 5 cells along each axis
THRESHOLD = 0.5  # of noise in [-1, 1]; what lies above belongs to the mask


def perlin(points: Tensor, gradients: Tensor) -> Tensor:
    """Gradient noise at some points, in [-1, 1].

    points: (..., 2) rows and columns in cells of the lattice, 0 to its number of cells; gradients: (rows + 1,
    columns + 1, 2) unit vectors at the lattice's corners. Each corner of a point's cell says the product of its vector
    with the way from it to the point; a blend that is smooth at the cell's borders mixes the four (weights 6 t^5 -
    15 t^4 + 10 t^3 of Perlin 2002). It is 0 at every corner; the factor sqrt(2) makes the range [-1, 1].
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
            way = inside - torch.tensor([down, right], device=points.device)
            share = (fade if down else 1 - fade)[..., 0] * (fade if right else 1 - fade)[..., 1]
            noise = noise + share * (corner * way).sum(-1)
    return math.sqrt(2) * noise


def perlin_noise(size: tuple[int, int], cells: tuple[int, int], angle: float = 0.0) -> Tensor:
    """A picture (h, w) of noise in [-1, 1] with random gradients.

    size: height and width in pixels; cells: of the lattice along both axes; angle: degrees by which the lattice lies
    turned in the picture.
    """
    rows, columns = ((torch.arange(side) + 0.5) / side - 0.5 for side in size)  # the picture is 1 wide, centred at 0
    turn = math.radians(angle)
    y, x = rows[:, None], columns[None, :]
    turned = torch.stack([math.cos(turn) * y - math.sin(turn) * x, math.sin(turn) * y + math.cos(turn) * x], dim=-1)
    counts = torch.tensor(cells)
    # A turned picture's corners lie 0.71 from its centre: the lattice goes on beyond the picture on all sides.
    margin = torch.ceil(0.21 * counts).long() if angle else torch.zeros_like(counts)
    directions = 2 * math.pi * torch.rand(*(counts + 2 * margin + 1).tolist())
    gradients = torch.stack([directions.sin(), directions.cos()], dim=-1)
    return perlin((turned + 0.5) * counts + margin, gradients)


def random_noise(size: tuple[int, int]) -> Tensor:
    """A picture (h, w) of noise on a random lattice: 1, 2, 4, ... 32 cells along each axis, drawn apart.

    The lattice lies turned by -90 to 90 degrees.
    """
    cells = 2 ** torch.randint(0, LARGEST_POWER + 1, (2,))
    angle = float(180 * torch.rand(()) - 90)
    return perlin_noise(size, tuple(cells.tolist()), angle)


def perlin_masks(count: int, size: tuple[int, int]) -> Tensor:
    """Masks (count, 1, h, w) bool, each where noise of a random lattice (`random_noise`) exceeds 0.5.

    A few masks are empty: with few cells the noise may stay below.
    """
    return torch.stack([random_noise(size) > THRESHOLD for _ in range(count)])[:, None]
