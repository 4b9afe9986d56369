"""SPADE against a plain statement: all distances written out, sorted, averaged."""

import numpy as np
import pytest
import torch
from PIL import Image

from adlib.data.toy import render
from adlib.detectors.spade import SPADE
from adlib.errors import InputError
from adlib.features.backbones import load_backbone
from adlib.features.patches import patch_vectors

GOOD = [render("nut", seed=seed, size=64)[0] for seed in range(6)]
QUERY = render("nut", "scratch", seed=9, size=64)[0]


def features_of(picture: np.ndarray, layers=("blocks2", "blocks4"), whole="blocks6") -> tuple[np.ndarray, np.ndarray]:
    """Patches (n, D) and the one vector (G,) of a picture, without the detector."""
    network = load_backbone("efficientnet_lite0", device="cpu")
    pixels = torch.from_numpy(np.asarray(Image.fromarray(picture), dtype=np.float32) / 255).permute(2, 0, 1)
    maps = {name: values[0] for name, values in network(pixels[None], (*layers, whole)).items()}
    vectors, _ = patch_vectors({name: maps[name] for name in layers}, neighbourhood=1)
    return vectors.double().numpy(), maps[whole].double().mean((1, 2)).numpy()


def plain(references: list[np.ndarray], query: np.ndarray, k: int, kappa: int) -> tuple[float, np.ndarray]:
    known = [features_of(picture) for picture in references]
    patches, whole = features_of(query)
    to_pictures = np.array([np.linalg.norm(whole - other) for _, other in known])
    nearest = np.argsort(to_pictures)[:k]
    gallery = np.concatenate([known[i][0] for i in nearest])
    to_patches = np.linalg.norm(patches[:, None] - gallery[None], axis=2)
    return to_pictures[nearest].mean(), np.sort(to_patches, axis=1)[:, :kappa].mean(axis=1)


@pytest.mark.parametrize(("k", "kappa"), [(1, 1), (2, 1), (3, 4), (6, 2)])
def test_scores_are_those_of_the_plain_statement(k, kappa):
    detector = SPADE(resize=64, nearest_images=k, neighbours=kappa, device="cpu").fit(GOOD)
    predictions = detector.predict([QUERY])
    score, grid = plain(GOOD, QUERY, k, kappa)
    assert predictions.scores[0] == pytest.approx(score, rel=1e-4) and predictions.grids[0].shape == (8, 8)
    np.testing.assert_allclose(predictions.grids[0].ravel(), grid, rtol=1e-4)


def test_the_gallery_holds_the_nearest_pictures_alone():
    """A patch that a far picture knows well must not be found there."""
    detector = SPADE(resize=64, nearest_images=1).fit([*GOOD[:3], QUERY[::-1].copy()])
    everything = SPADE(resize=64).fit([*GOOD[:3], QUERY[::-1].copy()])
    few, all_ = detector.predict([QUERY]).grids[0], everything.predict([QUERY]).grids[0]
    assert (few >= all_).all() and (few > all_).any()


def test_a_known_picture_is_no_anomaly():
    predictions = SPADE(resize=64, nearest_images=1).fit(GOOD).predict([GOOD[3]])
    assert predictions.scores[0] == pytest.approx(0, abs=1e-4) and np.allclose(predictions.grids[0], 0, atol=1e-3)


def test_more_neighbours_than_there_are_take_all():
    few = SPADE(resize=64, nearest_images=2, neighbours=1000).fit(GOOD[:2]).predict([QUERY])
    score, grid = plain(GOOD[:2], QUERY, 2, 1000)
    assert few.scores[0] == pytest.approx(score, rel=1e-4)
    np.testing.assert_allclose(few.grids[0].ravel(), grid, rtol=1e-4)


def test_pictures_of_several_shapes_live_in_one_bank():
    wide = render("nut", seed=11, size=96)[0][:64]
    detector = SPADE(resize=64, nearest_images=2).fit([GOOD[0], wide, GOOD[1]])
    assert detector.offsets_ == [0, 64, 160, 224] and len(detector.bank_) == 224
    predictions = detector.predict([wide, QUERY])
    assert predictions.grids[0].shape == (8, 12) and np.allclose(predictions.grids[0], 0, atol=1e-3)


def test_layers_and_the_global_layer_can_be_named():
    detector = SPADE(resize=64, layers=("blocks1", "blocks2"), global_layer="blocks2").fit(GOOD[:2])
    assert detector.bank_.shape == (2 * 256, 24 + 40) and detector.globals_.shape == (2, 40)


def test_what_does_not_fit_into_memory_is_refused_by_its_size(monkeypatch):
    monkeypatch.setenv("ADLIB_MEMORY_GB", "0.0001")
    with pytest.raises(InputError, match="The bank .* would take"):
        SPADE(resize=64).fit(GOOD)


@pytest.mark.parametrize("wrong", [{"nearest_images": 0}, {"neighbours": 0}, {"layers": ("blocks9",)}])
def test_refuses_what_it_cannot_mean(wrong):
    with pytest.raises(InputError, match=next(iter(wrong)) if "layers" not in wrong else "blocks9"):
        SPADE(resize=64, **wrong).fit(GOOD[:1])
