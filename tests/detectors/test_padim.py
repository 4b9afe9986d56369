"""PaDiM against a plain statement: one position at a time, numpy and scipy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import mahalanobis

from adlib.data.toy import render
from adlib.detectors import load_detector
from adlib.detectors.padim import PaDiM, pyramid_layers, whitening
from adlib.errors import InputError
from adlib.experiments.protocol import Protocol
from adlib.features.backbones import load_backbone

GOOD = [render("nut", seed=seed, size=64)[0] for seed in range(5)]
BAD = render("nut", "scratch", seed=9, size=64)[0]


def features_of(detector: PaDiM, picture: np.ndarray) -> np.ndarray:
    """(h, w, D) of one picture, without the detector: every place takes each layer's vector there."""
    network = load_backbone("efficientnet_lite0", device="cpu")
    side = detector.resize
    pixels = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR), dtype=np.float32)
    maps = network(torch.from_numpy(pixels / 255).permute(2, 0, 1)[None], ("blocks1", "blocks2", "blocks4"))
    layers = [values[0].numpy() for values in maps.values()]
    height, width = layers[0].shape[1:]
    cells = [[[at(layer, y / height, x / width) for layer in layers] for x in range(width)] for y in range(height)]
    return np.array([[np.concatenate(cell) for cell in row] for row in cells], dtype=np.float64)


def at(layer: np.ndarray, y: float, x: float) -> np.ndarray:
    """The activation vector of (C, h, w) at a place given in fractions of its sides (sec. 3.1)."""
    return layer[:, int(y * layer.shape[1]), int(x * layer.shape[2])]


def plain_distances(samples: np.ndarray, query: np.ndarray) -> np.ndarray:
    """samples (N, h, w, d), query (h, w, d) -> Mahalanobis distances (h, w), each position by itself."""
    result = np.empty(query.shape[:2])
    for y, x in np.ndindex(*result.shape):
        here = samples[:, y, x]
        covariance = np.cov(here, rowvar=False) if len(here) > 1 else np.zeros((here.shape[1],) * 2)
        inverse = np.linalg.inv(np.atleast_2d(covariance) + 0.01 * np.eye(here.shape[1]))
        result[y, x] = mahalanobis(query[y, x], here.mean(0), inverse)
    return result


@pytest.mark.parametrize("count", [1, 2, 5])
def test_scores_are_mahalanobis_distances_position_by_position(count):
    detector = PaDiM(resize=64, dims=12, seed=3, device="cpu").fit(GOOD[:count])
    channels = detector.channels_.numpy()
    samples = np.stack([features_of(detector, picture)[..., channels] for picture in GOOD[:count]])
    expected = plain_distances(samples, features_of(detector, BAD)[..., channels])
    predictions = detector.predict([BAD])
    assert detector.grid_ == [16, 16] and predictions.grids[0].shape == (16, 16)
    np.testing.assert_allclose(predictions.grids[0], expected, rtol=2e-3)


def test_the_image_score_is_the_maximum_of_the_smoothed_map():
    detector = PaDiM(resize=64, dims=12).fit(GOOD)
    predictions = detector.predict([BAD])
    grid = torch.from_numpy(predictions.grids[0])[None, None]
    map_ = torch.nn.functional.interpolate(grid, size=(64, 64), mode="bilinear", align_corners=False)[0, 0].numpy()
    assert predictions.scores[0] == pytest.approx(gaussian_filter(map_, 4.0).max(), rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 8), positions=st.integers(1, 5), dims=st.integers(1, 6), seed=st.integers(0, 1000))
def test_whitening_is_a_root_of_the_inverse_covariance(n, positions, dims, seed):
    samples = torch.randn(n, positions, dims, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    factors = whitening(samples).numpy()
    for position, factor in enumerate(factors):
        centred = samples[:, position].numpy() - samples[:, position].numpy().mean(0)
        covariance = centred.T @ centred / max(n - 1, 1) + 0.01 * np.eye(dims)
        np.testing.assert_allclose(factor.T @ factor, np.linalg.inv(covariance), rtol=1e-8, atol=1e-8)


def test_equal_pictures_and_constant_channels_leave_a_finite_distance():
    detector = PaDiM(resize=64, dims=12).fit([GOOD[0]] * 3)
    again, other = detector.predict([GOOD[0], BAD]).grids
    assert np.allclose(again, 0, atol=1e-3) and np.isfinite(other).all() and other.max() > 1


def test_channels_are_a_seeded_choice_capped_at_what_there_is():
    few = [PaDiM(resize=64, dims=20, seed=seed).fit(GOOD[:2]).channels_.tolist() for seed in (0, 0, 1)]
    assert few[0] == few[1] != few[2] and len(set(few[0])) == 20
    everything = PaDiM(resize=64, dims=10_000, layers=("blocks2",)).fit(GOOD[:2])
    assert everything.channels_.tolist() == list(range(40)) and everything.whitening_.shape == (64, 40, 40)


def test_a_picture_of_another_grid_is_refused():
    wide = render("nut", seed=1, size=96)[0][:64]
    detector = PaDiM(resize=64, dims=8, aspect="keep").fit(GOOD[:2])
    with pytest.raises(InputError, match="64, 96, 3.*16 x 24 patches and the first reference image 16 x 16"):
        detector.predict([GOOD[0], wide])
    with pytest.raises(InputError, match="64, 96, 3.* gives"):
        PaDiM(resize=64, dims=8, aspect="keep").fit([GOOD[0], wide])
    assert PaDiM(resize=64, dims=8).fit(GOOD[:2]).predict([wide]).anomaly_map(0).shape == (64, 96)


def test_what_does_not_fit_into_memory_is_refused_before_it_is_computed(monkeypatch):
    monkeypatch.setenv("ADLIB_MEMORY_GB", "0.001")
    with pytest.raises(InputError, match="Gaussians over 100 channels would take"):
        PaDiM(resize=64).fit(GOOD[:1])


def test_dims_must_keep_a_channel():
    with pytest.raises(InputError, match="dims"):
        PaDiM(dims=0).fit(GOOD[:1])


OLD = {
    "dataset": "mvtec",
    "category": "bottle",
    "data_digest": "00000000",
    "method": "padim",
    "backbone": "efficientnet_lite0",
    "weights_sha256": "11111111",
    "options": {"aspect": "square", "crop": None, "dims": 100, "layers": None, "precision": "float32", "resize": 256}
    | {"sigma": 4.0, "window": None},
}


def test_rows_that_interpolated_keep_their_hash_and_their_meaning():
    old = Protocol.from_dict(OLD)
    assert old.hash == "bae9aecf0c" and old.options["join"] == "interpolate"
    today = Protocol(**OLD)
    assert today.options["join"] == "repeat" and today.hash != old.hash


def test_a_model_saved_before_joins_were_a_choice_scores_as_then(tmp_path, monkeypatch):
    fitted = PaDiM(resize=64, dims=12, join="interpolate").fit(GOOD)
    monkeypatch.setattr(PaDiM, "parameters", lambda self: {k: v for k, v in vars(self).items() if k in KNOWN_THEN})
    fitted.save(tmp_path / "model")
    monkeypatch.undo()
    loaded = load_detector(tmp_path / "model")
    assert loaded.join == "interpolate"
    assert np.array_equal(loaded.predict([BAD]).grids[0], fitted.predict([BAD]).grids[0])


KNOWN_THEN = set(PaDiM.parameter_defaults()) - {"join"}


def test_an_unknown_join_is_refused():
    with pytest.raises(InputError, match="Unknown join 'copy'; choose one of repeat, interpolate"):
        PaDiM(resize=64, join="copy").fit(GOOD[:1])


def test_layers_follow_the_strides():
    assert pyramid_layers(load_backbone("efficientnet_lite0", device="cpu")) == ("blocks1", "blocks2", "blocks4")
