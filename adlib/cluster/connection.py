"""The scheduler that does the runs: an address where one listens, or `local:N`, one with N workers on this machine.

Encryption is Dask's own: certificates in its configuration hold for the client, for `local:N`, and for workers.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.metadata import version
from typing import Any

from distributed import Client, LocalCluster

from adlib.cluster.fitness import Needs
from adlib.cluster.worker import lacking
from adlib.errors import InputError
from adlib.experiments.notebook_run import threads_each

LOOPBACK = "127.0.0.1"
ANSWER_S = 10.0  # how long a scheduler may take to answer
GONE = "The scheduler is gone; finished runs are kept, so start it again and give the same command."
_TALKERS = ("distributed", "tornado", "asyncio")  # the first word of their loggers' names


class _Client(Client):
    """A client that ends at once where it cannot start.

    Dask leaves that to garbage collection, which may come while a thread holds the lock of Dask's event loops; ending a
    client needs that lock, so the thread would wait for itself for ever.
    """

    def start(self, **kwargs: Any) -> None:
        try:
            super().start(**kwargs)
        except Exception:
            self.close()
            raise


@contextmanager
def connect(address: str) -> Iterator[Client]:
    """A client of the scheduler at an address; what `local:N` started is ended on exit.

    address: "HOST:PORT", "tcp://HOST:PORT", "tls://HOST:PORT", or "local:N" for N worker processes on this machine,
        which listen on the loopback interface alone.
    Raises InputError where the address is none, nobody answers there, or certificates are missing.
    """
    with _quiet():
        if address.startswith("local:"):
            with closing(_local(address)) as here, closing(_client(here.scheduler_address)) as client:
                yield client
        else:
            with closing(_client(address)) as client:
                yield client


def check_workers(client: Client, needs: Needs) -> None:
    """InputError, which names the worker, where one of the workers would give other numbers or lacks data.

    client: of the scheduler.
    needs: what workers must have; a worker that joins later is asked by its first task.
    """
    own = version("adlib")
    for worker, found in client.run(version, "adlib", on_error="return").items():
        if found != own:  # an error, where there is none
            has = f"has adlib {found}" if isinstance(found, str) else "has no adlib"
            raise InputError(f"The worker {worker} {has}, and {own} is needed; install that version there.")
    for worker, reason in client.run(lacking, needs.as_dict(), on_error="return").items():
        if isinstance(reason, Exception):
            reason = f"has another adlib ({' '.join(str(reason).split())}); copy the same checkout there"
        if reason:
            raise InputError(f"The worker {worker} {reason}.")


def workers(client: Client) -> Mapping[str, int]:
    """Address -> threads of each worker."""
    return client.nthreads()


def check_alive(client: Client) -> None:
    """InputError where the scheduler is gone."""
    if client.status != "running":
        raise InputError(GONE)


def _client(address: str) -> Client:
    try:
        return _Client(address, timeout=ANSWER_S, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise InputError(_no_answer(address)) from error
    except (ValueError, TypeError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"Cannot use {address} as the address of a scheduler ({reason}); give HOST:PORT, tls://HOST:PORT with "
            "certificates in Dask's configuration, or local:N."
        ) from error


def _no_answer(address: str) -> str:
    advice = "start `dask scheduler` there, or correct the address"
    if not address.startswith("tls://"):
        return f"No Dask scheduler answers at {address}; {advice} (tls:// where it wants certificates)."
    return f"No Dask scheduler answers at {address}, or it refuses the certificates of Dask's configuration; {advice}."


def _local(address: str) -> LocalCluster:
    count = address.removeprefix("local:")
    if not (count.isdecimal() and int(count) > 0):
        raise InputError(f"local:N takes a number of worker processes of at least 1, not {count!r}.")
    page = f"{LOOPBACK}:0"  # Dask's own default for the pages of workers is every interface
    return LocalCluster(
        n_workers=int(count),
        threads_per_worker=1,
        host=LOOPBACK,
        dashboard_address=page,
        worker_dashboard_address=page,
        memory_limit=0,  # as in a sweep without workers: the system decides
        silence_logs=logging.CRITICAL,
        env={"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or threads_each(int(count))},
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask's own messages, often with a traceback, are left out: what matters is said in one sentence."""
    # Each by itself, because Dask gives levels to loggers below its own.
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in _TALKERS]
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
