"""Autoencoder, VAE and DRAEM against plain statements of their losses and scores."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from adlib.data.toy import render
from adlib.detectors.autoencoder import Autoencoder
from adlib.detectors.draem import DRAEM, RepairAndCompare, focal_loss
from adlib.detectors.pixels import apart
from adlib.detectors.registry import load_detector
from adlib.detectors.vae import VAE, divergence
from adlib.errors import InputError

GOOD = [render("nut", seed=seed, size=64)[0] for seed in range(12)]
BAD = render("nut", "missing_part", seed=900, size=64)[0]
SMALL = {"resize": 32, "width": 4, "depth": 2, "batch": 4, "steps": 6, "device": "cpu"}


def pixels_of(picture: np.ndarray, side: int = 32) -> torch.Tensor:
    resized = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(resized, dtype=np.float32) / 255).permute(2, 0, 1)[None]


@pytest.mark.parametrize("loss", ["l2", "ssim"])
@pytest.mark.parametrize("kind", [Autoencoder, VAE])
def test_scores_are_what_the_network_does_not_give_back(kind, loss):
    found = kind(**SMALL, bottleneck=3, loss=loss).fit(GOOD)
    pixels = pixels_of(BAD)
    with torch.inference_mode():
        returned = found.network_(pixels)
    first, second = (values[0].permute(1, 2, 0).numpy().astype(float) for values in (pixels, returned))
    if loss == "l2":
        expected, inner = ((first - second) ** 2).mean(2), np.s_[:, :]
    else:
        settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
        expected = 1 - structural_similarity(first, second, channel_axis=2, full=True, **settings)[1].mean(2)
        inner = np.s_[5:-5, 5:-5]  # scikit-image continues the picture beyond its border
    predictions = found.predict([BAD])
    np.testing.assert_allclose(predictions.grids[0][inner], expected[inner], atol=1e-4)
    assert predictions.scores[0] == pytest.approx(gaussian_filter(predictions.grids[0], 2.0).max(), rel=1e-5)


def test_the_loss_is_the_mean_of_the_map_and_falls():
    first, second = torch.rand(2, 4, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    assert apart(first, second, "l2").mean().item() == pytest.approx(((first - second) ** 2).mean().item())
    assert apart(first, first, "ssim").abs().max() < 1e-5
    found = Autoencoder(**SMALL | {"steps": 80}).fit(GOOD)
    assert found.history_[-1][1] < 0.8 * found.history_[0][1]


def test_divergence_is_that_of_two_gaussians():
    mean, log_variance = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    ours = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    standard = torch.distributions.Normal(torch.zeros(50), torch.ones(50))
    torch.testing.assert_close(divergence(mean, log_variance), torch.distributions.kl_divergence(ours, standard))
    assert divergence(torch.zeros(3), torch.zeros(3)).eq(0).all()


def test_the_vae_draws_in_training_only():
    detector = VAE(**SMALL, bottleneck=3)
    network, maps = detector._build(), {"pixels": torch.rand(2, 3, 32, 32)}
    network.eval()
    assert detector._loss(network, maps) == detector._loss(network, maps)
    deepest, passed = network.encode(maps["pixels"])
    mean, log_variance = network.gaussians(deepest)
    returned = network.decode(mean, passed)
    torch.testing.assert_close(returned, network(maps["pixels"]))
    penalty = divergence(mean, log_variance).sum() / maps["pixels"].numel()
    expected = (returned - maps["pixels"]).square().mean() + 0.01 * penalty
    torch.testing.assert_close(detector._loss(network, maps), expected)
    network.train()
    assert detector._loss(network, maps) != detector._loss(network, maps)


def test_a_heavy_penalty_empties_the_bottleneck():
    """All codes become the standard Gaussian, so all pictures come back alike."""
    spread = {}
    for weight in (0.0, 10.0):
        found = VAE(**SMALL | {"steps": 120, "learning_rate": 0.01}, bottleneck=3, kl_weight=weight).fit(GOOD)
        with torch.inference_mode():
            deepest, _ = found.network_.encode(torch.cat([pixels_of(picture) for picture in GOOD]))
            spread[weight] = found.network_.gaussians(deepest)[0].std(0).mean()
    assert spread[10.0] < 0.2 * spread[0.0]


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


@pytest.mark.parametrize(
    ("kind", "wrong", "said"),
    [
        (Autoencoder, {"loss": "l1"}, "'l1'"),
        (Autoencoder, {"bottleneck": 0}, "bottleneck"),
        (Autoencoder, {"skips": 5}, "skip connections"),
        (VAE, {"kl_weight": -1.0}, "kl_weight"),
        (DRAEM, {"textures": "dtd"}, "'dtd'"),
        (DRAEM, {"depth": 0}, "depth"),
        (DRAEM, {"decay": 0.0}, "decay"),
    ],
)
def test_parameters_that_cannot_be_meant_are_refused(kind, wrong, said):
    with pytest.raises(InputError, match=said):
        kind(**SMALL | wrong).fit(GOOD[:2])
