"""Made-up defects: where they lie, how often, and what they are made of."""

import pytest
import torch

from adlib.errors import InputError
from adlib.synthesis.pasting import TEXTURES, change, drawn, made_up_defects, paste, photograph


def test_pasting_shows_as_much_of_the_picture_as_it_says():
    pictures, textures = torch.full((3, 3, 4, 4), 0.2), torch.full((3, 3, 4, 4), 0.8)
    masks = torch.zeros(3, 1, 4, 4, dtype=torch.bool)
    masks[:, :, :2] = True
    pasted = paste(pictures, textures, masks, torch.tensor([0.0, 0.5, 1.0]))
    assert pasted[:, :, 2:].eq(0.2).all()
    for number, value in enumerate((0.8, 0.5, 0.2)):
        assert pasted[number, :, :2].allclose(torch.tensor(value))


@pytest.mark.parametrize("textures", TEXTURES)
def test_made_up_defects_lie_on_their_masks_only(textures):
    good = torch.rand(12, 3, 40, 24, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    spoiled, masks = made_up_defects(good, textures, share=1.0)
    outside = ~masks.expand_as(good)
    assert torch.equal(spoiled[outside], good[outside]) and 0 <= spoiled.min() and spoiled.max() <= 1
    assert (spoiled[~outside] != good[~outside]).float().mean() > 0.9
    torch.manual_seed(0)
    assert torch.equal(made_up_defects(good, textures, share=1.0)[0], spoiled)


def test_about_the_asked_share_gets_a_defect():
    torch.manual_seed(0)
    good = torch.rand(100, 3, 32, 32)
    assert not made_up_defects(good, share=0.0)[1].any() and torch.equal(made_up_defects(good, share=0.0)[0], good)
    some = made_up_defects(good, share=0.5)[1].flatten(1).any(1).float().mean()
    assert 0.3 < some < 0.6
    assert made_up_defects(good[:1], "good", share=1.0)[0].shape == (1, 3, 32, 32)  # no other picture: its own


def test_textures_are_changed_beyond_recognition_and_stay_pictures():
    torch.manual_seed(0)
    texture = photograph()
    assert texture.shape == (3, 512, 512) and 0 <= texture.min() and texture.max() <= 1
    pieces = torch.stack([change(texture, (20, 30)) for _ in range(30)])
    assert pieces.shape == (30, 3, 20, 30) and 0 <= pieces.min() and pieces.max() <= 1
    assert pieces.mean((1, 2, 3)).std() > 0.1  # dark ones, bright ones
    colour = (pieces - pieces.mean(1, keepdim=True)).abs().mean((1, 2, 3))
    assert 8 < (colour < 1e-6).sum() < 28 and colour.max() > 0.05  # grey ones, and coloured ones of a grey photograph


def test_drawn_textures_are_smooth_or_rough_and_of_many_colours():
    torch.manual_seed(0)
    pictures = torch.stack([drawn() for _ in range(40)])
    assert pictures.shape == (40, 3, 256, 256) and 0 <= pictures.min() and pictures.max() <= 1
    roughness = pictures.diff(dim=3).abs().mean((1, 2, 3)) + pictures.diff(dim=2).abs().mean((1, 2, 3))
    assert roughness.max() > 10 * roughness.min()
    assert (pictures.mean((2, 3)).std(0) > 0.1).all()  # red, green and blue of the mean colour


def test_an_unknown_kind_of_texture_is_named():
    with pytest.raises(InputError, match="'dtd'"):
        made_up_defects(torch.rand(2, 3, 16, 16), "dtd")
