"""Reverse distillation against a plain statement, and what its bottleneck is for."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from adlib.data.toy import render
from adlib.detectors.registry import load_detector
from adlib.detectors.reverse_distillation import Decoder, Residual, ReverseDistillation
from adlib.errors import InputError
from adlib.features.backbones import load_backbone

GOOD = [render("nut", seed=seed, size=64)[0] for seed in range(12)]
BAD = render("nut", "missing_part", seed=900, size=64)[0]
STRIDES = {"blocks1": 4, "blocks2": 8, "blocks4": 16}
DIMS = {"blocks1": 24, "blocks2": 40, "blocks4": 112}


@pytest.fixture(scope="module")
def fitted() -> ReverseDistillation:
    return ReverseDistillation(width=8, resize=64, steps=20, batch=4, device="cpu").fit(GOOD)


def test_scores_are_the_sum_of_one_minus_cosine_at_three_scales(fitted):
    resized = Image.fromarray(BAD).resize((64, 64), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.asarray(resized, dtype=np.float32) / 255).permute(2, 0, 1)[None]
    with torch.inference_mode():
        teacher = load_backbone("efficientnet_lite0", device="cpu")(pixels, tuple(STRIDES))
        student = fitted.network_(teacher)
    expected = np.zeros((16, 16))
    for layer, values in teacher.items():
        scale = 1 - torch.cosine_similarity(values[0], student[layer][0], dim=0)
        expected += np.asarray(Image.fromarray(scale.numpy()).resize((16, 16), Image.Resampling.BILINEAR))
    predictions = fitted.predict([BAD])
    np.testing.assert_allclose(predictions.grids[0], expected, rtol=1e-3, atol=1e-5)
    grid = torch.from_numpy(predictions.grids[0])[None, None]
    map_ = F.interpolate(grid, size=(64, 64), mode="bilinear")[0, 0].numpy()
    assert predictions.scores[0] == pytest.approx(gaussian_filter(map_, 4.0).max(), rel=1e-5)


def test_it_learns_and_the_teacher_does_not(fitted):
    before = load_backbone("efficientnet_lite0", device="cpu").state_dict()
    assert all(torch.equal(value, before[name]) for name, value in fitted.network().state_dict().items())
    assert fitted.history_[-1][1] < 0.8 * fitted.history_[0][1]


@settings(max_examples=15, deadline=None)
@given(height=st.integers(3, 9), width=st.integers(3, 9), channels=st.integers(1, 6), batch=st.integers(2, 3))
def test_the_decoder_gives_maps_of_the_shapes_it_got(height, width, channels, batch):
    """Sides halve rounded up from scale to scale, as the backbones' do."""
    maps, decoder = {}, Decoder(STRIDES, DIMS, channels)
    for layer in STRIDES:
        maps[layer] = torch.rand(batch, DIMS[layer], height, width)
        height, width = (height + 1) // 2, (width + 1) // 2
    answers = decoder(maps)
    assert list(answers) == list(STRIDES)
    assert all(answers[layer].shape == maps[layer].shape for layer in STRIDES)
    assert decoder.embedding(maps).shape == (batch, 8 * channels, height, width)


def test_everything_passes_through_the_bottleneck():
    """Two sets of maps with one embedding give one answer: no connection skips it."""
    decoder = Decoder(STRIDES, DIMS, 4).eval()
    maps = {layer: torch.rand(1, DIMS[layer], 64 // stride, 64 // stride) for layer, stride in STRIDES.items()}
    other = {layer: torch.rand_like(values) for layer, values in maps.items()}
    embedded = decoder.embedding(maps)
    decoder.embedding = lambda _: embedded
    first, second = decoder(maps), decoder(other)
    assert all(torch.equal(first[layer], second[layer]) for layer in STRIDES)


def test_layers_in_any_order_and_of_one_stride():
    shuffled = Decoder(dict(reversed(STRIDES.items())), DIMS, 4)
    assert shuffled.layers == tuple(STRIDES)
    twins = Decoder({"blocks3": 16, "blocks4": 16}, {"blocks3": 80, "blocks4": 112}, 4)
    maps = {"blocks3": torch.rand(2, 80, 5, 5), "blocks4": torch.rand(2, 112, 5, 5)}
    assert {layer: values.shape for layer, values in twins(maps).items()} == {k: v.shape for k, v in maps.items()}


def test_a_residual_block_adds_to_its_input():
    block = Residual(6, 6).eval()
    values = torch.randn(1, 6, 4, 4)
    torch.testing.assert_close(block(values), torch.relu(block.inner(values) + values))
    assert Residual(6, 8, stride=2)(torch.randn(2, 6, 5, 7)).shape == (2, 8, 3, 4)


def test_saved_and_loaded_it_scores_the_same(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = load_detector(tmp_path / "model", device="cpu")
    assert np.array_equal(loaded.predict([BAD]).grids[0], fitted.predict([BAD]).grids[0])


def test_a_decoder_without_channels_is_refused():
    with pytest.raises(InputError, match="width"):
        ReverseDistillation(width=0, resize=64).fit(GOOD[:2])
