"""FastFlow against plain statements: scores by numpy, the likelihood by one Gaussian and by autograd's Jacobian."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save

from adlib.data.toy import render
from adlib.detectors.base import read_model
from adlib.detectors.fastflow import FastFlow
from adlib.detectors.registry import load_detector
from adlib.detectors.training import stack
from adlib.errors import InputError

GOOD = [render("nut", seed=seed, size=64)[0] for seed in range(12)]
BAD = render("nut", "missing_part", seed=900, size=64)[0]
LAYERS = ("blocks1", "blocks2", "blocks4")
SMALL = {"resize": 64, "batch": 4, "device": "cpu"}


@pytest.fixture(scope="module")
def fitted() -> FastFlow:
    return FastFlow(**SMALL, steps=20, learning_rate=3e-3).fit(GOOD)


def test_scores_are_the_logarithm_of_what_the_levels_deny(fitted):
    (features,) = fitted._features([BAD])
    probable = []
    for layer in LAYERS:
        with torch.inference_mode():
            latent, _ = fitted.network_[layer](features.maps[layer][None])
        energy = Image.fromarray(0.5 * (latent[0].numpy() ** 2).mean(axis=0))
        # resized by another library than the detector's
        probable.append(np.exp(-np.asarray(energy.resize((16, 16), Image.Resampling.BILINEAR), dtype=float)))
    predictions = fitted.predict([BAD])
    np.testing.assert_allclose(predictions.grids[0], -np.log(np.mean(probable, axis=0)), rtol=1e-4)
    assert predictions.scores[0] == predictions.network_map(0).max()


def test_untrained_it_is_one_gaussian_of_all_patches_of_a_level():
    found = FastFlow(**SMALL, steps=1, learning_rate=0.0, weight_decay=0.0, held_out=0.0).fit(GOOD)
    samples = list(found._features(GOOD))
    patches = torch.cat([sample.maps["blocks1"].flatten(1).T for sample in samples]).double()
    normal = torch.distributions.MultivariateNormal(patches.mean(0), torch.cov(patches.T, correction=0))
    (features,) = found._features([BAD])
    vectors = features.maps["blocks1"].flatten(1).T.double()
    values = found.log_likelihoods(found.network_, stack([features]))["blocks1"].flatten()
    torch.testing.assert_close(values.double(), normal.log_prob(vectors) / 24, rtol=1e-3, atol=1e-3)
    latent, _ = found.network_["blocks1"](features.maps["blocks1"][None])
    squared = (normal.log_prob(normal.mean) - normal.log_prob(vectors)) * 2  # Mahalanobis
    torch.testing.assert_close(latent.square().sum(1).flatten().double(), squared, rtol=1e-3, atol=1e-3)


def test_a_trained_flow_still_runs_backwards_and_knows_its_determinant(fitted):
    (features,) = fitted._features([BAD])
    values = features.maps["blocks4"][None]
    flow = fitted.network_["blocks4"]
    with torch.inference_mode():
        torch.testing.assert_close(flow.inverse(flow(values)[0]), values, rtol=1e-2, atol=1e-2)
    corner = values[:, :, :1, :2]

    def flat(numbers: torch.Tensor) -> torch.Tensor:
        return flow(numbers.reshape(corner.shape))[0].flatten()

    jacobian = torch.autograd.functional.jacobian(flat, corner.flatten().clone())
    expected = torch.linalg.slogdet(jacobian.double()).logabsdet
    assert flow(corner)[1].sum().item() == pytest.approx(expected.item(), rel=1e-3)


def test_the_loss_is_the_mean_negative_log_likelihood_a_channel_summed_over_levels(fitted):
    maps = stack(list(fitted._features(GOOD[:2])))
    expected = 0.0
    with torch.inference_mode():
        for layer in LAYERS:
            values = fitted.network_[layer].log_likelihood(maps[layer])
            expected -= values.sum().item() / maps[layer].numel()
        assert fitted._loss(fitted.network_, maps).item() == pytest.approx(expected, rel=1e-4)


def test_training_raises_the_likelihood_of_good_pictures(fitted):
    losses = [entry[1] for entry in fitted.history_]
    assert losses[-1] < losses[0] - 0.3


def test_it_is_saved_with_its_whitening_and_loaded(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    again = load_detector(tmp_path / "model", device="cpu")
    assert again.network_["blocks2"].whitening.equal(fitted.network_["blocks2"].whitening)
    assert np.array_equal(again.predict([BAD]).grids[0], fitted.predict([BAD]).grids[0])


def test_a_model_of_the_bounded_scores_is_refused(fitted, tmp_path):
    """Files of that time name no revision."""
    fitted.save(tmp_path / "model")
    header, tensors = read_model(tmp_path / "model")
    del header["revision"]
    (tmp_path / "model").write_bytes(save(tensors, {"adlib": json.dumps(header)}))
    with pytest.raises(InputError, match="saved by revision 0 of fastflow"):
        load_detector(tmp_path / "model")


def test_a_constant_picture_does_not_break_it():
    grey = np.full((64, 64, 3), 128, dtype=np.uint8)
    found = FastFlow(**SMALL, steps=2).fit([grey] * 3)
    assert np.isfinite(found.predict([grey, BAD]).scores).all()


@pytest.mark.parametrize("wrong", [{"couplings": 0}, {"width": 0.0}, {"width": -1.0}])
def test_parameters_that_it_cannot_mean_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        FastFlow(**SMALL, **wrong).fit(GOOD[:2])
