"""Windows and harmonic means against loops over every window."""

import numpy as np
import pytest
import torch

from adlib.features.windows import harmonic_mean, harmonic_over_windows, window_indices


@pytest.mark.parametrize("side", [1, 2, 3])
def test_windows_are_all_squares_of_the_grid(side):
    expected = [
        [y * 5 + x for y in range(top, top + side) for x in range(left, left + side)]
        for top in range(4 - side + 1)
        for left in range(5 - side + 1)
    ]
    assert window_indices((4, 5), side).tolist() == expected


@pytest.mark.parametrize("side", [1, 2, 3])
def test_a_patch_has_the_harmonic_mean_of_its_windows(side):
    scores = torch.rand(4 - side + 1, 5 - side + 1, generator=torch.Generator().manual_seed(side)) + 0.01
    inverse = np.zeros((4, 5))
    count = np.zeros((4, 5))
    for window, score in zip(window_indices((4, 5), side), scores.flatten(), strict=True):
        for patch in window.tolist():
            inverse.flat[patch] += 1 / score.item()
            count.flat[patch] += 1
    found = harmonic_over_windows(scores, side)
    assert np.allclose(found, count / inverse, rtol=1e-5) and (count.min(), count[1, 1]) == (1, min(side, 2) ** 2)


def test_one_normal_window_clears_its_patches():
    """The arithmetic mean would leave them suspicious."""
    scores = torch.full((3, 3), 0.9)
    scores[1, 1] = 0.001
    found = harmonic_over_windows(scores, 2)
    assert (found[1:3, 1:3] < 0.005).all() and found[0, 0] == pytest.approx(0.9)


def test_maps_of_one_value_and_of_many_have_a_harmonic_mean():
    found = harmonic_mean([torch.tensor([[0.5]]), torch.tensor([[0.25, 1.0]])])
    assert found.tolist() == [[pytest.approx(1 / 3), pytest.approx(2 / 3)]]
