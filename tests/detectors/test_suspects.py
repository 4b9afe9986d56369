"""Suspicion and refinement against plain statements, on toy nuts of which one is burnt."""

import numpy as np
import pytest
import torch

from adlib.bank import Committee
from adlib.data.toy import render
from adlib.detectors import Gaussian, PatchCore, score_drop_refit, suspicion
from adlib.errors import InputError

IMAGES = [render("nut", seed=seed, size=64)[0] for seed in range(10)]
IMAGES[3] = IMAGES[3].copy()
IMAGES[3][24:40, 24:40] = 0
SETTINGS = {"resize": 64, "device": "cpu"}
SMALL = SETTINGS | {"layers": ("blocks2",)}


@pytest.fixture(scope="module")
def patches() -> torch.Tensor:
    """(10, 64, D) patches of the images."""
    detector = PatchCore(**SETTINGS)
    return torch.stack([detector._vectors(item) for item in detector._features(IMAGES)])


def test_suspicion_is_the_highest_hundredth_of_what_the_committee_says(patches, monkeypatch):
    found = suspicion(IMAGES, PatchCore(**SETTINGS), members=5, hand=3, patches=60, seed=7)
    committee = Committee(10, 5, 3, 60, seed=7)
    for number, vectors in enumerate(patches):
        committee.learn(number, vectors)
    judged = torch.stack([committee.judge(number, vectors) for number, vectors in enumerate(patches)])
    np.testing.assert_allclose(found.scores, judged.amax(dim=1), rtol=1e-5)  # int(64 * 0.01) is 0: the maximum
    np.testing.assert_allclose(np.stack(found.grids), judged.reshape(10, 8, 8), rtol=1e-5)
    assert found.scores.argmax() == 3 and found.anomaly_map(3).shape == (64, 64)
    row, column = np.unravel_index(found.grids[3].argmax(), (8, 8))
    assert 2 <= row <= 5 and 2 <= column <= 5  # on the burn


@pytest.mark.parametrize(("drop", "rounds"), [(0.3, 3), (0.25, 2), (0.1, 1), (0.0, 2)])
def test_refinement_drops_the_worst_by_their_own_model_round_by_round(drop, rounds):
    detector = Gaussian(**SMALL)
    kept = list(range(10))
    for number in range(1, rounds + 1):
        chosen = [IMAGES[i] for i in kept]
        scores = Gaussian(**SMALL).fit(chosen).predict(chosen).scores
        left = round(10 - round(10 * drop) * number / rounds)
        kept = sorted(i for _, i in sorted(zip(scores, kept, strict=True))[:left])
    assert score_drop_refit(detector, IMAGES, drop, rounds).tolist() == kept
    expected = Gaussian(**SMALL).fit([IMAGES[i] for i in kept]).predict(IMAGES[:2]).scores
    np.testing.assert_array_equal(detector.predict(IMAGES[:2]).scores, expected)


@pytest.mark.parametrize(("drop", "rounds"), [(1.0, 3), (-0.1, 3), (0.2, 0), (float("nan"), 1)])
def test_refuses_what_cannot_be_dropped(drop, rounds):
    with pytest.raises(InputError, match="drop is a fraction"):
        score_drop_refit(Gaussian(), IMAGES, drop, rounds)


def test_refuses_to_judge_three_images():
    with pytest.raises(InputError, match="at least 4, not 3"):
        suspicion(IMAGES[:3])
