"""Structural similarity against its definition, window by window, and against scikit-image."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from adlib.networks.ssim import ssim_map


def pictures(height: int = 14, width: int = 17) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    first = random.random((height, width))
    return first, np.clip(0.7 * first + 0.2 * random.random((height, width)), 0, 1)


def ssim_of(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return ssim_map(torch.from_numpy(first)[None, None], torch.from_numpy(second)[None, None])[0, 0].numpy()


def plain_ssim(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Eq. 13 of the paper in a window of 11 x 11 pixels around each; windows at the border have fewer pixels."""
    values = np.empty(first.shape)
    for y, x in np.ndindex(*first.shape):
        places = [
            (v, u)
            for v in range(max(0, y - 5), min(first.shape[0], y + 6))
            for u in range(max(0, x - 5), min(first.shape[1], x + 6))
        ]
        weights = np.array([np.exp(-((v - y) ** 2 + (u - x) ** 2) / (2 * 1.5**2)) for v, u in places])
        weights /= weights.sum()
        a, b = np.array([first[p] for p in places]), np.array([second[p] for p in places])
        mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
        covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
        spread = (weights * (a - mean_a) ** 2).sum() + (weights * (b - mean_b) ** 2).sum()
        light = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
        values[y, x] = light * (2 * covariance + 0.03**2) / (spread + 0.03**2)
    return values


@pytest.mark.parametrize("size", [(14, 17), (5, 30), (1, 1)])
def test_every_window_is_as_defined(size):
    first, second = pictures(*size)
    np.testing.assert_allclose(ssim_of(first, second), plain_ssim(first, second), atol=1e-9)


def test_inside_it_is_scikit_images():
    first, second = pictures(40, 30)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1, "full": True}
    theirs = structural_similarity(first, second, **settings)[1]
    np.testing.assert_allclose(ssim_of(first, second)[5:-5, 5:-5], theirs[5:-5, 5:-5], atol=1e-6)


def test_equal_pictures_opposite_ones_and_flat_ones():
    first, _ = pictures()
    assert ssim_of(first, first) == pytest.approx(1)
    assert ssim_of(first, 1 - first).max() < 0.1
    flat = np.full((12, 12), 0.5)
    assert ssim_of(flat, flat) == pytest.approx(1)
    assert ssim_of(flat * 0, flat) == pytest.approx(0.01**2 / (0.25 + 0.01**2))


def test_channels_and_pictures_are_apart():
    first, second = (torch.rand(2, 3, 12, 9, generator=torch.Generator().manual_seed(n)) for n in (0, 1))
    together = ssim_map(first, second)
    assert together.shape == first.shape
    torch.testing.assert_close(together[1:, 2:], ssim_map(first[1:, 2:], second[1:, 2:]))


def test_one_can_train_by_it():
    first, _ = pictures()
    target = torch.from_numpy(first)[None, None]
    found = torch.full_like(target, 0.5, requires_grad=True)
    optimiser = torch.optim.Adam([found], lr=0.05)
    for _ in range(150):
        optimiser.zero_grad()
        loss = 1 - ssim_map(target, found).mean()
        loss.backward()
        assert torch.isfinite(found.grad).all()
        optimiser.step()
    assert loss < 0.05
