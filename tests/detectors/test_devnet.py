"""DevNet against a plain statement: numpy, image by image, position by position."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from adlib.data.toy import render
from adlib.detectors import DevNet, load_detector
from adlib.detectors.devnet import PositionScore, deviation_loss
from adlib.detectors.labelled import LabelledFeatures, labelled
from adlib.detectors.supervised import LABEL, MASK
from adlib.errors import InputError
from adlib.features.extract import ImageFeatures
from adlib.features.patches import Preprocess

GOOD = [render("nut", seed=seed, size=64)[0] for seed in range(10)]
DEFECTS = [render("nut", "missing_part", seed=seed, size=64) for seed in range(50, 54)]
SMALL = {"resize": 64, "steps": 40, "batch": 8, "device": "cpu"}


def plain_loss(scores, labels, prior, margin) -> float:
    total = 0.0
    for score, label in zip(scores, labels, strict=True):
        deviation = (score - np.mean(prior)) / np.std(prior, ddof=1)
        total += max(0.0, margin - deviation) if label else abs(deviation)
    return total / len(scores)


def test_the_deviation_loss_is_that_of_the_paper():
    random = np.random.default_rng(0)
    scores, labels, prior = random.normal(2, 4, 9), np.arange(9) % 2, random.normal(0.3, 1.2, 50)
    tensors = [torch.tensor(values) for values in (scores, labels.astype(float), prior)]
    for margin in (5.0, 2.0):
        assert deviation_loss(*tensors, margin).item() == pytest.approx(plain_loss(scores, labels, prior, margin))


def test_a_defect_beyond_the_margin_costs_nothing_and_a_good_image_costs_its_distance():
    prior = torch.tensor([-1.0, 1.0]) / 2**0.5  # mean 0, standard deviation 1
    loss = [deviation_loss(torch.tensor([s]), torch.tensor([y]), prior).item() for s, y in ((6.0, 1.0), (-3.0, 0.0))]
    assert loss == pytest.approx([0.0, 3.0], abs=1e-5)


@pytest.fixture(scope="module")
def fitted() -> DevNet:
    return DevNet(**SMALL, learning_rate=0.03).fit(GOOD, defects=[image for image, _ in DEFECTS])


def test_the_score_is_the_mean_of_the_highest_tenth_of_linear_scores(fitted):
    (features,) = fitted._features([DEFECTS[0][0]])
    with torch.inference_mode():
        values = fitted._input({layer: maps[None] for layer, maps in features.maps.items()})[0].numpy()
    network = fitted.network_
    weight, bias = network.score.weight.detach().numpy()[0, :, 0, 0], network.score.bias.item()
    mean, std = network.mean.numpy().ravel(), network.std.numpy().ravel()
    expected = np.empty(values.shape[1:])
    for y, x in np.ndindex(*expected.shape):
        expected[y, x] = abs(weight @ ((values[:, y, x] - mean) / std) + bias)
    predictions = fitted.predict([DEFECTS[0][0]])
    np.testing.assert_allclose(predictions.grids[0], expected, rtol=1e-3, atol=1e-4)
    highest = np.sort(expected.ravel())[::-1][: expected.size // 10]
    assert predictions.scores[0] == pytest.approx(highest.mean(), rel=1e-3)
    signed = DevNet(**SMALL, absolute=False).fit(GOOD, defects=[DEFECTS[0][0]]).predict([DEFECTS[0][0]])
    assert signed.grids[0].min() < 0 <= predictions.grids[0].min()


def test_it_learns_to_lift_labelled_defects_above_good_images(fitted):
    good, defective = (fitted.predict(images).scores for images in (GOOD, [image for image, _ in DEFECTS]))
    assert defective.min() > good.max() and fitted.history_[-1][1] < 0.5 * fitted.history_[0][1]
    assert abs(good.mean()) < 2 < defective.mean()


def test_masks_change_nothing(fitted, tmp_path):
    images, masks = zip(*DEFECTS, strict=True)
    again = DevNet(**SMALL, learning_rate=0.03).fit(GOOD, defects=images, masks=masks)
    assert np.array_equal(again.predict(GOOD).scores, fitted.predict(GOOD).scores)
    again.save(tmp_path / "model")
    assert isinstance(load_detector(tmp_path / "model").network_, PositionScore)


def of(label: int, number: int, mask: torch.Tensor | None = None) -> ImageFeatures:
    """Made-up features that hold a number."""
    maps = {"blocks2": torch.full((40, 8, 8), float(number)), "blocks4": torch.zeros(112, 4, 4)}
    return LabelledFeatures(maps, None, "", "", mask) if label else ImageFeatures(maps, None, "", "")


@pytest.mark.parametrize(("defects", "batch"), [(1, 8), (3, 8), (20, 8), (1, 2), (2, 5)])
def test_half_of_a_batch_is_labelled_however_few_there_are(defects, batch):
    trained = [of(0, i) for i in range(7)] + [of(1, 100 + i) for i in range(defects)]
    batches, seen = DevNet(batch=batch)._batches(trained), set()
    for _ in range(30):
        chosen = next(batches)
        labels = [isinstance(item, LabelledFeatures) for item in chosen]
        assert sum(labels) == batch // 2 and len(labels) - sum(labels) == min(7, batch - batch // 2)
        seen |= {float(item.maps["blocks2"][0, 0, 0]) for item in chosen}
    assert len(seen) == 7 + defects


def test_without_defects_batches_are_good_images():
    batches = DevNet(batch=4)._batches([of(0, i) for i in range(6)])
    assert len({float(item.maps["blocks2"][0, 0, 0]) for _ in range(3) for item in next(batches)}) == 6


def test_labels_and_masks_of_a_batch():
    """A position is defective where the mask touches it; without a mask nobody knows."""
    mask = torch.zeros(64, 64, dtype=torch.bool)
    mask[9, 17] = True
    batch = DevNet()._stacked([of(0, 1), of(1, 2, mask), of(1, 3)])
    assert batch[LABEL].tolist() == [0, 1, 1] and batch[MASK].shape == (3, 1, 8, 8)
    assert batch[MASK][0].eq(0).all() and batch[MASK][2].isnan().all()
    assert batch[MASK][1].sum() == 1 and batch[MASK][1, 0, 1, 2] == 1


def test_thin_defects_stay_in_the_mask_and_a_crop_cuts_it(fitted, tmp_path):
    """A scratch of one pixel in an image that is shrunk; what a centre crop hides is not there."""
    image, scratch = np.zeros((256, 512, 3), np.uint8), np.zeros((256, 512), np.uint8)
    scratch[128, :] = 255
    (features,) = fitted._features([image])
    assert labelled(features, scratch).mask.shape == (256, 512) and labelled(features, None).mask is None
    batch = fitted._stacked([of(0, 1), labelled(features, scratch)])
    assert batch[MASK][1, 0].sum(dim=1).tolist() == [0, 0, 0, 0, 8, 0, 0, 0]
    cropped = replace(features, frame=Preprocess(128, crop=64)(Image.fromarray(image))[1])
    assert labelled(cropped, scratch).mask.shape == (128, 128)
    Image.fromarray(scratch).save(tmp_path / "mask.png")
    assert torch.equal(labelled(features, tmp_path / "mask.png").mask, labelled(features, scratch).mask)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"margin": 0.0}, "margin"),
        ({"top_share": 0.0}, "top_share"),
        ({"top_share": 1.1}, "top_share"),
        ({"batch": 1}, "batch"),
        ({"held_out": 0.1}, "held_out is 0"),
    ],
)
def test_refuses_what_it_cannot_mean(wrong, words):
    with pytest.raises(InputError, match=words):
        DevNet(**wrong).fit(GOOD[:2], defects=[DEFECTS[0][0]])
