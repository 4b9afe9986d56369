"""The masked autoencoder against plain statements of its parts, and an official checkpoint's layout."""

import math

import pytest
import torch

from adlib.errors import InputError
from adlib.features.cache import TensorCache
from adlib.networks import mae_weights
from adlib.networks.mae import MaskedAutoencoder, Shape, from_patches, positions, random_kept, to_patches
from adlib.networks.mae_weights import Pretraining, official, photographs, pretrained, random_crops
from helpers.plain_mae import official_layout, plain_mae

TINY = Shape(side=16, patch=4, width=24, depth=2, heads=3, decoder_width=16, decoder_depth=1, decoder_heads=2)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return MaskedAutoencoder(TINY).eval()


def test_an_official_checkpoint_computes_what_the_paper_says(tmp_path):
    state = official_layout(TINY)
    torch.save({"model": state}, tmp_path / "mae_visualize_vit_base.pth")
    network = MaskedAutoencoder(TINY).eval()
    network.load_state_dict(official(TINY, tmp_path / "mae_visualize_vit_base.pth"))
    image, kept = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(2)), [9, 2, 14, 7]
    with torch.inference_mode():
        ours = network(image[None], torch.tensor([kept]))[0]
    torch.testing.assert_close(ours, plain_mae(state, image, kept, TINY), rtol=1e-4, atol=1e-4)


def test_the_official_shape_is_vit_b():
    """111.9 million values: 86 in the encoder with the position embeddings, 26 in the decoder."""
    with torch.device("meta"):
        network = MaskedAutoencoder(mae_weights.OFFICIAL_SHAPE)
    sizes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert sizes["positions"] == (1, 197, 768) and sizes["decoder_positions"] == (1, 197, 512)
    assert sizes["predict.weight"] == (768, 512) and len(network.blocks.layers) == 12
    assert sum(math.prod(size) for size in sizes.values()) == 111_907_846


def test_a_wrong_checkpoint_is_refused(tmp_path):
    state = official_layout(TINY)
    del state["decoder_pred.bias"]
    torch.save({"model": state}, tmp_path / "lacking.pth")
    with pytest.raises(InputError, match=r"lacking\.pth lacks weights .*predict\.bias; give the complete file"):
        official(TINY, tmp_path / "lacking.pth")
    torch.save({"model": state | {"head.weight": torch.zeros(2)}}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"another network's file: head\.weight unknown"):
        official(TINY, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"not a file"):
        official(TINY, tmp_path / "missing.pth")


def test_without_the_official_file_the_message_names_it(monkeypatch, tmp_path):
    from adlib.download import DownloadError

    def offline(url, destination, sha256_prefix=None):
        raise DownloadError(url, "no network in this test", "-")

    monkeypatch.delenv("ADLIB_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("adlib.features.weights.download", offline)
    with pytest.raises(InputError, match=r"mae_visualize_vit_base\.pth \(https://dl\.fbaipublicfiles\.com/mae/"):
        official(TINY)


def test_patches_are_row_by_row_with_channels_last():
    images = torch.rand(2, 3, 12, 12)
    cut = to_patches(images, 4)
    assert cut.shape == (2, 9, 48)
    assert torch.equal(cut[1, 5].reshape(4, 4, 3), images[1, :, 4:8, 8:12].permute(1, 2, 0))
    assert torch.equal(from_patches(cut, 4, 3), images)


def test_positions_are_sines_and_cosines_of_column_and_row():
    values = positions(5, 16)
    assert values.shape == (1, 26, 16) and not values[0, 0].any()
    row, column = 3, 2
    for wave in range(4):
        speed = 10_000 ** (-wave / 4)
        place = values[0, 1 + 5 * row + column]
        expected = [f(speed * x) for x in (column, row) for f in (math.sin, math.cos)]
        assert place[wave::4].tolist() == pytest.approx(expected, abs=1e-6)


def test_hidden_patches_do_not_reach_the_prediction(network):
    image, kept = torch.rand(1, 3, 16, 16), torch.tensor([[0, 5, 6]])
    other = image.clone()
    other[:, :, 8:, 8:] = 0  # patches 10, 11, 14, 15
    with torch.inference_mode():
        assert torch.equal(network(image, kept), network(other, kept))
        other[:, :, 4:8, 4:8] = 0  # patch 5
        assert not torch.allclose(network(image, kept), network(other, kept))


def test_the_loss_is_the_mean_over_hidden_patches(network):
    images, kept = torch.rand(2, 3, 16, 16), torch.tensor([[3, 1], [8, 15]])
    with torch.inference_mode():
        predicted, truth = network(images, kept), to_patches(network.standard(images), 4)
        terms = [
            (predicted[b, p] - truth[b, p]).square().mean().item()
            for b in range(2)
            for p in range(16)
            if p not in kept[b].tolist()
        ]
        assert len(terms) == 28 and network.loss(images, kept).item() == pytest.approx(sum(terms) / 28, rel=1e-5)


def test_kept_patches_are_distinct_and_seeded():
    first, again = (random_kept(50, 16, 0.25, torch.Generator().manual_seed(3)) for _ in range(2))
    assert first.shape == (50, 4) and torch.equal(first, again)
    assert all(len(set(row.tolist())) == 4 for row in first) and set(first.flatten().tolist()) == set(range(16))
    assert random_kept(1, 16, 0.01).shape == (1, 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"patch": 5}, "Patches of 5 pixels do not fill 16"),
        ({"heads": 5}, "multiple of 4 and of its 5 heads"),
        ({"decoder_width": 6}, "multiple of 4"),
        ({"depth": 0}, "at least 1"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        Shape(**vars(TINY) | wrong)


def test_photographs_and_their_crops():
    assert len(photographs()) == 18
    assert all(shown.shape[0] == 3 and 0 <= shown.min() and shown.max() <= 1 for shown in photographs())
    first, second = (next(random_crops(16, 5, 0)) for _ in range(2))
    assert first.shape == (5, 3, 16, 16) and torch.equal(first, second)


def test_pretraining_learns_is_repeatable_and_cached(tmp_path, monkeypatch):
    short, long = Pretraining(TINY, 1, batch=4), Pretraining(TINY, 60, batch=4, learning_rate=3e-3)
    losses = []
    for settings in (short, long):
        network = MaskedAutoencoder(TINY).eval()
        network.load_state_dict(pretrained(settings))
        with torch.inference_mode():
            kept = random_kept(64, 16, 0.25, torch.Generator().manual_seed(0))
            losses.append(network.loss(next(random_crops(16, 64, 9)), kept).item())
    assert losses[1] < 0.8 * losses[0]
    first = pretrained(short, TensorCache(tmp_path))
    monkeypatch.setattr(mae_weights, "_LEARNED", {})
    again = pretrained(short)
    assert all(torch.equal(first[name], again[name]) for name in first)
    monkeypatch.setattr(mae_weights, "_LEARNED", {})
    monkeypatch.setattr(mae_weights, "_learn", None)
    stored = pretrained(short, TensorCache(tmp_path))
    assert all(torch.equal(first[name], stored[name]) for name in first)
