"""The autoencoder, and what it shares with VAE and DRAEM, against plain statements of losses and scores."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from adlib.detectors.autoencoder import Autoencoder
from adlib.detectors.draem import DRAEM
from adlib.detectors.pixels import apart
from adlib.detectors.vae import VAE
from adlib.errors import InputError
from helpers.small_nuts import BAD, GOOD, SMALL, pixels_of


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
