"""The progress bar of the whole library: it shows on a terminal and is silent everywhere else."""

from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def progress(
    items: Iterable[Any] | None = None,
    *,
    total: int | None = None,
    label: str = "",
    unit: str = "it",
    show: bool = True,
) -> tqdm:
    """A tqdm bar over `items`, or updated by .update(n); silent where stderr is not a terminal.

    items: what to iterate over; None for a bar that is updated manually.
    total: number of items, where `items` has no length.
    label: text before the bar.
    unit: name of an item.
    show: False silences the bar everywhere, for work inside work that has a bar already.
    """
    # disable=None is tqdm's own rule 'silent where there is no terminal'
    return tqdm(
        items, total=total, desc=label, unit=unit, disable=None if show else True, leave=False, dynamic_ncols=True
    )
