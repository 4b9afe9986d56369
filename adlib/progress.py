"""One progress bar for the whole library: it shows on a terminal and is silent everywhere else."""

from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def progress(items: Iterable[Any] | None = None, *, total: int | None = None, label: str = "", unit: str = "it") -> tqdm:
    """A tqdm bar over `items` (or driven by hand with .update(n)); silent where stderr is not a terminal."""
    return tqdm(items, total=total, desc=label, unit=unit, disable=None, leave=False, dynamic_ncols=True)
