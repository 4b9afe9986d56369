"""Work on several items at a time, a core each.

Many small products run better side by side than each on all cores: threads that share a product wait for each other
after every one of them, and where other work takes a core away they wait long.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def one_core_each(work: Callable[[Item], Outcome], items: Iterable[Item]) -> Iterator[Outcome]:
    """Outcomes of work(item), in order, by as many threads as torch has cores, each computing on one.

    Takes items only a few ahead, so that they may come from a generator of large ones. What `work` raises is raised
    here. torch has its number of threads again afterwards.
    """
    cores = torch.get_num_threads()
    items = iter(items)
    with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            running = [pool.submit(work, item) for item in islice(items, 2 * cores)]
            while running:
                yield running.pop(0).result()
                running += [pool.submit(work, item) for item in islice(items, 1)]
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(cores)
