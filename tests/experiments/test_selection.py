"""References by a coreset: greedy k-center over whole images, in runs, sweeps and forecasts."""

from dataclasses import replace

import pytest
import torch

from adlib.detectors import make_detector
from adlib.errors import InputError
from adlib.experiments import forecast, sweep
from adlib.experiments.execution import run
from adlib.experiments.planning import plan
from adlib.experiments.references import SELECTIONS, references_of, unseen_references
from adlib.experiments.shared_work import all_references, share_distances
from adlib.features.cache import TensorCache
from adlib.features.extract import extract

SMALL = {"resize": 96}


def chosen(weld, method="patchcore", **how):
    return references_of(plan(weld, method, selection="coreset", **{"options": SMALL} | how), weld)


def by_definition(weld, method, count, first=0):
    """Features of each image averaged over positions; the next image is the one farthest from all chosen ones."""
    detector, good = make_detector(method, **SMALL), weld.train_good
    features = extract(detector.network(), [s.path for s in good], detector.spec())
    rows = torch.stack([torch.cat([m.mean(dim=(1, 2)) for m in item.maps.values()]) for item in features]).double()
    picked = [sorted(range(len(good)), key=lambda i: float((rows[i] - rows.mean(0)).norm()))[first]]
    while len(picked) < count:
        gaps = [min(float((row - rows[i]).norm()) for i in picked) for row in rows]
        picked.append(gaps.index(max(gaps)))
    return [good[i] for i in picked]


@pytest.mark.parametrize("method", ["patchcore", "anomalydino"])
def test_the_farthest_image_comes_next(weld, method):
    assert chosen(weld, method, shots=5) == by_definition(weld, method, 5)
    assert chosen(weld, method, shots=3, seed=2) == by_definition(weld, method, 3, first=2)
    assert chosen(weld, method, shots=2) == chosen(weld, method, shots=5)[:2]


def test_a_run_learns_from_them_and_its_protocol_says_so(weld):
    protocol = plan(weld, "patchcore", shots=2, selection="coreset", options=SMALL | {"coreset": 100})
    assert protocol.hash != replace(protocol, selection="random").hash
    result = run(protocol, weld)
    assert result.row["references"] == [weld.relative(s) for s in references_of(protocol, weld)]
    assert references_of(replace(protocol, shots=None), weld) == weld.train_good
    assert references_of(replace(protocol, shots=0), weld) == []


def test_other_selections_are_the_data_sets_own(weld):
    assert SELECTIONS == ("slice", "random", "coreset")
    for selection in ("slice", "random"):
        protocol = plan(weld, "patchcore", shots=2, selection=selection, seed=1, options=SMALL)
        assert references_of(protocol, weld) == weld.few_shot(2, 1, selection) == unseen_references(protocol, weld)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"shots": 13}, "fewer than the 13 shots"),
        ({"shots": 2, "seed": 12}, "can start at 0 to 11, not 12"),
        ({"shots": 2, "method": "autoencoder"}, "learns from pixels"),
    ],
)
def test_what_cannot_be_chosen(weld, how, words):
    with pytest.raises(InputError, match=words):
        chosen(weld, **how)


def test_distances_are_shared_by_the_runs_that_choose(weld, tmp_path):
    cache = TensorCache(tmp_path)
    first = plan(weld, "anomalydino", shots=1, selection="coreset", options=SMALL | {"rotate": False, "mask": "never"})
    runs = [replace(first, shots=shots) for shots in (1, 2, 3)]
    assert all_references(runs, weld, cache) == [s.path for s in references_of(runs[-1], weld)]
    share_distances(runs, weld, cache)
    assert (run(runs[1], weld, cache=cache).scores["score"] == run(runs[1], weld).scores["score"]).all()


def test_a_forecast_counts_the_images_to_choose_from(weld, monkeypatch):
    monkeypatch.setattr(forecast, "_measure", lambda detector, image: (1.0, 0.0, 4, 8))
    random = plan(weld, "patchcore", shots=2, selection="random", options=SMALL)
    pair = [forecast.forecast([(p, weld)]) for p in (random, replace(random, selection="coreset"))]
    assert pair[1].seconds - pair[0].seconds == len(weld.train_good) and pair[1].bank_bytes == pair[0].bank_bytes


def test_a_sweep_plans_them_without_looking(toy_root, tmp_path):
    how = {"categories": ("weld",), "methods": ("patchcore",), "shots": (2,), "seeds": (0, 1), "selection": "coreset"}
    (job,) = sweep.jobs(sweep.Sweep(str(toy_root), tmp_path, **how))
    assert [p.selection for p in job.protocols] == ["coreset", "coreset"]
