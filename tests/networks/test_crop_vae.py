"""The generator of crops: shapes, what it learns, and that the mask is a condition."""

import pytest
import torch

from adlib.errors import InputError
from adlib.networks.crop_vae import CropVAE, as_input, train_crop_vae


def _crops(count: int = 4) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Dark discs on grey, of several sizes."""
    pieces, masks = [], []
    for number in range(count):
        side = 24 + 4 * number
        y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        mask = ((y - side / 2) ** 2 + (x - side / 2) ** 2 < (side / 4) ** 2)[None]
        pieces.append(torch.where(mask, 0.2, 0.6 + 0.01 * number).expand(3, -1, -1))
        masks.append(mask)
    return pieces, masks


def test_generated_crops_are_dark_where_the_mask_is():
    network = train_crop_vae(*_crops(), steps=80)
    masks = torch.zeros(6, 1, 32, 32)
    masks[:, :, 8:24, 8:24] = 1
    torch.manual_seed(0)
    made = network.generate(masks)
    assert made.shape == (6, 3, 32, 32) and 0 <= made.min() and made.max() <= 1
    inside, outside = made[:, :, 12:20, 12:20].mean(), made[:, :, [0, 31]].mean()
    assert outside == pytest.approx(0.5, abs=0.05) and inside < 0.3


def test_the_same_seed_gives_the_same_weights_and_leaves_the_callers_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first, second = (train_crop_vae(*_crops(), steps=3, seed=1).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(torch.rand(2), expected)


def test_a_crop_is_brought_to_one_size_and_brightness():
    pieces, masks = _crops(3)
    for piece, mask in zip(pieces, masks, strict=True):
        seen, where = as_input(piece, mask)
        assert seen.shape == (3, 32, 32) and set(where.unique().tolist()) == {0, 1}
        assert seen[:, 0].mean() == pytest.approx(0.5, abs=1e-4)
    assert as_input(pieces[0], torch.ones_like(masks[0]))[0].isfinite().all()


def test_encoder_and_decoder_have_matching_shapes():
    network = CropVAE(codes=5, width=8)
    mean, log_variance = network.encode(torch.rand(2, 3, 32, 32), torch.ones(2, 1, 32, 32))
    assert mean.shape == log_variance.shape == (2, 5)
    assert network.decode(mean, torch.ones(2, 1, 32, 32)).shape == (2, 3, 32, 32)


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(InputError, match="at least one crop"):
        train_crop_vae([], [])
