"""NSA: blended rectangles of another image, and soft labels."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import median_filter

from adlib.errors import InputError
from adlib.synthesis.nsa import nsa, soft_label


def textured(seed: int, side: int = 64) -> torch.Tensor:
    return torch.rand(3, side, side, generator=torch.Generator().manual_seed(seed))


def test_what_is_off_the_rectangles_stays_and_the_label_follows_the_change():
    torch.manual_seed(0)
    image, other = textured(0), textured(1)
    made, mask, label = nsa(image, other)
    change = 255 * (made - image).abs().mean(0).numpy()
    smoothed = median_filter(change, 5, mode="mirror")
    np.testing.assert_array_equal(mask[0].numpy(), smoothed > 1)
    expected = np.where(smoothed > 1, 1 / (1 + np.exp(-(smoothed - 20) / 6)), 0)
    np.testing.assert_allclose(label[0].numpy(), expected, atol=1e-5)
    assert (change == 0).mean() > 0.2 and mask.any() and 0 <= made.min() and made.max() <= 1


def test_a_constant_difference_of_light_is_no_defect():
    """Poisson blending takes gradients alone, so a brighter copy of a plain image changes nothing."""
    torch.manual_seed(0)
    plain = torch.full((3, 48, 48), 0.4)
    made, mask, label = nsa(plain, plain + 0.3)
    assert torch.allclose(made, plain, atol=1e-5) and not mask.any() and label.max() == 0


def test_the_soft_label_is_a_logistic_of_the_change():
    assert soft_label(torch.tensor(20.0)) == 0.5 and soft_label(torch.tensor(0.9)) == 0
    assert float(soft_label(torch.tensor(32.0))) == pytest.approx(1 / (1 + math.exp(-2)), rel=1e-5)


def test_more_rectangles_change_more():
    def changed(patches: int) -> float:
        torch.manual_seed(5)
        return float(np.mean([nsa(textured(n), textured(n + 50), patches)[1].float().mean() for n in range(12)]))

    assert changed(6) > 1.5 * changed(1) > 0


def test_images_of_two_shapes_are_refused():
    with pytest.raises(InputError, match="two images of one shape"):
        nsa(textured(0), textured(1, 32))
    with pytest.raises(InputError, match="at least 1 patch"):
        nsa(textured(0), textured(1), 0)
