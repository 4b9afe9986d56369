"""AnomalyDINO's mask against a statement of its definition in plain loops."""

import numpy as np
import pytest

from adlib.detectors.masking import mask_test, object_mask
from adlib.errors import InputError


def tokens_of(inside: np.ndarray, strength: float = 40.0, dims: int = 12, seed: int = 0) -> np.ndarray:
    """Tokens whose largest direction separates `inside` (h, w) from the rest."""
    random = np.random.default_rng(seed)
    direction = random.normal(size=dims)
    direction /= np.linalg.norm(direction)
    return inside.reshape(-1, 1) * strength * direction + random.normal(scale=0.3, size=(inside.size, dims))


def plain_mask(tokens: np.ndarray, grid: tuple[int, int], threshold: float) -> np.ndarray:
    """The definition again: SVD of the centred tokens, central box, sign, dilation, closing, pixel by pixel."""
    centred = tokens - tokens.mean(axis=0)
    component = (centred @ np.linalg.svd(centred, full_matrices=False)[2][0]).reshape(grid)
    height, width = grid
    box = [
        (r, c) for r in range(int(height * 0.2), int(height * 0.8)) for c in range(int(width * 0.2), int(width * 0.8))
    ]

    def grow(mask: np.ndarray, every: bool) -> np.ndarray:
        out = np.zeros_like(mask)
        for r in range(height):
            for c in range(width):
                window = mask[max(0, r - 1) : r + 2, max(0, c - 1) : c + 2]
                out[r, c] = window.all() if every else window.any()
        return out

    candidates = []
    for sign in (1, -1):
        mask = sign * component > threshold
        if sum(mask[r, c] for r, c in box) > 0.35 * len(box):
            candidates.append(mask)
    # where both signs or neither keep the centre, the sign that PCA happens to give decides; the cases below avoid that
    assert len(candidates) == 1
    dilated = grow(candidates[0], every=False)
    return grow(grow(dilated, every=False), every=True)


def disc(height: int, width: int, radius: float) -> np.ndarray:
    rows, columns = np.indices((height, width))
    return (rows - height / 2 + 0.5) ** 2 + (columns - width / 2 + 0.5) ** 2 < radius**2


@pytest.mark.parametrize("strength", [40.0, -40.0])
@pytest.mark.parametrize("grid", [(20, 20), (18, 27)])
def test_mask_is_its_definition_with_both_signs(strength, grid):
    inside = disc(*grid, radius=min(grid) * 0.33)
    tokens = tokens_of(inside, strength)
    mask = object_mask(tokens, grid)
    assert np.array_equal(mask, plain_mask(tokens, grid, 10.0))
    assert mask[inside].all()


def test_an_object_at_the_border_is_not_eaten():
    inside = np.zeros((20, 20), dtype=bool)
    inside[4:16, :14] = True
    tokens = tokens_of(inside)
    mask = object_mask(tokens, (20, 20))
    assert np.array_equal(mask, plain_mask(tokens, (20, 20), 10.0)) and mask[6:14, 0].all()


def test_mask_test_passes_an_object_and_fails_a_close_up():
    assert mask_test(disc(20, 20, 6))
    assert not mask_test(np.ones((20, 20), dtype=bool))
    assert not mask_test(np.zeros((20, 20), dtype=bool))
    assert not mask_test(np.indices((20, 20))[1] < 10)  # a texture cut in two


def test_tokens_that_do_not_fill_the_grid_are_refused():
    with pytest.raises(InputError, match="do not fill"):
        object_mask(np.zeros((10, 4)), (3, 4))
