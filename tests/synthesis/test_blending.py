"""Poisson blending: what stays, what comes from the piece, and the system solved pixel by pixel."""

import pytest
import torch

from adlib.errors import InputError
from adlib.synthesis import blend


def _scene(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A soft image, a piece whose gradients fit into [0, 1] anywhere, and a disc as mask."""
    generator = torch.Generator().manual_seed(seed)
    image = 0.5 + 0.1 * torch.rand(3, 20, 24, generator=generator)
    piece = 0.4 + 0.1 * torch.rand(3, 9, 11, generator=generator)
    y, x = torch.meshgrid(torch.arange(9), torch.arange(11), indexing="ij")
    return image, piece, ((y - 4) ** 2 + (x - 5) ** 2 < 12)[None]


def _whole(mask: torch.Tensor, top: int, left: int, size: tuple[int, int]) -> torch.Tensor:
    where = torch.zeros(1, *size, dtype=torch.bool)
    where[:, top : top + mask.shape[1], left : left + mask.shape[2]] = mask
    return where


def _slow(image, piece, mask, top, left, mixed=False, sweeps=3000):
    """Gauss-Seidel on eq. 7, one pixel after the other; the image's border included."""
    result = image.double().clone()
    height, width = image.shape[1:]
    canvas = torch.zeros_like(result)
    canvas[:, top : top + piece.shape[1], left : left + piece.shape[2]] = piece
    pixels = _whole(mask, top, left, (height, width))[0].nonzero().tolist()
    around = ((0, 1), (1, 0), (0, -1), (-1, 0))
    for _ in range(sweeps):
        before = result.clone()
        for y, x in pixels:
            near = [(y + dy, x + dx) for dy, dx in around if 0 <= y + dy < height and 0 <= x + dx < width]
            total = 0
            for v, u in near:
                step, own = canvas[:, y, x] - canvas[:, v, u], (image[:, y, x] - image[:, v, u]).double()
                total = total + result[:, v, u] + torch.where(mixed & (own.abs() > step.abs()), own, step)
            result[:, y, x] = total / len(near)
        if (result - before).abs().max() < 1e-7:
            return result.clamp(0, 1).float()
    raise AssertionError("did not converge")


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(("top", "left"), [(5, 6), (0, 13), (11, 0)])
def test_it_solves_the_papers_equation(top, left, mixed):
    image, piece, mask = _scene()
    if top == 0:  # the mask reaches the image's border, where the edge is free
        piece, mask = piece[:, 3:], mask[:, 3:]
    slow = _slow(image, piece, mask, top, left, torch.tensor(mixed))
    assert (blend(image, piece, mask, top, left, mixed) - slow).abs().max() < 1e-5


def test_nothing_changes_outside_the_mask():
    image, piece, mask = _scene()
    before = image.clone()
    blended = blend(image, piece, mask, 7, 8)
    outside = ~_whole(mask, 7, 8, (20, 24)).expand_as(image)
    assert torch.equal(blended[outside], image[outside]) and torch.equal(image, before)
    assert (blended[~outside] != image[~outside]).float().mean() > 0.95
    assert torch.equal(blend(image, piece, torch.zeros_like(mask), 7, 8), image)


def test_deep_inside_the_laplacian_is_that_of_the_piece():
    image, piece, mask = _scene()
    blended = blend(image, piece, mask, 7, 8)[:, 7:16, 8:19]

    def laplacian(values):
        return 4 * values[:, 4, 5] - values[:, 3, 5] - values[:, 5, 5] - values[:, 4, 4] - values[:, 4, 6]

    assert laplacian(blended).allclose(laplacian(piece), atol=1e-5)


def test_a_constant_shift_of_the_piece_vanishes_and_so_does_a_flat_piece_on_a_flat_image():
    image, piece, mask = _scene()
    assert blend(image, piece + 0.3, mask, 7, 8).allclose(blend(image, piece, mask, 7, 8), atol=1e-5)
    flat = torch.full_like(image, 0.7)
    assert blend(flat, torch.zeros_like(piece), mask, 7, 8).allclose(flat, atol=1e-6)


def test_mixed_gradients_keep_the_texture_that_a_flat_piece_would_wipe_out():
    image, piece, mask = _scene()
    flat = torch.zeros_like(piece)
    assert blend(image, flat, mask, 7, 8, mixed=True).allclose(image, atol=1e-6)
    where = _whole(mask, 7, 8, (20, 24)).expand_as(image)
    assert blend(image, flat, mask, 7, 8)[where].std() < 0.7 * image[where].std()


def test_wrong_input_is_refused():
    image, piece, mask = _scene()
    with pytest.raises(InputError, match="needs an image"):
        blend(image, piece[:, :-1], mask, 0, 0)
    with pytest.raises(InputError, match="bool"):
        blend(image, piece, mask.float(), 0, 0)
    with pytest.raises(InputError, match="row 12, column 3 is not inside"):
        blend(image, piece, mask, 12, 3)
    with pytest.raises(InputError, match="whole image"):
        blend(image, image, torch.ones(1, 20, 24, dtype=torch.bool), 0, 0)
