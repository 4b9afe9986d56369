"""Every synthesis behind one interface."""

import pytest
import torch

from adlib.errors import InputError
from adlib.synthesis.kinds import SYNTHESES, synthesise


@pytest.mark.parametrize("synthesis", SYNTHESES)
def test_a_batch_of_defects_and_masks(synthesis):
    good = torch.rand(6, 3, 48, 40, generator=torch.Generator().manual_seed(1))
    before = good.clone()
    torch.manual_seed(0)
    made, masks = synthesise(good, synthesis)
    assert made.shape == good.shape and masks.shape == (6, 1, 48, 40) and masks.dtype == torch.bool
    assert torch.equal(good, before) and 0 <= made.min() and made.max() <= 1
    assert masks.flatten(1).any(1).sum() >= 4  # a few masks of Perlin noise are empty
    changed = (made != good).any(1, keepdim=True)
    assert (changed & masks).sum() > 0.9 * masks.sum()
    torch.manual_seed(0)
    assert torch.equal(synthesise(good, synthesis)[0], made)


def test_one_image_alone_and_an_unknown_name():
    assert synthesise(torch.rand(1, 3, 48, 48), "nsa")[0].shape == (1, 3, 48, 48)
    with pytest.raises(InputError, match="'dtd'"):
        synthesise(torch.rand(2, 3, 32, 32), "dtd")
