"""Work on several items in parallel, one core per item.

Many small matrix products run faster in parallel than each on all cores: threads that share a product wait for each
other after every product, and they wait long where other work occupies a core.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def one_core_each(work: Callable[[Item], Outcome], items: Iterable[Item]) -> Iterator[Outcome]:
    """Yield work(item) for all items, in order, with one thread per core of torch, each computing on one core.

    work: the function. Its exceptions are raised here.
    items: taken only a few ahead, so that a generator of large items is fine.
    What is done with an outcome, before the next is asked for, runs on one core, too: the others are busy. Afterwards
    torch has its previous number of threads again.
    """
    cores = torch.get_num_threads()
    items = iter(items)
    with ThreadPoolExecutor(cores, initializer=_on_one_core) as pool:
        try:
            running = [pool.submit(work, item) for item in islice(items, 2 * cores)]
            while running:
                outcome = running.pop(0).result()
                torch.set_num_threads(1)
                yield outcome
                torch.set_num_threads(cores)
                running += [pool.submit(work, item) for item in islice(items, 1)]
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(cores)


def _on_one_core() -> None:
    # A thread takes the number that any thread set last when it first asks torch, which must not be later than this.
    torch.get_num_threads()
    torch.set_num_threads(1)
