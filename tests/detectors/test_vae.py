"""The VAE against plain statements of its loss, and what its penalty does."""

import pytest
import torch

from adlib.detectors.vae import VAE
from adlib.networks.latent import divergence
from helpers.small_nuts import GOOD, SMALL, pixels_of


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


@pytest.mark.slow
def test_a_heavy_penalty_empties_the_bottleneck():
    """All codes become the standard Gaussian, so all pictures come back alike."""
    spread = {}
    for weight in (0.0, 10.0):
        found = VAE(**SMALL | {"steps": 120, "learning_rate": 0.01}, bottleneck=3, kl_weight=weight).fit(GOOD)
        with torch.inference_mode():
            deepest, _ = found.network_.encode(torch.cat([pixels_of(picture) for picture in GOOD]))
            spread[weight] = found.network_.gaussians(deepest)[0].std(0).mean()
    assert spread[10.0] < 0.2 * spread[0.0]
