"""Pictures in, maps out: the cache changes nothing, and the picture itself is a layer of every backbone."""

import numpy as np
import pytest
import torch
from PIL import Image

from adlib.data.toy import render
from adlib.features.backbones import load_backbone, shape_of, untrained_stages
from adlib.features.cache import TensorCache
from adlib.features.extract import FeatureSpec, extract
from adlib.features.patches import Frame, Preprocess
from adlib.features.pixels import PIXELS
from adlib.features.stages import pyramid_layers

PICTURES = [render("nut", seed=seed, size=96)[0] for seed in range(3)]
PREPROCESS = Preprocess(resize=64)


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("efficientnet_lite0", device="cpu")


def test_pixels_are_the_prepared_picture(backbone):
    expected = PREPROCESS(Image.fromarray(PICTURES[1]))[0]
    for network in (backbone, load_backbone(PIXELS, device="cpu")):
        found = list(extract(network, PICTURES, FeatureSpec((PIXELS,), PREPROCESS)))[1]
        assert list(found.maps) == [PIXELS] and torch.equal(found.maps[PIXELS], expected)
        assert found.frame.seen == (64, 64)


def test_pixels_beside_cached_maps(backbone, tmp_path, monkeypatch):
    cache, spec = TensorCache(tmp_path), FeatureSpec(("blocks2", PIXELS), PREPROCESS)
    cold = list(extract(backbone, PICTURES, spec, cache=cache))
    monkeypatch.setattr(type(backbone), "forward", None)  # nothing may be computed anew
    warm = list(extract(backbone, PICTURES, spec, cache=cache))
    assert not [folder for folder in tmp_path.iterdir() if PIXELS in folder.name]
    for before, after in zip(cold, warm, strict=True):
        assert list(after.maps) == ["blocks2", PIXELS] and before.frame == after.frame
        assert all(torch.equal(before.maps[layer], after.maps[layer]) for layer in before.maps)


def test_a_half_filled_cache_is_completed(backbone, tmp_path):
    cache = TensorCache(tmp_path)
    list(extract(backbone, PICTURES, FeatureSpec(("blocks2",), PREPROCESS), cache=cache))
    spec = FeatureSpec(("blocks2", "blocks4"), PREPROCESS)
    plain, found = (list(extract(backbone, PICTURES, spec, cache=place)) for place in (None, cache))
    for before, after in zip(plain, found, strict=True):
        assert all(torch.equal(before.maps[layer], after.maps[layer]) for layer in spec.layers)


def test_a_frame_survives_the_way_through_a_tensor():
    frame = Frame((300, 417), (256, 356), 16, 66, (224, 224), True)
    assert Frame.from_tensor(frame.as_tensor()) == frame


def test_the_pyramid_has_strides_4_8_and_16(backbone):
    layers = pyramid_layers(backbone)
    assert [backbone.strides[layer] for layer in layers] == [4, 8, 16]
    assert layers == ("blocks1", "blocks2", "blocks4")
    assert pyramid_layers(load_backbone(PIXELS, device="cpu")) == ()


def test_untrained_stages_have_the_shape_of_the_backbone_and_learn():
    strides, dims = shape_of("resnet18")
    stages = untrained_stages("resnet18")
    maps = stages(torch.rand(2, 3, 64, 96), ("layer1", "layer3"))
    assert {name: values.shape for name, values in maps.items()} == {
        layer: (2, dims[layer], 64 // strides[layer], 96 // strides[layer]) for layer in ("layer1", "layer3")
    }
    maps["layer1"].sum().backward()
    learned = {name.split(".")[0] for name, p in stages.named_parameters() if p.grad is not None}
    assert learned == {"stem", "stages"} and np.isfinite(float(next(stages.parameters()).grad.sum()))
