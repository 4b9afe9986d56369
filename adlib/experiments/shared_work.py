"""Distances to references that several runs need, computed once before the first run.

Where a method's patch distance is a minimum over reference images (`share_distances` of its detector), the runs of one
setting differ only in the columns that they read. A sweep and a paper's table both consist of such runs.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from adlib.data import Dataset, Sample
from adlib.experiments.held_out import held_out_good
from adlib.experiments.planning import HERE, Machine, build
from adlib.experiments.protocol import Protocol
from adlib.features.cache import TensorCache

_DRAW = ("shots", "selection", "seed", "split_seed")  # what differs between the runs of one setting


def all_references(protocols: Iterable[Protocol], dataset: Dataset) -> list[Path]:
    """Every image that any of these runs learns from, once; dataset: their category."""
    return list(dict.fromkeys(s.path for protocol in protocols for s in _references(protocol, dataset)))


def all_scored(protocols: Iterable[Protocol], dataset: Dataset) -> list[Path]:
    """Every image that any of these runs scores, once: held-out images for the threshold, and the test set."""
    held_out = [sample for protocol in protocols for sample in held_out_good(dataset, _references(protocol, dataset))]
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
        references = all_references(draws, dataset)
        detector = build(draws[0], machine)
        if hasattr(detector, "share_distances") and len(references) < sum(len(_references(p, dataset)) for p in draws):
            detector.share_distances(references, all_scored(draws, dataset), cache, show_progress)


def _references(protocol: Protocol, dataset: Dataset) -> list[Sample]:
    return [] if protocol.shots == 0 else dataset.few_shot(protocol.shots, protocol.seed, protocol.selection)
