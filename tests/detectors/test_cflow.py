"""CFLOW against plain statements: positions, scores and the reference of each level by numpy."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from adlib.data.toy import render
from adlib.detectors.cflow import CFLOW, position_encoding
from adlib.detectors.registry import load_detector
from adlib.detectors.training import stack

GOOD = [render("nut", seed=seed, size=64)[0] for seed in range(12)]
BAD = render("nut", "missing_part", seed=900, size=64)[0]
LAYERS = ("blocks1", "blocks2", "blocks4")
SMALL = {"resize": 64, "batch": 4, "couplings": 4, "device": "cpu"}


@pytest.fixture(scope="module")
def fitted() -> CFLOW:
    return CFLOW(**SMALL, steps=20, learning_rate=3e-3).fit(GOOD)


def plain_encoding(height: int, width: int, channels: int) -> np.ndarray:
    found = np.zeros((height * width, channels))
    for y in range(height):
        for x in range(width):
            for start, place in ((0, x), (channels // 2, y)):
                for i in range(channels // 4):
                    angle = place / 10000 ** (2 * i / (channels / 2))
                    found[y * width + x, start + 2 * i : start + 2 * i + 2] = math.sin(angle), math.cos(angle)
    return found


def test_positions_are_sines_and_cosines_of_column_and_row():
    np.testing.assert_allclose(position_encoding(3, 5, 12).numpy(), plain_encoding(3, 5, 12), atol=1e-6)
    places = position_encoding(32, 32)
    assert places.shape == (1024, 128) and len(places.unique(dim=0)) == 1024


def test_each_vector_is_judged_alone_and_by_its_place(fitted):
    maps = stack(list(fitted._features([BAD])))
    with torch.inference_mode():
        before = fitted.log_likelihoods(fitted.network_, maps)["blocks2"]
        moved = {layer: values.clone() for layer, values in maps.items()}
        moved["blocks2"][0, :, 3, 4] = maps["blocks2"][0, :, 0, 0]
        after = fitted.log_likelihoods(fitted.network_, moved)["blocks2"]
        place = torch.tensor(plain_encoding(8, 8, 128)[3 * 8 + 4], dtype=torch.float32)[None]
        alone = fitted.network_["blocks2"].log_likelihood(maps["blocks2"][:, :, 0, 0], place) / 40
    changed = (before - after).abs() > 1e-4
    assert changed.nonzero().tolist() == [[0, 3, 4]]
    assert after[0, 3, 4].item() == pytest.approx(alone.item(), rel=1e-4)
    assert after[0, 3, 4] != before[0, 0, 0]  # the same vector at another place


def test_levels_are_measured_against_the_best_good_vector(fitted):
    with torch.inference_mode():
        good = [fitted.log_likelihoods(fitted.network_, stack([one])) for one in fitted._features(GOOD)]
        found = fitted.log_likelihoods(fitted.network_, stack(list(fitted._features([BAD]))))
    probable = np.zeros((16, 16))
    for number, layer in enumerate(LAYERS):
        best = max(float(one[layer].max()) for one in good)
        assert fitted.network_.best[number].item() == pytest.approx(best, rel=1e-3)
        picture = Image.fromarray(found[layer][0].numpy() - best)  # resized by another library than the detector's
        probable += np.exp(np.asarray(picture.resize((16, 16), Image.Resampling.BILINEAR), dtype=float)) / len(LAYERS)
    predictions = fitted.predict([BAD])
    np.testing.assert_allclose(predictions.grids[0], -np.log(probable), rtol=2e-3)
    assert predictions.scores[0] == predictions.network_map(0).max()


def test_vectors_better_than_the_best_good_one_keep_their_order(fitted):
    before = fitted.predict([BAD]).grids[0]
    best = fitted.network_.best.clone()
    try:
        fitted.network_.best.fill_(best.min() - 10)  # every vector is now better
        after = fitted.predict([BAD]).grids[0]
    finally:
        fitted.network_.best.copy_(best)
    assert after.max() < 0 and len(np.unique(after)) == len(np.unique(before)) == after.size


def test_the_loss_of_all_positions_is_the_mean_over_them(fitted):
    """The coarse levels hold fewer positions than a step looks at."""
    maps = stack(list(fitted._features(GOOD[:2])))
    with torch.inference_mode():
        values = fitted.log_likelihoods(fitted.network_, maps)
        expected = -sum(level.mean() for level in values.values())
        assert fitted._loss(fitted.network_, maps).item() == pytest.approx(expected.item(), rel=1e-4)


def test_training_raises_the_likelihood_of_good_pictures(fitted):
    losses = [entry[1] for entry in fitted.history_]
    assert losses[-1] < losses[0] - 0.1


def test_it_is_saved_with_its_references_and_loaded(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    again = load_detector(tmp_path / "model", device="cpu")
    assert torch.equal(again.network_.best, fitted.network_.best) and again.network_.best.abs().min() > 0
    assert np.array_equal(again.predict([BAD]).grids[0], fitted.predict([BAD]).grids[0])
