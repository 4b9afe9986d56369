"""The Gaussian detector against a plain statement: numpy's covariance, numpy's inverse, scipy's distance."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from adlib.data.toy import render
from adlib.detectors.gaussian import FLOOR, Gaussian, PatchMoments, fit_normal, shrink, whitening
from adlib.errors import InputError
from adlib.features.backbones import load_backbone
from adlib.features.patches import patch_vectors

GOOD = [render("nut", seed=seed, size=64)[0] for seed in range(6)]
BAD = render("nut", "scratch", seed=9, size=64)[0]
PATCH_LAYERS = ("blocks1", "blocks2", "blocks4")


def maps_of(picture: np.ndarray) -> dict[str, torch.Tensor]:
    """All maps of one picture at 64 x 64, without the detector."""
    network = load_backbone("efficientnet_lite0", device="cpu")
    pixels = np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.BILINEAR), dtype=np.float32) / 255
    maps = network(torch.from_numpy(pixels).permute(2, 0, 1)[None], network.layers)
    return {name: values[0] for name, values in maps.items()}


def picture_vector(maps: dict[str, torch.Tensor]) -> np.ndarray:
    return np.concatenate([values.double().numpy().mean(axis=(1, 2)) for values in maps.values()])


def patches_of(maps: dict[str, torch.Tensor]) -> np.ndarray:
    return patch_vectors({name: maps[name] for name in PATCH_LAYERS}, 1)[0].double().numpy()


def plain_distances(samples: np.ndarray, queries: np.ndarray, shrinkage: float = 0.0) -> np.ndarray:
    covariance = np.cov(samples, rowvar=False, bias=True)
    mean_variance = np.trace(covariance) / len(covariance)
    covariance = (1 - shrinkage) * covariance + shrinkage * mean_variance * np.eye(len(covariance))
    inverse = np.linalg.inv(covariance + FLOOR * mean_variance * np.eye(len(covariance)))
    return np.array([mahalanobis(query, samples.mean(0), inverse) for query in queries])


@pytest.mark.parametrize("shrinkage", [None, 0.3, 1.0])
def test_the_image_score_is_the_mahalanobis_distance_of_the_mean_features(shrinkage):
    samples = np.stack([picture_vector(maps_of(picture)) for picture in GOOD])
    used = LedoitWolf().fit(samples).shrinkage_ if shrinkage is None else shrinkage
    detector = Gaussian(resize=64, shrinkage=shrinkage, device="cpu").fit(GOOD)
    expected = plain_distances(samples, [picture_vector(maps_of(picture)) for picture in (BAD, GOOD[0])], used)
    assert detector.shrinkage_ == pytest.approx(used, rel=1e-3) and detector.mean_.shape == (784,)
    np.testing.assert_allclose(detector.predict([BAD, GOOD[0]]).scores, expected, rtol=1e-3)


@pytest.mark.slow
def test_the_map_is_the_distance_of_each_patch_from_one_normal_of_all_patches():
    samples = np.concatenate([patches_of(maps_of(picture)) for picture in GOOD])
    expected = plain_distances(samples, patches_of(maps_of(BAD)))
    grid = Gaussian(resize=64, device="cpu").fit(GOOD).predict([BAD]).grids[0]
    assert grid.shape == (16, 16)
    np.testing.assert_allclose(grid.ravel(), expected, rtol=1e-3)


def test_patches_in_another_order_score_the_same_each():
    """No position is known: what a patch scores, and what the picture scores, does not depend on where patches lie."""
    detector = Gaussian(resize=64, layers=("blocks2",)).fit(GOOD)
    (features,) = detector._features([BAD])
    maps = features.maps["blocks2"]
    order = torch.randperm(maps[0].numel(), generator=torch.Generator().manual_seed(0))
    shuffled = replace(features, maps={"blocks2": maps.flatten(1)[:, order].reshape(maps.shape)})
    (score, grid), (other_score, other_grid) = detector._score(features), detector._score(shuffled)
    assert float(other_score) == pytest.approx(float(score), rel=1e-6)
    assert torch.allclose(other_grid.flatten(), grid.flatten()[order])


def test_pictures_of_several_shapes_are_taken_together():
    wide = render("nut", seed=1, size=96)[0][:64]
    predictions = Gaussian(resize=64).fit([*GOOD[:3], wide]).predict([wide, BAD])
    assert [grid.shape for grid in predictions.grids] == [(16, 24), (16, 16)]


@settings(max_examples=40, deadline=None)
@given(blocks=st.lists(st.integers(1, 6), min_size=1, max_size=5), dims=st.integers(1, 5), seed=st.integers(0, 999))
def test_moments_in_blocks_are_those_of_all_at_once(blocks, dims, seed):
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randn(n, dims, generator=generator, dtype=torch.float64) + 1e4 for n in blocks]
    moments = PatchMoments()
    for part in parts:
        moments.add(part)
    mean, covariance = moments.finish()
    together = torch.cat(parts).numpy()
    np.testing.assert_allclose(mean, together.mean(0), rtol=1e-12)
    plain = np.cov(together, rowvar=False, bias=True).reshape(dims, dims)
    np.testing.assert_allclose(covariance, plain, atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 12), dims=st.integers(1, 6), shrinkage=st.floats(0.01, 1), seed=st.integers(0, 999))
def test_whitening_is_a_root_of_the_inverse_covariance(n, dims, shrinkage, seed):
    samples = torch.randn(n, dims, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    mean, factor, used = fit_normal(samples, shrinkage)
    covariance = np.cov(samples.numpy(), rowvar=False, bias=True).reshape(dims, dims)
    shrunk = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / dims * np.eye(dims)
    assert used == shrinkage and torch.allclose(mean, samples.mean(0))
    np.testing.assert_allclose(factor.T @ factor, np.linalg.inv(shrunk), rtol=1e-5, atol=1e-6 / np.trace(covariance))


def test_shrinkage_is_scikit_learns():
    samples = np.random.default_rng(0).normal(size=(10, 30)) * np.linspace(0.1, 3, 30)
    reference = LedoitWolf().fit(samples)
    mean, factor, used = fit_normal(torch.from_numpy(samples))
    assert used == pytest.approx(reference.shrinkage_) and 0 < used < 1
    np.testing.assert_allclose(factor.T @ factor, reference.precision_, rtol=1e-5, atol=1e-8)
    plain = torch.from_numpy(np.cov(samples, rowvar=False, bias=True))
    np.testing.assert_allclose(shrink(plain, used), reference.covariance_, rtol=1e-10, atol=1e-14)


def test_squared_distances_of_the_training_vectors_average_to_the_dimension():
    """tr(S^-1 S) = D, whatever the vectors: so the distances of training pictures say nothing of new ones."""
    samples = torch.rand(50, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, factor, _ = fit_normal(samples, shrinkage=0.0)
    squared = ((samples - mean) @ factor.T).square().sum(1)
    assert squared.mean().item() == pytest.approx(7, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("pictures", [GOOD[:1], [GOOD[0]] * 3], ids=["one picture", "equal pictures"])
def test_without_variation_the_image_score_is_the_euclidean_distance(pictures):
    detector = Gaussian(resize=64).fit(pictures)
    gap = picture_vector(maps_of(BAD)) - picture_vector(maps_of(GOOD[0]))
    assert detector.shrinkage_ == 0
    np.testing.assert_allclose(detector.predict([BAD]).scores[0], np.linalg.norm(gap), rtol=1e-4)


def test_few_pictures_and_a_constant_channel_leave_finite_distances():
    samples = torch.tensor([[0.0, 1.0, 5.0], [2.0, 1.0, 5.0]], dtype=torch.float64)
    _, factor, _ = fit_normal(samples)
    assert torch.isfinite(factor).all() and torch.equal(whitening(torch.zeros(3, 3)), torch.eye(3))
    predictions = Gaussian(resize=64).fit(GOOD[:2]).predict([BAD])
    assert np.isfinite(predictions.scores).all() and np.isfinite(predictions.grids[0]).all()


def test_named_layers_serve_picture_and_patches():
    detector = Gaussian(resize=64, layers=("blocks2", "blocks1")).fit(GOOD[:3])
    assert detector.mean_.shape == detector.patch_mean_.shape == (64,)
    assert detector.predict([BAD]).grids[0].shape == (16, 16)


@pytest.mark.parametrize("wrong", [-0.1, 1.5, float("nan")])
def test_shrinkage_is_a_share(wrong):
    with pytest.raises(InputError, match="shrinkage"):
        Gaussian(shrinkage=wrong).fit(GOOD[:2])
