"""The picture itself is a layer of every backbone."""

import torch
from PIL import Image

from adlib.data.toy import render
from adlib.features.backbones import load_backbone
from adlib.features.extract import FeatureSpec, extract
from adlib.features.patches import Preprocess
from adlib.features.pixels import PIXELS

PICTURES = [render("nut", seed=seed, size=96)[0] for seed in range(3)]
PREPROCESS = Preprocess(resize=64)


def test_pixels_are_the_prepared_picture(backbone):
    expected = PREPROCESS(Image.fromarray(PICTURES[1]))[0]
    for network in (backbone, load_backbone(PIXELS, device="cpu")):
        found = list(extract(network, PICTURES, FeatureSpec((PIXELS,), PREPROCESS)))[1]
        assert list(found.maps) == [PIXELS] and torch.equal(found.maps[PIXELS], expected)
        assert found.frame.seen == (64, 64)
