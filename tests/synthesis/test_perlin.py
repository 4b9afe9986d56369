"""Perlin noise against its definition, point by point."""

import math

import numpy as np
import pytest
import torch

from adlib.synthesis.perlin import perlin, perlin_masks, perlin_noise


def directions(rows: int, columns: int) -> torch.Tensor:
    angles = 2 * math.pi * torch.rand(rows + 1, columns + 1, generator=torch.Generator().manual_seed(1))
    return torch.stack([angles.sin(), angles.cos()], dim=-1)


def plain_perlin(y: float, x: float, gradients: np.ndarray) -> float:
    """Four corners, their vectors' products with the way to the point, blended first along x and then along y."""
    row, column = min(int(y), gradients.shape[0] - 2), min(int(x), gradients.shape[1] - 2)
    v, u = y - row, x - column
    corner = {(a, b): gradients[row + a, column + b] @ np.array([v - a, u - b]) for a in (0, 1) for b in (0, 1)}
    fade_y, fade_x = (6 * t**5 - 15 * t**4 + 10 * t**3 for t in (v, u))
    upper = corner[0, 0] + fade_x * (corner[0, 1] - corner[0, 0])
    lower = corner[1, 0] + fade_x * (corner[1, 1] - corner[1, 0])
    return math.sqrt(2) * (upper + fade_y * (lower - upper))


def test_perlin_noise_is_as_defined():
    gradients = directions(3, 5)
    points = torch.rand(40, 2, generator=torch.Generator().manual_seed(2)) * torch.tensor([3.0, 5.0])
    points = torch.cat([points, torch.tensor([[3.0, 5.0], [0.0, 0.0], [2.0, 4.5]])])
    expected = [plain_perlin(y, x, gradients.numpy()) for y, x in points.tolist()]
    np.testing.assert_allclose(perlin(points, gradients), expected, atol=1e-5)


def test_noise_is_zero_at_the_corners_and_within_one():
    gradients = directions(4, 4)
    corners = torch.cartesian_prod(torch.arange(5.0), torch.arange(5.0))
    assert perlin(corners, gradients).abs().max() < 1e-6
    # The most there can be: in the middle of a cell whose four vectors all point at it.
    towards = torch.tensor([[[1.0, 1.0], [1.0, -1.0]], [[-1.0, 1.0], [-1.0, -1.0]]]) / math.sqrt(2)
    assert perlin(torch.tensor([0.5, 0.5]), towards).item() == pytest.approx(1)
    torch.manual_seed(0)
    assert all(perlin_noise((40, 30), (8, 2), angle).abs().max() <= 1 for angle in (0.0, 33.0, 90.0))


def test_a_lattice_lies_as_it_is_turned():
    torch.manual_seed(0)
    along = perlin_noise((64, 64), (1, 32)), perlin_noise((64, 64), (1, 32), 90.0)
    restless = [(noise.diff(dim=0).abs().mean() < noise.diff(dim=1).abs().mean()).item() for noise in along]
    assert restless == [True, False]  # 32 cells from left to right, then from top to bottom


def test_masks_have_many_sizes_and_come_again_with_the_seed():
    torch.manual_seed(3)
    masks = perlin_masks(60, (48, 32))
    shares = masks.float().mean((1, 2, 3))
    assert masks.shape == (60, 1, 48, 32) and masks.dtype == torch.bool
    assert 0.02 < shares.mean() < 0.12 and shares.max() < 0.6 and (shares > 0).float().mean() > 0.8
    torch.manual_seed(3)
    assert torch.equal(masks, perlin_masks(60, (48, 32)))
