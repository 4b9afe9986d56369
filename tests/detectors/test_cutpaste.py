"""CutPaste against a plain statement of its loss and score."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.covariance import LedoitWolf
from torch import nn

from adlib.data.toy import render
from adlib.detectors.cutpaste import Classifier, CutPaste, augmented, with_defects
from adlib.detectors.registry import load_detector
from adlib.errors import InputError
from adlib.features.backbones import load_backbone
from adlib.features.patches import Preprocess

GOOD = [render("nut", None, seed, 96)[0] for seed in range(8)]
BAD = render("nut", "scratch", 50, 96)[0]
SMALL = {"resize": 64, "steps": 4, "batch": 4, "frozen": 5}


@pytest.fixture(scope="module")
def fitted():
    return CutPaste(**SMALL).fit(GOOD)


def small_pixels(image: np.ndarray) -> torch.Tensor:
    return Preprocess(64)(Image.fromarray(image))[0][None]


def test_a_score_is_the_mahalanobis_distance_of_pooled_features(fitted):
    """scikit-learn's estimate of the covariance on the trained network's means."""
    with torch.inference_mode():
        pooled = [fitted.network_.maps(small_pixels(one))["blocks6"].mean((2, 3))[0] for one in (*GOOD, BAD)]
    vectors = torch.stack(pooled).double().numpy()
    estimate = LedoitWolf().fit(vectors[:-1])
    expected = np.sqrt(estimate.mahalanobis(vectors[-1:])[0])
    assert fitted.predict([BAD]).scores[0] == pytest.approx(expected, rel=1e-3)


def test_the_loss_is_a_cross_entropy_of_good_and_pasted(fitted):
    good = torch.cat([small_pixels(one) for one in GOOD[:3]])
    torch.manual_seed(0)
    loss = float(fitted._loss(fitted.network_, {"pixels": good}).detach())
    torch.manual_seed(0)
    classes = with_defects(augmented(good), "3way")
    assert classes.shape == (3, 3, 3, 64, 64) and not torch.equal(classes[0], classes[1])
    terms = []
    with torch.inference_mode():
        for label, images in enumerate(classes):
            for image in images:
                terms.append(-float(fitted.network_(image[None])[0].log_softmax(0)[label]))
    assert loss == pytest.approx(np.mean(terms), rel=1e-3)


def test_the_backbone_stays_and_only_the_last_stages_are_trained(fitted):
    backbone = load_backbone("efficientnet_lite0")
    trained, pretrained = fitted.network_.stages, backbone.network
    assert all(not p.requires_grad for p in fitted.network().parameters())
    for stage, before in zip(trained.stages[:5], pretrained.stages[:5], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(stage.parameters(), before.parameters(), strict=True))
    assert any(
        not torch.equal(a, b)
        for a, b in zip(trained.stages[6].parameters(), pretrained.stages[6].parameters(), strict=True)
    )
    norms = [m for m in fitted.network_.train().modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and not any(m.training for m in norms)


def test_frozen_stages_and_classes_are_as_asked():
    backbone = load_backbone("efficientnet_lite0")
    network = Classifier(backbone, ("blocks4",), 0, 2)
    assert all(p.requires_grad for p in network.parameters()) and len(network.stages.stages) == 5
    assert network(torch.rand(2, 3, 64, 64)).shape == (2, 2)
    partly = Classifier(backbone, ("blocks4", "blocks6"), 3, 3)
    assert not any(p.requires_grad for p in partly.stages.stem.parameters())
    assert [all(p.requires_grad for p in stage.parameters()) for stage in partly.stages.stages] == [False] * 3 + [
        True
    ] * 4


def test_the_learning_rate_rises_and_falls():
    rates = [CutPaste(steps=20)._rate(step) for step in range(1, 21)]
    assert rates[:2] == pytest.approx([0.5, 1.0]) and rates[-1] == pytest.approx(0, abs=1e-6)
    assert all(a > b for a, b in zip(rates[1:], rates[2:], strict=False))


def test_without_steps_it_is_a_gaussian_of_the_pretrained_features():
    plain = CutPaste(**SMALL | {"steps": 0}).fit(GOOD)
    with torch.inference_mode():
        mine = plain.network_.maps(small_pixels(BAD))["blocks6"]
        theirs = load_backbone("efficientnet_lite0")(small_pixels(BAD), ("blocks6",))["blocks6"]
    assert torch.allclose(mine, theirs, atol=1e-4) and plain.history_ == []


def test_shifted_images_show_the_same_part():
    torch.manual_seed(0)
    images = torch.rand(4, 3, 32, 32)
    assert augmented(images).shape == images.shape and augmented(images).min() >= 0


def test_it_is_saved_and_loaded(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    again = load_detector(tmp_path / "model", device="cpu")
    assert np.array_equal(again.predict([BAD]).grids[0], fitted.predict([BAD]).grids[0])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"variant": "4way"}, "variant"),
        ({"frozen": 9}, "0 to 7"),
        ({"backbone": "pixels"}, "convolutional backbone, not pixels"),
    ],
)
def test_invalid_parameters_are_named(changed, message):
    with pytest.raises(InputError, match=message):
        CutPaste(**SMALL | changed).fit(GOOD)
