"""Distances shared over shots and draws: the same bits as separate runs, whatever was interrupted or damaged."""

from pathlib import Path

import numpy as np
import pytest
import torch

from adlib.data import load_dataset
from adlib.detectors import columns
from adlib.detectors.anomalydino import AnomalyDINO
from adlib.experiments.run import plan, run
from adlib.experiments.sweep import Sweep, _warm, jobs
from adlib.features.cache import TensorCache
from adlib.parallel import one_core_each


@pytest.fixture(scope="module")
def welds(toy_root: Path) -> tuple[list[Path], list[Path]]:
    dataset = load_dataset(toy_root).category("weld")
    return [s.path for s in dataset.train_good], [s.path for s in dataset.test]


def distances_folder(cache: TensorCache) -> Path:
    (folder,) = cache.folder.glob("*-distances-*")
    return folder


@pytest.mark.parametrize("options", [{"rotate": False}, {"rotate": True}, {"rotate": False, "neighbourhood": 3}])
def test_any_choice_of_references_scores_with_the_bits_of_a_separate_run(welds, tmp_path, options, monkeypatch):
    good, test = welds
    monkeypatch.setattr(columns, "VIEWS_AT_ONCE", 4)
    cache = TensorCache(tmp_path)
    AnomalyDINO(resize=96, mask="never", **options).share_distances(good[:7], test, cache)
    monkeypatch.setattr(AnomalyDINO, "reference_distances", None)  # nothing may be computed anew
    shared = {}
    for chosen in ([0], [6, 2], [5, 1, 3, 0]):
        detector = AnomalyDINO(resize=96, mask="never", **options).fit([good[i] for i in chosen], cache)
        shared[tuple(chosen)] = detector.predict(test, cache)
    monkeypatch.undo()
    for chosen, found in shared.items():
        alone = AnomalyDINO(resize=96, mask="never", **options).fit([good[i] for i in chosen]).predict(test)
        assert np.array_equal(found.scores, alone.scores)
        assert all(np.array_equal(a, b) for a, b in zip(found.grids, alone.grids, strict=True))


def test_sharing_goes_on_where_it_was(welds, tmp_path, monkeypatch):
    good, test = welds
    cache = TensorCache(tmp_path)
    detector = AnomalyDINO(resize=96, mask="never", rotate=False)
    detector.share_distances(good[:3], test[:4], cache)
    files = sorted(distances_folder(cache).rglob("*.safetensors"))
    before = {file: file.read_bytes() for file in files}
    files[0].write_bytes(before[files[0]][:50])  # cut off
    files[1].unlink()
    detector.share_distances(good[:3], test[:4], cache)
    assert {file: file.read_bytes() for file in files} == before
    detector.share_distances([good[4], good[1]], test[:4], cache)  # one new reference beside what is there
    found = detector.fit(good[:5], cache).predict(test[:4], cache)
    assert np.array_equal(
        found.scores, AnomalyDINO(resize=96, mask="never", rotate=False).fit(good[:5]).predict(test[:4]).scores
    )


def test_equal_pictures_under_two_names_share_a_column(welds, tmp_path):
    good, test = welds
    twin = tmp_path / "twin.png"
    twin.write_bytes(good[0].read_bytes())
    cache = TensorCache(tmp_path / "cache")
    detector = AnomalyDINO(resize=96, mask="never", rotate=False)
    detector.share_distances([good[0], twin, good[1]], test[:2], cache)
    found = detector.fit([twin, good[1]], cache).predict(test[:2], cache)
    alone = AnomalyDINO(resize=96, mask="never", rotate=False).fit([twin, good[1]]).predict(test[:2])
    assert np.array_equal(found.scores, alone.scores)


def test_other_settings_never_read_these_columns(welds, tmp_path):
    good, test = welds
    cache = TensorCache(tmp_path)
    AnomalyDINO(resize=96, mask="never", rotate=False).share_distances(good[:2], test[:2], cache)
    for other in ({"rotate": True}, {"rotate": False, "neighbourhood": 3}, {"rotate": False, "resize": 64}):
        options = {"resize": 96, "mask": "never"} | other
        found = AnomalyDINO(**options).fit(good[:2], cache).predict(test[:2], cache)
        assert np.array_equal(found.scores, AnomalyDINO(**options).fit(good[:2]).predict(test[:2]).scores)


def test_a_sweep_computes_each_distance_once_and_its_runs_none(toy_root, tmp_path, monkeypatch):
    sweep = Sweep(
        str(toy_root),
        tmp_path,
        ("weld",),
        ("anomalydino",),
        shots=(1, 2, 4),
        seeds=(0, 1, 2),
        preprocess="none",
        resolution=96,
    )
    everything = jobs(sweep)
    computed = []
    original = AnomalyDINO.reference_distances

    def counted(self, features):
        columns = original(self, features)
        computed.append(columns.shape[1])
        return columns

    monkeypatch.setattr(AnomalyDINO, "reference_distances", counted)
    _warm(everything, sweep, show_progress=False)
    dataset = everything[0].dataset
    scored = len(dataset.test) + len(dataset.train_good)  # no split of its own for the threshold
    assert sum(computed) == scored * 12  # 4 shots x 3 seeds are all 12; the smaller draws lie within
    computed.clear()
    for job in everything:
        for protocol in job.protocols:
            found = run(protocol, dataset, cache=TensorCache())
            assert computed == []
            alone = run(
                plan(dataset, "anomalydino", shots=protocol.shots, seed=protocol.seed, options=protocol.options),
                dataset,
            )
            assert np.array_equal(found.scores["score"], alone.scores["score"])
            computed.clear()


def test_one_core_each_keeps_the_order_and_the_number_of_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert list(one_core_each(lambda n: (n, torch.get_num_threads()), range(50))) == [(n, 1) for n in range(50)]
        assert torch.get_num_threads() == 3
        with pytest.raises(ZeroDivisionError):
            list(one_core_each(lambda n: 1 // (n - 5), range(50)))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_one_core_each_takes_few_items_ahead():
    taken = []

    def items():
        for n in range(100):
            taken.append(n)
            yield n

    outcomes = one_core_each(lambda n: n, items())
    assert next(outcomes) == 0
    assert len(taken) <= 2 * torch.get_num_threads() + 1
    outcomes.close()
