"""Stages of a network: the strides of a pyramid, and untrained ones that learn."""

import numpy as np
import torch

from adlib.features.backbones import load_backbone, shape_of, untrained_stages
from adlib.features.pixels import PIXELS
from adlib.features.stages import pyramid_layers


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
