"""Real defects: what is cut, what changes on the way, and where it lands."""

import pytest
import torch

from adlib.errors import InputError
from adlib.synthesis import BLENDINGS, Crop, cut, foreground, paste_defect, varied


def _marked() -> tuple[torch.Tensor, torch.Tensor]:
    """A grey image with a bright, oblong defect."""
    image, mask = torch.full((3, 40, 50), 0.4), torch.zeros(1, 40, 50, dtype=torch.bool)
    mask[:, 10:14, 20:31] = True
    return torch.where(mask, 0.9, image), mask


def test_a_defect_is_cut_with_its_margin():
    image, mask = _marked()
    crop = cut(image, mask, margin=5)
    assert torch.equal(crop.piece, image[:, 5:19, 15:36]) and torch.equal(crop.mask, mask[:, 5:19, 15:36])
    assert cut(image, mask, margin=100).piece.shape == image.shape
    assert cut(image, mask, margin=0).mask.all()


def test_varied_crops_keep_the_defect_and_its_mask_together():
    torch.manual_seed(0)
    crop, shapes = cut(*_marked()), set()
    for _ in range(30):
        other = varied(crop)
        shapes.add(other.mask.shape[1] > other.mask.shape[2])
        assert other.piece.shape[1:] == other.mask.shape[1:]
        assert other.piece[:, other.mask[0]].mean() > 0.68 and other.piece[:, ~other.mask[0]].mean() < 0.45
        assert 0.5 < other.mask.sum() / crop.mask.sum() < 2
    assert shapes == {True, False}
    same = varied(crop, turn=False, mirror=False, scale=1)
    assert torch.equal(same.piece, crop.piece) and torch.equal(same.mask, crop.mask)


@pytest.mark.parametrize("blending", BLENDINGS)
def test_a_pasted_defect_is_marked_and_nothing_else_changes_beyond_the_seam(blending):
    torch.manual_seed(0)
    good, crop = torch.full((3, 60, 60), 0.2), cut(*_marked())
    pasted, mask = paste_defect(good, crop, blending=blending, seam=2)
    assert mask.sum() == crop.mask.sum()
    changed = (pasted - good).abs().amax(dim=0) > 1e-6
    grown = torch.nn.functional.max_pool2d(mask.float(), 5, 1, 2)[0].bool()
    assert not (changed & ~grown).any() and changed[mask[0]].all()
    # Blended, the defect is as much brighter than its surroundings as it was; copied, it keeps its own brightness.
    assert pasted[:, mask[0]].mean() == pytest.approx(0.9 if blending == "plain" else 0.7, abs=0.01)
    torch.manual_seed(0)
    assert torch.equal(paste_defect(good, crop, blending=blending, seam=2)[0], pasted)


def test_defects_land_inside_the_part_and_elsewhere_each_time():
    torch.manual_seed(0)
    part = torch.zeros(1, 60, 60, dtype=torch.bool)
    part[:, 20:50, 5:40] = True
    places = set()
    for _ in range(10):
        _, mask = paste_defect(torch.full((3, 60, 60), 0.2), cut(*_marked()), part)
        assert (mask & ~part).sum() == 0
        places.add(tuple(mask[0].nonzero()[0].tolist()))
    assert len(places) > 5


def test_a_crop_larger_than_the_image_is_shrunk():
    torch.manual_seed(0)
    crop = Crop(torch.rand(3, 80, 20), torch.ones(1, 80, 20, dtype=torch.bool))
    pasted, mask = paste_defect(torch.rand(3, 40, 40), crop)
    assert pasted.shape == (3, 40, 40) and mask.sum() == 400
    whole = Crop(torch.rand(3, 40, 40), torch.ones(1, 40, 40, dtype=torch.bool))
    assert paste_defect(torch.rand(3, 40, 40), whole, blending="plain")[1].all()


def test_the_foreground_is_the_part_with_its_holes_filled():
    y, x = torch.meshgrid(torch.arange(200), torch.arange(200), indexing="ij")
    radius = ((y - 100) ** 2 + (x - 100) ** 2).sqrt()
    torch.manual_seed(0)
    image = (0.9 + 0.02 * torch.rand(3, 200, 200)).where((radius > 70) | (radius < 30), torch.tensor(0.2))
    found = foreground(image)[0]
    assert found.dtype == torch.bool and found[100, 100]
    assert found[radius < 66].all() and not found[radius > 84].any()  # smoothing moves the outline


def test_wrong_input_is_refused():
    image, mask = _marked()
    with pytest.raises(InputError, match="empty"):
        cut(image, torch.zeros_like(mask))
    with pytest.raises(InputError, match="bool mask"):
        cut(image, mask.float())
    with pytest.raises(InputError, match="scale"):
        varied(cut(image, mask), scale=0.5)
    with pytest.raises(InputError, match="blending"):
        paste_defect(image, cut(image, mask), blending="gauss")
