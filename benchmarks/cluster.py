"""What a cluster costs: overhead of a run, 1,000 empty runs, and the memory of the client.

    python benchmarks/cluster.py [--rounds 3]

Real scheduler and worker processes on this machine (`local:N`). A run is made up: it sleeps for a given time and gives
the scores and patch scores of some images; whoever asked stores them. The same runs are also done and stored without a
cluster, one after the other.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from adlib.cluster import Needs, Outputs, Task, connect
from adlib.cluster.dispatch import dispatch
from adlib.cluster.tasks import Answer, Message, Source
from adlib.experiments.planning import Machine
from adlib.experiments.protocol import Protocol
from adlib.experiments.store import Result, ResultStore
from adlib.progress import progress

MB = 2**20
WORK = "cluster:made"  # this file, which workers of `local:N` find where it was started


@dataclass(frozen=True)
class Made:
    """Made-up runs. seconds: how long each sleeps. images, side: size of its result; side 0 for no patch scores."""

    seconds: float
    images: int
    side: int


def made(text: str) -> Message:
    """What a worker does for a made-up run; the task's title holds the values of `Made`."""
    task = Task.from_text(text)
    run = Made(*json.loads(task.title))
    time.sleep(run.seconds)
    random = np.random.default_rng(task.runs[0].seed)
    names = [f"test/good/{i:03d}.png" for i in range(run.images)]
    columns = {"image": names, "label": [0] * run.images, "defect": ["good"] * run.images}
    scores = pd.DataFrame(columns | {"score": random.random(run.images)})
    grids = list(random.random((run.images, run.side, run.side), dtype=np.float32)) if run.side else None
    return Answer([(Result(task.runs[0], {"metrics": {}}, scores), grids)]).message


def tasks(count: int, run: Made) -> list[Task]:
    """Tasks of one made-up run each."""
    source = Source({"source": "toy"}, "weld", "toy")
    protocol = partial(Protocol, "toy", "weld", "0" * 10, "patchcore", "efficientnet_lite0", "0" * 64, shots=1)
    needs = Needs.here()
    title = json.dumps([run.seconds, run.images, run.side])
    return [Task(needs, source, Machine(), (protocol(seed=seed),), title=title) for seed in range(count)]


def chains(count: int, length: int, run: Made) -> list[Iterator[Task]]:
    """All tasks, in chains as of units with that many runs."""
    every = tasks(count, run)
    return [iter(every[start : start + length]) for start in range(0, count, length)]


def on_cluster(address: str, count: int, length: int, run: Made) -> tuple[float, list[float]]:
    """Seconds from the first task sent to the last result stored, and the client's resident bytes after each result."""
    sizes, process = [], psutil.Process()
    with tempfile.TemporaryDirectory() as folder, connect(address) as client:
        outputs = Outputs(ResultStore(folder))
        client.wait_for_workers(1)
        list(dispatch(client, chains(4, 1, Made(0, 1, 0)), WORK))  # the workers import what they need
        begin = time.perf_counter()
        replies = dispatch(client, chains(count, length, run), WORK)
        for reply in progress(replies, total=count, label="runs", unit="run"):
            outputs.keep(reply.task, Answer.from_message(reply.message), reply.worker)
            sizes.append(process.memory_info().rss)
        return time.perf_counter() - begin, sizes


def alone(count: int, run: Made) -> float:
    """Seconds of the same runs in this process, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        store, begin = ResultStore(Path(folder)), time.perf_counter()
        for task in tasks(count, run):
            for result, grids in Answer.from_message(made(task.text)).results:
                store.put(result, grids)
        return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="repetitions, of which the median is printed")
    rounds = range(parser.parse_args().rounds)
    two_seconds = Made(2.0, 100, 32)
    pairs = [(on_cluster("local:1", 15, 15, two_seconds)[0], alone(15, two_seconds)) for _ in rounds]
    extra = [100 * (cluster / local - 1) for cluster, local in pairs]
    empty = [on_cluster("local:2", 1000, 15, Made(0.0, 1, 0))[0] for _ in rounds]
    sizes = on_cluster("local:2", 1000, 15, Made(0.0, 100, 32))[1]
    rows = [
        ("15 runs of 2 s, one worker: overhead a run, %", np.median(extra), min(extra), max(extra)),
        ("1,000 empty runs, two workers: seconds", np.median(empty), min(empty), max(empty)),
    ]
    print(pd.DataFrame(rows, columns=["", "median", "least", "most"]).round(1).to_markdown(index=False))
    after = ", ".join(f"{sizes[i - 1] / MB:.0f} after {i}" for i in (100, 250, 500, 750, 1000))
    print(f"\nResident MB of the client over 1,000 results of 100 images: {after}.")


if __name__ == "__main__":
    main()
