"""DRAEM against plain statements of its loss and scores."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from adlib.detectors.draem import DRAEM, RepairAndCompare, focal_loss
from adlib.detectors.registry import load_detector
from helpers.small_nuts import BAD, GOOD, SMALL, pixels_of


def test_focal_loss_is_as_defined():
    logits = torch.tensor([-3.0, -0.2, 0.0, 0.7, 4.0, 2.0])
    truth = torch.tensor([False, True, False, True, True, False])
    expected = []
    for logit, defect in zip(logits.tolist(), truth.tolist(), strict=True):
        p = 1 / (1 + np.exp(-logit))
        p = p if defect else 1 - p
        expected.append(-((1 - p) ** 2) * np.log(p))
    assert focal_loss(logits, truth).item() == pytest.approx(np.mean(expected), rel=1e-5)
    assert torch.isfinite(focal_loss(torch.tensor([-200.0]), torch.tensor([True])))


def test_draem_scores_by_the_second_network():
    found = DRAEM(**SMALL).fit(GOOD)
    with torch.inference_mode():
        repaired = found.network_.repair(pixels_of(BAD))
        logits = found.network_.compare(torch.cat([pixels_of(BAD), repaired], dim=1))
    predictions = found.predict([BAD])
    np.testing.assert_allclose(predictions.grids[0], 1 / (1 + np.exp(-logits[0, 0].numpy())), atol=1e-5)
    assert predictions.scores[0] == pytest.approx(gaussian_filter(predictions.grids[0], 2.0).max(), rel=1e-5)


def test_draems_first_network_has_no_way_around_and_the_second_has():
    network = RepairAndCompare(4, 3)
    assert network.repair.skips == 0 and network.compare.skips == 3
    repaired, logits = network(torch.rand(2, 3, 16, 24))
    assert repaired.shape == (2, 3, 16, 24) and logits.shape == (2, 1, 16, 24)


def test_draems_learning_rate_falls_twice():
    rates = [DRAEM(steps=10)._rate(step) for step in range(1, 11)]
    assert rates == pytest.approx([1] * 8 + [0.2, 0.04])
    assert DRAEM(steps=10, decay=1.0)._rate(10) == 1


def test_draem_is_saved_and_loaded(tmp_path):
    found = DRAEM(**SMALL, textures="good").fit(GOOD)
    found.save(tmp_path / "model")
    again = load_detector(tmp_path / "model", device="cpu")
    assert np.array_equal(again.predict([BAD]).grids[0], found.predict([BAD]).grids[0])
