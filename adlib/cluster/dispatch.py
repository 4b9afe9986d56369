"""Chains of tasks on a scheduler: one task of a chain at a time, preferably on the worker that did the one before.

Dask decides which worker takes what; a task whose worker dies goes to another one. A chain's next task is sent when an
answer comes back, so that features, which a worker keeps on its disk, are computed once, and that a killed worker costs
the tasks in progress alone. Other workers may take a task where its own is busy.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pkgutil import resolve_name
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from dask.utils import apply
from distributed import Client, Future, KilledWorker, get_worker
from distributed.client import FutureCancelledError

from adlib.cluster.connection import GONE, check_alive
from adlib.cluster.tasks import Message
from adlib.errors import InputError

PERFORM = "adlib.cluster.worker:perform"
LOOK_S = 1.0  # between two looks whether the scheduler is still there


class HasText:
    """Something with a `text` that tells a worker what to do."""

    text: str


Item = TypeVar("Item", bound=HasText)


@dataclass(frozen=True)
class Reply(Generic[Item]):
    """What came back for a task.

    task: the task.
    worker: the address of the worker that did it, "" for none.
    message: what it answered; None where workers died of it.
    """

    task: Item
    worker: str
    message: Message | None


def dispatch(client: Client, chains: Iterable[Iterator[Item]], work: str = PERFORM) -> Iterator[Reply[Item]]:
    """Do all tasks of all chains; yields replies as they come. Nothing of a reply is kept here.

    client: of the scheduler.
    chains: tasks in order; the next one is taken when the one before has been answered.
    work: the function that a worker calls with the text of a task, as "module:name". What several clients ask for in
        equal texts at the same time is done once.
    Raises InputError where the scheduler is gone, or where a worker cannot start a task at all.
    """
    done: SimpleQueue[Future] = SimpleQueue()
    running: dict[str, tuple[Future, Item, Iterator[Item]]] = {}

    def send(chain: Iterator[Item], worker: str = "") -> None:
        task = next(chain, None)
        if task is None:
            return
        key = f"adlib-{hashlib.sha256((work + task.text).encode()).hexdigest()}"
        # Started chains go first, so that a worker seldom has more than two of them.
        where = {"workers": [worker], "allow_other_workers": True, "priority": 1} if worker else {}
        future = client.get({key: _call(work, task.text)}, key, sync=False, **where)
        running[key] = future, task, chain
        future.add_done_callback(done.put)

    for chain in chains:
        send(chain)
    while running:
        try:
            key = done.get(timeout=LOOK_S).key
        except Empty:
            check_alive(client)
            continue
        future, task, chain = running.pop(key)
        reply = _reply(future, task)
        del future  # the workers may forget the result
        send(chain, reply.worker)
        yield reply


def _call(work: str, text: str) -> list[Any]:
    """A task of Dask that gives the worker's address and the answer.

    The function goes by its name, so that a scheduler, which reads tasks, needs neither adlib nor torch.
    """
    return [(getattr, (get_worker,), "address"), (apply, (resolve_name, work), [text])]


def _reply(future: Future, task: Item) -> Reply[Item]:
    try:
        return Reply(task, *future.result())
    except KilledWorker as error:
        return Reply(task, error.last_worker.address, None)
    except (FutureCancelledError, OSError) as error:
        raise InputError(GONE) from error
    except Exception as error:  # `perform` raises nothing, so the worker could not even start it
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InputError(f"A worker cannot start a task ({reason}); is adlib installed there as it is here?") from error
