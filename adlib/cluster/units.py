"""Units of work, and where their results go: the sweep's and the reproduction's way to a cluster."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from distributed import Client

from adlib.cluster.connection import workers
from adlib.cluster.dispatch import Reply, dispatch
from adlib.cluster.tasks import Answer, Task
from adlib.errors import InputError
from adlib.experiments.failures import Failure, Failures
from adlib.experiments.planning import build
from adlib.experiments.protocol import Protocol
from adlib.experiments.store import ResultStore
from adlib.files import atomic_write
from adlib.progress import progress

DIED = "The workers that did it died, one after the other, perhaps for lack of memory; see their logs."


@dataclass(frozen=True)
class Outputs:
    """The folders of results and notebooks.

    store: of the results; failed runs are kept next to them.
    notebooks: folder of executed notebooks, None for none.
    """

    store: ResultStore
    notebooks: Path | None = None

    @property
    def failures(self) -> Failures:
        """The failed runs."""
        return Failures(self.store.folder)

    def has(self, task: Task) -> bool:
        """Whether everything that a task gives is on disk."""
        written = self.notebooks is None or self._notebook(task).exists()
        return written and all(protocol in self.store for protocol in task.runs)

    def failed(self, task: Task) -> list[Failure]:
        """The runs of a task that failed; none where it has been done since."""
        found = [failure for protocol in task.runs if (failure := self.failures.get(protocol))]
        return [] if found and self.has(task) else found

    def keep(self, task: Task, answer: Answer, worker: str) -> None:
        """Store what came back; each file is written under a temporary name and renamed."""
        for result, grids in answer.results:
            self.store.put(result, grids)
            self.failures.drop(result.protocol)
        if answer.failed:
            stored = {result.protocol.hash for result, _ in answer.results}
            # Where only the notebook failed, after its last run, that run tells of it.
            for protocol in [p for p in task.runs if p.hash not in stored] or task.runs[-1:]:
                self.failures.put(Failure(protocol, answer.failed, worker))
        elif self.notebooks is not None:
            with atomic_write(self._notebook(task)) as file:
                file.write(answer.notebook)

    def _notebook(self, task: Task) -> Path:
        return self.notebooks / f"{task.title}.ipynb"


def run_tasks(
    client: Client,
    tasks: Sequence[Task],
    outputs: Outputs,
    *,
    retry_failed: bool = False,
    label: str = "runs",
    show_progress: bool = True,
) -> tuple[bool, list[Failure]]:
    """Do what is neither done nor failed, and store it.

    client: of the scheduler; its workers must fit (`check_workers`).
    tasks: all tasks, in the order in which they are sent.
    outputs: where results go.
    retry_failed: whether to repeat failed runs.
    label: text before the progress bar.
    show_progress: whether to show it.
    Returns whether anything was done, and all failed runs, those of earlier calls included.
    Raises InputError where the scheduler is gone or a worker does not fit; what was finished is kept.
    """
    waiting = [task for task in tasks if not outputs.has(task) and (retry_failed or not outputs.failed(task))]
    chains = [_undone(unit, outputs) for unit in _spread(_units(waiting), len(workers(client)))]
    with progress(total=sum(len(task.runs) for task in waiting), label=label, unit="run", show=show_progress) as bar:
        for reply in dispatch(client, chains):
            outputs.keep(reply.task, _answer(reply), reply.worker)
            bar.update(len(reply.task.runs))
    return bool(waiting), [failure for task in tasks for failure in outputs.failed(task)]


def _answer(reply: Reply[Task]) -> Answer:
    if reply.message is None:
        return Answer(failed=DIED)
    answer = Answer.from_message(reply.message)
    if answer.unfit:
        raise InputError(f"The worker {reply.worker} {answer.unfit}. Finished runs are kept.")
    return answer


def _units(tasks: Iterable[Task]) -> list[list[Task]]:
    """Tasks that share features, together, and in the order of the first of each unit."""
    units: dict[tuple, list[Task]] = {}
    for task in tasks:
        units.setdefault((task.source.category, *_features(task.runs[0], task)), []).append(task)
    return list(units.values())


def _features(protocol: Protocol, task: Task) -> tuple:
    detector = build(protocol, task.machine)
    return protocol.backbone, detector.precision, detector.spec()


def _spread(units: list[list[Task]], workers: int) -> Iterator[list[Task]]:
    """The units, dealt out in parts where there are fewer than workers; each part shares among itself alone."""
    for unit, count in zip(units, _parts([len(unit) for unit in units], workers), strict=True):
        for start in range(count):
            part = unit[start::count]
            shared = tuple(protocol for task in part for protocol in task.runs)
            yield [replace(task, unit=shared, last=task is part[-1]) for task in part]


def _parts(sizes: list[int], workers: int) -> list[int]:
    """In how many parts each unit is dealt out: the one with the largest parts is split until each worker has one."""
    parts = [1] * len(sizes)
    for _ in range(workers - len(sizes)):
        largest = max(range(len(sizes)), key=lambda i: sizes[i] / parts[i], default=None)
        if largest is None or sizes[largest] == parts[largest]:
            break
        parts[largest] += 1
    return parts


def _undone(unit: list[Task], outputs: Outputs) -> Iterator[Task]:
    """Tasks that are still to be done at the moment when they are sent: another sweep may have done them."""
    return (task for task in unit if not outputs.has(task))
