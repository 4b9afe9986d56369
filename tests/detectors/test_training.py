"""The training loop that all trained detectors share: seeded, stopped by held-out good pictures, kept in the cache."""

import numpy as np
import pytest
import torch
from torch import nn

import adlib.detectors.training as module
from adlib.data.toy import render
from adlib.detectors.training import TrainedDetector
from adlib.errors import InputError
from adlib.features.cache import TensorCache

GOOD = [render("weld", seed=seed, size=64)[0][16:48, 16:48] for seed in range(20)]


class Mean(TrainedDetector):
    """Learns the mean picture; the loss is the squared distance to it."""

    name = "mean"
    drift = 0.0

    def _layers(self):
        return ("pixels",)

    def _build(self):
        network = nn.Module()
        network.mean = nn.Parameter(torch.rand(3, 32, 32))
        network.register_buffer("start", network.mean.detach().clone())
        return network

    def _loss(self, network, maps):
        loss = (maps["pixels"] - network.mean).square().mean()
        # Where drift is on, everything that is learned is wrong for the pictures held out.
        return loss if network.training else loss + self.drift * (network.mean - network.start).square().mean()

    def _score(self, features):
        grid = (features.maps["pixels"] - self.network_.mean).abs().mean(0)
        return grid.max(), grid


def detector(**options) -> Mean:
    return Mean(**{"backbone": "pixels", "resize": 32, "steps": 200, "learning_rate": 0.02} | options)


def test_it_learns_what_minimises_the_loss():
    found = detector(weight_decay=0.0, held_out=0.0).fit(GOOD)
    mean = torch.stack([torch.from_numpy(np.array(p)) for p in GOOD]).float().mean(0).permute(2, 0, 1) / 255
    assert (found.network_.mean.detach() - mean).abs().max() < 0.02
    assert [entry[0] for entry in found.history_] == list(range(10, 201, 10))
    assert found.history_[-1][1] < found.history_[0][1] and found.history_[-1][2] is None


def test_the_same_seed_gives_the_same_weights_and_leaves_the_generator_alone():
    before = torch.random.get_rng_state()
    first, again, other = (detector(seed=seed, steps=20).fit(GOOD).network_.mean for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_training_stops_when_held_out_pictures_get_worse_and_keeps_the_best_weights():
    assert detector(steps=40).fit(GOOD).history_[-1][0] == 40
    spoiled = detector(patience=2)
    spoiled.drift = 1000.0
    spoiled.fit(GOOD)
    assert [entry[0] for entry in spoiled.history_] == [10, 20, 30]
    best = min(entry[2] for entry in spoiled.history_)
    watched = [GOOD[i] for i in np.random.default_rng(0).permutation(20)[:2]]
    maps = {"pixels": torch.stack([torch.from_numpy(np.array(p)).permute(2, 0, 1) / 255 for p in watched])}
    assert spoiled._loss(spoiled.network_, maps).item() == pytest.approx(best, rel=1e-5)
    assert best < spoiled.history_[-1][2]


def test_a_detector_may_lower_its_learning_rate_on_the_way(monkeypatch):
    early = detector(steps=10, held_out=0.0).fit(GOOD).network_.mean
    monkeypatch.setattr(Mean, "_rate", lambda _self, step: float(step <= 10))  # AdamW's decay stops with it
    assert torch.equal(detector(steps=40, held_out=0.0).fit(GOOD).network_.mean, early)


def test_few_pictures_are_all_trained_on():
    assert detector(steps=20).fit(GOOD[:9]).history_[-1][2] is None
    assert detector(steps=20).fit(GOOD[:10]).history_[-1][2] is not None


def test_weights_come_from_the_cache_where_the_same_was_trained_before(tmp_path, monkeypatch):
    cache = TensorCache(tmp_path)
    first = detector(steps=20).fit(GOOD, cache)
    trained = []
    monkeypatch.setattr(Mean, "_train", lambda *_: trained.append(1) or [])
    again = detector(steps=20).fit(GOOD, cache)
    assert not trained and torch.equal(first.network_.mean, again.network_.mean)
    assert [list(entry) for entry in again.history_] == [list(entry) for entry in first.history_]
    assert np.array_equal(first.predict(GOOD[:2]).scores, again.predict(GOOD[:2]).scores)
    for changed in ({"seed": 1}, {"learning_rate": 0.1}, {"steps": 21}):
        detector(**{"steps": 20} | changed).fit(GOOD, cache)
    detector(steps=20).fit(GOOD[1:], cache)
    assert len(trained) == 4


def test_every_picture_comes_once_before_any_comes_again():
    batches = module.shuffled(10, 4, seed=0)
    seen = np.concatenate([next(batches) for _ in range(5)])
    assert sorted(seen[:10]) == list(range(10)) and sorted(seen[10:]) == list(range(10))
    assert len(next(module.shuffled(3, 8, seed=0))) == 3


def test_a_loss_that_is_no_number_is_said():
    broken = detector(steps=5)
    broken._loss = lambda network, maps: network.mean.sum() * torch.nan
    with pytest.raises(InputError, match=r"training loss of mean is nan at step 1; choose a smaller learning_rate"):
        broken.fit(GOOD)


def test_pictures_of_several_shapes_and_too_little_memory_are_refused(monkeypatch):
    wide = np.asarray(GOOD[0])[:16]
    with pytest.raises(InputError, match="another shape"):
        detector(aspect="keep", resize=None, steps=1).fit([GOOD[0], wide])
    monkeypatch.setenv("ADLIB_MEMORY_GB", "0.0000001")
    with pytest.raises(InputError, match="ADLIB_MEMORY_GB"):
        detector(steps=1).fit(GOOD)
