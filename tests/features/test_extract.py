"""Pictures in, maps out: the cache changes nothing."""

import torch

from adlib.data.toy import render
from adlib.features.cache import TensorCache
from adlib.features.extract import FeatureSpec, extract
from adlib.features.patches import Preprocess
from adlib.features.pixels import PIXELS

PICTURES = [render("nut", seed=seed, size=96)[0] for seed in range(3)]
PREPROCESS = Preprocess(resize=64)


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
