"""Sweeps: distances that runs share are computed once."""

import numpy as np

from adlib.detectors.anomalydino import AnomalyDINO
from adlib.experiments.execution import run
from adlib.experiments.planning import plan
from adlib.experiments.sweep import Sweep, _warm, jobs
from adlib.features.cache import TensorCache


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
