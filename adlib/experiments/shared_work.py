"""Distances to references that several runs need, computed once before the first run.

Where a method's patch distance is a minimum over reference images (`share_distances` of its detector), the runs of one
setting differ only in the columns that they read. A sweep and a paper's table both consist of such runs.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from adlib.data import Dataset
from adlib.experiments.held_out import held_out_good
from adlib.experiments.planning import HERE, Machine, build
from adlib.experiments.protocol import Protocol
from adlib.experiments.references import references_of, unseen_references
from adlib.features.cache import TensorCache

_DRAW = ("shots", "selection", "seed", "split_seed")  # what differs between the runs of one setting


def all_references(
    protocols: Iterable[Protocol], dataset: Dataset, cache: TensorCache | None = None, machine: Machine = HERE
) -> list[Path]:
    """Every image that any of these runs learns from, once; dataset: their category."""
    chosen = (references_of(protocol, dataset, machine, cache) for protocol in protocols)
    return list(dict.fromkeys(s.path for references in chosen for s in references))


def all_scored(
    protocols: Iterable[Protocol], dataset: Dataset, cache: TensorCache | None = None, machine: Machine = HERE
) -> list[Path]:
    """Every image that any of these runs scores, once: held-out images for the threshold, and the test set."""
    chosen = (references_of(protocol, dataset, machine, cache) for protocol in protocols)
    held_out = [sample for references in chosen for sample in held_out_good(dataset, references)]
    return list(dict.fromkeys(s.path for s in (*held_out, *dataset.test)))


def share_distances(
    protocols: Sequence[Protocol],
    dataset: Dataset,
    cache: TensorCache,
    machine: Machine = HERE,
    show_progress: bool = False,
) -> None:
    """Put into the cache the distances that several of these runs need; scores stay the same, bit for bit.

    Methods that cannot share, and settings whose runs have no reference in common, are left alone.

    protocols: of any methods and settings on one category.
    dataset: that category.
    cache: where the distances go.
    machine: where the runs happen.
    show_progress: whether to show a progress bar.
    """
    settings: dict[str, list[Protocol]] = {}
    for protocol in protocols:
        setting = {name: value for name, value in protocol.as_dict().items() if name not in _DRAW}
        settings.setdefault(json.dumps(setting, sort_keys=True), []).append(protocol)
    for draws in settings.values():
        detector = build(draws[0], machine)
        if not hasattr(detector, "share_distances"):
            continue
        references = all_references(draws, dataset, cache, machine)
        if len(references) < sum(len(unseen_references(protocol, dataset)) for protocol in draws):
            detector.share_distances(references, all_scored(draws, dataset, cache, machine), cache, show_progress)
