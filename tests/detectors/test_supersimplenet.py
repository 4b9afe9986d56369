"""SuperSimpleNet: its losses and its synthetic defects stated plainly, and both settings."""

import math

import numpy as np
import pytest
import torch

from adlib.data.toy import render
from adlib.detectors import SuperSimpleNet
from adlib.detectors.supersimplenet import TwoHeads, truncated_loss, with_noise
from adlib.detectors.supervised import LABEL, MASK
from adlib.errors import InputError

GOOD = [render("nut", seed=seed, size=64)[0] for seed in range(8)]
DEFECTS = [render("nut", "missing_part", seed=seed, size=64) for seed in range(50, 54)]
SMALL = {"resize": 64, "batch": 8, "width": 16, "device": "cpu"}


def test_the_truncated_loss_averages_each_side_alone():
    logits, truth = torch.tensor([-2.0, -0.2, 0.4, 3.0, 0.1]), torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0])
    expected = (0 + 0.3 + 0.9) / 3 + (0 + 0.4) / 2
    assert truncated_loss(logits, truth).item() == pytest.approx(expected)
    assert truncated_loss(logits[:3], truth[:3]).item() == pytest.approx(0.4)
    assert truncated_loss(logits[:0], truth[:0]).item() == 0


def test_noise_is_added_to_good_images_inside_the_mask_that_marks_it():
    torch.manual_seed(0)
    features, masks = torch.zeros(40, 3, 16, 16), torch.zeros(40, 1, 16, 16)
    masks[30:35, :, 2:5, 2:5], masks[35:] = 1, torch.nan
    noisy, marked = with_noise(features, masks, 2.0)
    changed = noisy.ne(0).any(dim=1, keepdim=True)
    assert torch.equal(changed[:30], marked[:30] == 1) and not changed[30:].any()
    torch.testing.assert_close(marked[30:], masks[30:], equal_nan=True)
    assert 5 < changed[:30].flatten(1).any(dim=1).sum() < 25  # about half of them
    assert noisy[noisy != 0].std().item() == pytest.approx(2.0, rel=0.1)


def test_the_heads_are_what_the_paper_describes():
    """Position by position for the first head, pooled by hand for the second; with running statistics."""
    torch.manual_seed(0)
    network, inputs = TwoHeads(3, 8).eval(), torch.randn(2, 3, 6, 5)
    features = network.adapted(inputs)
    torch.testing.assert_close(features, inputs)  # the adaptor starts as the identity
    segmented, classified = network.heads(features)
    first, second = network.segment[0].weight[:, :, 0, 0], network.segment[3].weight[0, :, 0, 0]
    for n, y, x in np.ndindex(2, 6, 5):
        hidden = first @ features[n, :, y, x] / math.sqrt(1 + 1e-5)
        logit = second @ torch.where(hidden < 0, 0.2 * hidden, hidden)
        assert segmented[n, 0, y, x].item() == pytest.approx(logit.item(), abs=1e-5)
    looked = torch.cat([network.look(torch.cat([features, segmented], dim=1)), segmented], dim=1)
    pooled = torch.tensor([one.amax((1, 2)).tolist() + one.mean((1, 2)).tolist() for one in looked])
    torch.testing.assert_close(classified, network.classify(pooled)[:, 0])


def loss_of(detector: SuperSimpleNet, network: TwoHeads, mask: float) -> torch.Tensor:
    """Loss of a good image and a labelled defect whose mask holds one value."""
    torch.manual_seed(1)
    maps = {"blocks2": torch.randn(2, 40, 4, 4), "blocks4": torch.randn(2, 112, 2, 2)}
    masks = torch.stack([torch.zeros(1, 4, 4), torch.full((1, 4, 4), mask)])
    return detector._loss(network, maps | {LABEL: torch.tensor([0.0, 1.0]), MASK: masks})


def test_a_defect_without_a_mask_trains_the_image_score():
    detector = SuperSimpleNet(**SMALL)
    network = detector._build()
    unmarked = loss_of(detector, network, torch.nan)
    unmarked.backward()
    gradient = network.classify.weight.grad
    assert torch.isfinite(unmarked) and torch.isfinite(gradient).all() and gradient.ne(0).any()
    assert loss_of(detector, network, 1.0) > unmarked  # the truncated loss has a second side then


def test_one_network_learns_with_and_without_labelled_defects():
    images, masks = zip(*DEFECTS, strict=True)
    marked = SuperSimpleNet(**SMALL, steps=40, learning_rate=3e-3).fit(GOOD, defects=images, masks=masks)
    alone = SuperSimpleNet(**SMALL, steps=5).fit(GOOD)
    scores = [marked.predict(some).scores for some in (GOOD, images)]
    assert scores[1].min() > scores[0].max()
    inside, outside = [], []
    for index, mask in enumerate(masks):
        grid = marked.predict([images[index]]).network_map(0)
        inside.append(grid[mask > 0].mean())
        outside.append(grid[mask == 0].mean())
    assert np.mean(inside) > np.mean(outside) + 0.3
    assert {name: value.shape for name, value in alone.network_.state_dict().items()} == {
        name: value.shape for name, value in marked.network_.state_dict().items()
    }
    assert np.isfinite(alone.predict(GOOD[:2]).scores).all()


@pytest.mark.parametrize("wrong", [{"noise": 0.0}, {"width": 0}, {"batch": 1}, {"held_out": 0.2}])
def test_refuses_what_it_cannot_mean(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        SuperSimpleNet(**wrong).fit(GOOD[:2])
