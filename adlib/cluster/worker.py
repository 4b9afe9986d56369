"""What a worker does with a task: check itself and its data, share what the unit shares, do the runs, answer."""

import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

from distributed import get_worker

from adlib.cluster.fitness import Needs
from adlib.cluster.tasks import Answer, Message, Task
from adlib.data import Dataset
from adlib.data.names import printable
from adlib.errors import InputError
from adlib.experiments.execution import run
from adlib.experiments.notebook_run import execute_notebook
from adlib.experiments.planning import build, content_digest, data_digest
from adlib.experiments.protocol import Protocol
from adlib.experiments.shared_work import share_distances
from adlib.experiments.store import ResultStore
from adlib.features.cache import TensorCache, digest


def lacking(needs: dict) -> str:
    """`Needs.lacking` of this worker, from plain values."""
    return Needs.from_dict(needs).lacking()


def perform(text: str) -> Message:
    """Do a task. Whatever fails is part of the answer: a task itself never raises an error."""
    task = Task.from_text(text)
    if unfit := task.needs.lacking():
        return Answer(unfit=unfit).message
    try:
        with tempfile.TemporaryDirectory(prefix="adlib-", dir=_scratch()) as folder:
            return _do(task, Path(folder)).message
    except Exception as error:  # a full disk of the worker, for instance
        return Answer(failed=_sentence(error)).message


def _do(task: Task, folder: Path) -> Answer:
    store, failed = ResultStore(folder / "results"), ""
    notebook = folder / "notebooks" / "run.ipynb"
    cache = TensorCache(_features(task) if task.own_cache else None)
    try:
        dataset = _unit(task.of_unit, str(cache.folder))
        if task.notebook is not None:
            execute_notebook(notebook, task.notebook)
        else:
            for protocol in task.runs:
                run(protocol, dataset, store, machine=task.machine, cache=cache)
    except Exception as error:  # a fault in one run must not cost the sweep; its sentence goes to the client
        failed = _sentence(error)
    if task.own_cache and task.last:
        shutil.rmtree(cache.folder, ignore_errors=True)
        _unit.cache_clear()  # what it shared is gone
    done = [(result, store.grids(p)) for p in task.runs if (result := store.get(p))]
    if not failed and len(done) < len(task.runs):
        failed = "The notebook did not store the run that was asked for; its data or weights changed meanwhile."
    text = notebook.read_text(encoding="utf-8") if notebook.exists() else ""
    return Answer(done, failed, notebook=text)


@lru_cache(maxsize=4)
def _unit(text: str, cache_folder: str) -> Dataset:
    """The data of a unit, checked, and with the distances shared that its runs share: once a worker, for all its tasks.

    text: `Task.of_unit`.
    cache_folder: of the features.
    Raises InputError where data or weights are not those of the client.
    """
    task = Task.from_text(text)
    dataset = task.source.load()
    for protocol in task.unit:
        _check(protocol, dataset, task)
    share_distances(task.unit, dataset, TensorCache(cache_folder), task.machine)
    return dataset


def _check(protocol: Protocol, dataset: Dataset, task: Task) -> None:
    digests = data_digest(dataset, protocol.labelled), content_digest(dataset, protocol.labelled)
    if digests != (protocol.data_digest, protocol.content_digest):
        raise InputError(
            f"The worker's files of {printable(task.source.category)} are not the client's; copy the same data there."
        )
    if (found := build(protocol, task.machine).network().weights_sha256) != protocol.weights_sha256:
        raise InputError(
            f"The worker's weights of {protocol.backbone} have the sha256 {found[:10]}..., the client's "
            f"{protocol.weights_sha256[:10]}...; copy the same file there."
        )


def _features(task: Task) -> Path:
    """The folder of a unit's features; Dask removes what is left in it when the worker ends."""
    return Path(_scratch() or tempfile.gettempdir()) / f"adlib-features-{digest({'unit': task.of_unit})}"


def _scratch() -> str | None:
    """The folder of this worker for its own files; None outside a worker."""
    try:
        return get_worker().local_directory
    except ValueError:
        return None


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"
