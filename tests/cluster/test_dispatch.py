"""Chains of tasks on real workers that are killed and added, and on a scheduler that goes."""

import gc
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from distributed import Client

from adlib.cluster import connect
from adlib.cluster.dispatch import dispatch
from adlib.cluster.units import _answer
from adlib.errors import InputError
from helpers.dask_processes import START_S, Processes
from helpers.dask_work import DIE, NAP, Words


def chains(folder, count: int, length: int, seconds: float) -> list:
    return [iter([Words(f"{folder}|{c}_{i}|{seconds}") for i in range(length)]) for c in range(count)]


def until(true, seconds: float = START_S) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_a_chain_stays_on_its_worker_and_keeps_its_order(client, tmp_path):
    order: dict[str, list[str]] = {}
    for reply in dispatch(client, chains(tmp_path, 2, 5, 0.05), NAP):
        order.setdefault(reply.task.text.split("|")[1][0], []).append(reply.worker + reply.task.text)
    assert [len(names) for names in order.values()] == [5, 5]
    for names in order.values():
        assert [name.split("|")[1][-1] for name in names] == list("01234")
        assert len({name.split("|")[0] for name in names}) == 1


@pytest.mark.slow
def test_a_killed_worker_costs_its_task_alone_and_an_added_one_helps(processes: Processes, client, tmp_path):
    victim = processes.start_worker()
    client.wait_for_workers(3, timeout=START_S)
    replies = dispatch(client, chains(tmp_path, 9, 3, 0.2), NAP)
    first = [next(replies) for _ in range(3)]
    until(lambda: list(tmp_path.glob(f"*.{victim.pid}")))
    os.kill(victim.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    added = processes.start_worker()
    rest = list(replies)
    assert sorted(r.task.text for r in first + rest) == sorted(t.text for c in chains(tmp_path, 9, 3, 0.2) for t in c)
    begun = [path.stem for path in tmp_path.iterdir()]
    assert 0 < len(begun) - len(set(begun)) + 1 <= 3  # at most what the victim had in its hands began twice
    late = dispatch(client, chains(tmp_path, 40, 1, 0.201), NAP)
    client.wait_for_workers(3, timeout=START_S)
    assert str(added.pid) in {reply.message[0] for reply in late}
    added.kill()


@pytest.mark.slow
def test_one_task_of_two_clients_is_done_once(processes: Processes, client, tmp_path):
    with connect(processes.address) as other, ThreadPoolExecutor() as pool:
        both = list(pool.map(lambda c: list(dispatch(c, chains(tmp_path, 2, 1, 0.5), NAP)), (client, other)))
    answers = [{reply.task.text: reply.message for reply in replies} for replies in both]
    assert len(answers[0]) == 2 and answers[0] == answers[1]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.slow
def test_a_task_that_kills_its_workers_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    own = Processes(tmp_path)
    try:
        own.start_worker()
        with connect(own.address) as client:
            (reply,) = dispatch(client, chains(tmp_path, 1, 1, 0), DIE)
            assert reply.message is None and reply.worker.startswith("tcp://127.0.0.1:")
            assert "died, one after the other" in _answer(reply).failed
            with pytest.raises(InputError, match=r"cannot start a task \(ModuleNotFoundError: .*adlib installed there"):
                own.start_worker()
                list(dispatch(client, chains(tmp_path, 1, 1, 0), "nothing.such:work"))
    finally:
        own.close()


def test_a_scheduler_that_goes_is_one_sentence(tmp_path, caplog):
    own = Processes(tmp_path)
    try:
        with connect(own.address) as client:
            replies = dispatch(client, chains(tmp_path, 3, 2, 0), NAP)  # which nobody does: there is no worker
            own.scheduler.kill()
            with pytest.raises(InputError, match="is gone; finished runs are kept, so start it again"):
                next(replies)
        assert caplog.records == []  # no traceback of Dask next to it
    finally:
        own.close()


@pytest.fixture
def uncollected() -> Iterator[None]:
    """What nobody refers to stays in memory."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:9", "No Dask scheduler answers at 127.0.0.1:9; start `dask scheduler`"),
        ("tls://127.0.0.1:9", "certificates"),
        ("nonsense", "nonsense"),
        ("ftp://127.0.0.1:9", "Cannot use ftp://127.0.0.1:9"),
        ("local:0", "at least 1, not '0'"),
        ("local:two", "at least 1, not 'two'"),
    ],
)
def test_addresses_that_lead_nowhere(address, said, monkeypatch, uncollected):
    monkeypatch.setattr("adlib.cluster.connection.ANSWER_S", 0.5)
    with pytest.raises(InputError, match=said), connect(address):
        pass
    half_made = [
        thing for thing in gc.get_objects() if issubclass(type(thing), Client) and thing.status == "connecting"
    ]
    assert not half_made  # garbage collection may end one at a moment at which Dask waits for itself for ever
