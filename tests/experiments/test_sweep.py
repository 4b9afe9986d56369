"""Sweeps: distances that runs share are computed once."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

from adlib.detectors.anomalydino import AnomalyDINO
from adlib.experiments import sweep as sweep_module
from adlib.experiments.execution import run
from adlib.experiments.notebook import declared_names
from adlib.experiments.notebook_run import NOTEBOOK, environment
from adlib.experiments.planning import plan
from adlib.experiments.sweep import Sweep, _warm, jobs, notebook_parameters, run_sweep
from adlib.features.cache import TensorCache


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_run_notebook_takes_what_a_sweep_says_and_nothing_else():
    """Also in a wheel: it lies beside the module."""
    sweep = Sweep("toy", Path("out"), ("weld",), ("patchcore",), shots=(1,), settings={"coreset": 20})
    (job,) = jobs(sweep)
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    (parameters,) = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    assert list(notebook_parameters(job, sweep)) == declared_names(parameters.source)
    assert NOTEBOOK.parent == Path(sweep_module.__file__).parent


def test_notebooks_run_on_this_python_whatever_is_registered(tmp_path, monkeypatch):
    """As where a deleted environment has registered its kernel."""
    gone = tmp_path / "registered/kernels/python3"
    gone.mkdir(parents=True)
    (gone / "kernel.json").write_text('{"argv": ["/gone/bin/python"], "display_name": "gone", "language": "python"}')
    for name in ("JUPYTER_PATH", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "registered"))
    monkeypatch.setenv("PYTHONPATH", f"some{os.pathsep}{tmp_path}")
    (tmp_path / "own").mkdir()
    variables = environment(str(tmp_path / "own"), workers=1)
    code = "from jupyter_client.kernelspec import get_kernel_spec; print(get_kernel_spec('python3').argv[0])"
    found = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == sys.executable
    assert variables["PYTHONPATH"] == f"{Path('some').absolute()}{os.pathsep}{tmp_path}"


@pytest.mark.slow
def test_the_run_notebook_stores_what_a_run_stores(toy_root, tmp_path):
    """Same protocol, same hash, same scores as `run` gives."""
    sweep = Sweep(str(toy_root), tmp_path / "s", ("weld",), ("patchcore",), (2,), (1,), resolution=96, workers=1)
    ((job,), news) = run_sweep(sweep, show_progress=False)
    alone = run(job.protocols[0], job.dataset)
    (stored,) = sweep.store.results()
    assert news and stored.protocol == alone.protocol and stored.metrics == alone.metrics
    assert stored.row["references"] == alone.row["references"]
    assert [path.suffix for path in sorted(sweep.store.folder.iterdir())] == [".csv", ".json", ".safetensors"]
