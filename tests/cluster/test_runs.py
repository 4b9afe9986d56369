"""Real runs on real workers: the numbers of this process, and what is kept when something fails."""

import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from adlib import cluster
from adlib.cli import main
from adlib.cluster import Needs, check_workers, connect
from adlib.cluster import units as units_module
from adlib.data import load_dataset
from adlib.errors import InputError
from adlib.experiments.execution import run
from adlib.experiments.failures import Failure, Failures
from adlib.experiments.store import ResultStore
from adlib.experiments.sweep import Sweep, jobs
from adlib.papers.on_cluster import reproduce_on
from adlib.papers.reproduction import check_data, planned, reproduce
from helpers.dask_processes import START_S, Processes

pytestmark = pytest.mark.slow
QUIET = {"show_progress": False}


def files(folder: Path) -> dict[str, bytes]:
    """Scores and patch scores, byte for byte; rows also hold times."""
    return {p.name: p.read_bytes() for ending in ("csv", "safetensors") for p in folder.glob(f"*.{ending}")}


@pytest.fixture
def weld(toy_root):
    return replace(load_dataset(str(toy_root)), samples=load_dataset(str(toy_root), "weld").samples)


def test_results_are_those_of_this_process_also_by_two_commands_at_once(processes, client, wanted, weld, tmp_path):
    here = replace(wanted, results=tmp_path / "here")
    protocols = reproduce(here, weld, **QUIET)
    with connect(processes.address) as other, ThreadPoolExecutor() as pool:
        both = pool.map(lambda c: reproduce_on(c, wanted, weld, **QUIET), (client, other))
        assert list(both) == [[], []]
    assert len(protocols) == 4 and files(wanted.results) == files(here.results) and len(files(here.results)) == 8
    for protocol in protocols:
        one, other = (ResultStore(job.results).get(protocol).row for job in (here, wanted))
        assert {k: one[k] for k in one if k != "timings"} == {k: other[k] for k in other if k != "timings"}
    assert not [path for path in wanted.results.iterdir() if path.name.startswith(".")]
    assert not list(processes.folder.rglob("adlib-*"))  # features went with the category's last run


def test_a_worker_killed_in_a_run_costs_nothing_but_time(processes, client, wanted, weld, tmp_path, monkeypatch):
    victim = processes.start_worker()
    client.wait_for_workers(3, timeout=START_S)
    more = replace(wanted, shots=("1", "2", "4"))
    killed = []

    def watched(*arguments):
        for reply in dispatch(*arguments):
            if not killed:
                killed.append(os.kill(victim.pid, getattr(signal, "SIGKILL", signal.SIGTERM)))
            yield reply

    dispatch = units_module.dispatch
    monkeypatch.setattr(units_module, "dispatch", watched)
    assert reproduce_on(client, more, weld, **QUIET) == [] and killed
    here = replace(more, results=tmp_path / "here")
    reproduce(here, weld, **QUIET)
    assert files(more.results) == files(here.results) and len(files(here.results)) == 12


def test_failed_runs_are_kept_listed_and_repeated_when_asked(processes, toy_root, wanted, capsys):
    words = [
        "reproduce",
        "anomalydino",
        "--data",
        str(toy_root),
        "--category",
        "weld",
        "--results",
        str(wanted.results),
    ]
    words += ["--backbone", "efficientnet_lite0", "--resolution", "64", "--preprocess", "none", "--shots", "1"]
    words += ["--seeds", "0", "1", "--cluster", processes.address]
    job = replace(wanted, shots=("1",))
    first, second = planned(job, check_data(job, **QUIET)[0])
    failures, store = Failures(wanted.results), ResultStore(wanted.results)
    failures.put(Failure(first, "CUDA ran out of memory.", "tcp://gpu:1"))
    assert main(words) == 1
    err = capsys.readouterr().err
    assert "1 run failed; --retry-failed repeats them:" in err and "Dashboard: http://127.0.0.1" in err
    assert "  weld, anomalydino, 1 shot, seed 0: CUDA ran out of memory. (tcp://gpu:1)" in err
    assert first not in store and second in store
    assert main([*words, "--retry-failed"]) == 0 and "failed" not in capsys.readouterr().err
    assert first in store and failures.get(first) is None
    assert main([*words[:-2], "--retry-failed"]) == 2 and "goes with --cluster" in capsys.readouterr().err


def test_a_run_that_fails_on_a_worker_costs_the_others_nothing(client, toy_root, wanted, tmp_path):
    """A mask that is no image is found when the maps are measured."""
    spoilt = tmp_path / toy_root.name
    shutil.copytree(toy_root, spoilt)
    next((spoilt / "weld/ground_truth").rglob("*.png")).write_bytes(b"no image")
    job = replace(wanted, data=str(spoilt), categories=(), shots=("1",), seeds=(0,))
    (failure,) = reproduce_on(client, job, load_dataset(str(spoilt)), **QUIET)
    assert failure.protocol.category == "weld" and "ground_truth" in failure.reason
    (result,) = ResultStore(job.results).results()
    assert result.protocol.category == "nut"


def test_missing_data_and_other_versions_are_refused_by_name(processes, client, tmp_path):
    with pytest.raises(InputError, match=r"The worker tcp://127.0.0.1:\d+ has no .*mvtec; data and weights must be"):
        check_workers(client, Needs.here(str(tmp_path / "mvtec")))
    own = Processes(tmp_path)
    try:
        for package in ("torch", "adlib"):
            place = tmp_path / package / f"{package}-9.9.dist-info"
            place.mkdir(parents=True)
            (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 9.9\n", encoding="utf-8")
            worker = own.start_worker(PYTHONPATH=str(place.parent))
            with connect(own.address) as other:
                other.wait_for_workers(1, timeout=START_S)
                with pytest.raises(InputError, match=rf"The worker tcp://127.0.0.1:\d+ has {package} 9.9, and .* need"):
                    check_workers(other, Needs.here())
            worker.kill()
            worker.wait()
    finally:
        own.close()


def test_a_scheduler_that_goes_costs_what_is_in_progress(client, wanted, weld, tmp_path):
    own = Processes(tmp_path)
    try:
        own.start_worker()
        store = ResultStore(wanted.results)
        with connect(own.address) as lost, pytest.raises(InputError, match="gone; finished runs are kept"):
            lost.wait_for_workers(1, timeout=START_S)

            def keep(outputs, *answer):
                kept(outputs, *answer)
                own.scheduler.kill()

            kept = units_module.Outputs.keep
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(units_module.Outputs, "keep", keep)
                reproduce_on(lost, wanted, weld, **QUIET)
        finished = {path: path.stat().st_mtime_ns for path in wanted.results.glob("*.json")}
        assert 0 < len(finished) < 4
    finally:
        own.close()
    assert reproduce_on(client, wanted, weld, **QUIET) == []  # another scheduler
    assert len(list(store.results())) == 4
    assert all(path.stat().st_mtime_ns == at for path, at in finished.items())


def test_a_sweep_on_local_workers_is_the_sweep_and_listens_on_loopback_alone(toy_root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before, seen = set(psutil.Process().children(recursive=True)), set()

    def listened(*arguments, **how):
        for process in set(psutil.Process().children(recursive=True)) - before:
            seen.update(c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN)
        seen.update(c.laddr.ip for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN)
        return run_on(*arguments, **how)

    run_on = cluster.run_sweep_on
    monkeypatch.setattr(cluster, "run_sweep_on", listened)
    words = ["sweep", "--data", str(toy_root), "--category", "weld", "--method", "patchcore", "--resolution", "48"]
    words += ["--set", "coreset=20", "--shots", "1", "--seeds", "0", "1"]
    assert main([*words, "--cluster", "local:1", "--out", "sent"]) == 0
    sent = capsys.readouterr()
    assert seen == {"127.0.0.1"} and "Cluster: 1 worker. Dashboard: http://127.0.0.1:" in sent.err
    small = {"resolution": 48, "settings": {"coreset": 20}}
    (job,) = jobs(Sweep(str(toy_root), tmp_path, ("weld",), ("patchcore",), (1,), (0, 1), **small))
    for protocol in job.protocols:
        run(protocol, job.dataset, ResultStore("here"))
    assert files(Path("sent/results")) == files(Path("here")) and len(files(Path("here"))) == 4
    assert [p.stem for p in Path("sent/notebooks").iterdir()] == [job.title]
    stamps = {p: p.stat().st_mtime_ns for p in Path("sent").rglob("*.*")}
    assert main([*words, "--out", "sent"]) == 0  # the local sweep finds nothing left to do
    assert capsys.readouterr().out == sent.out
    assert {p: p.stat().st_mtime_ns for p in Path("sent").rglob("*.*")} == stamps
