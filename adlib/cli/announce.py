"""What `adlib run` and `adlib sweep` print before they start: the methods' parameters, the cost, the object masks."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adlib.data import Dataset
    from adlib.experiments.planning import Machine
    from adlib.experiments.protocol import Protocol


def say_methods(protocols: "Sequence[Protocol]") -> None:
    """Print how each method differs from its defaults, per category where categories differ."""
    from adlib.reports.titles import method_sentence

    by_method: dict[str, dict[str, list[str]]] = {}
    for protocol in protocols:
        categories = by_method.setdefault(protocol.method, {}).setdefault(method_sentence(protocol), [])
        categories += [protocol.category] if protocol.category not in categories else []
    for sentences in by_method.values():
        for sentence, categories in sentences.items():
            print(sentence if len(sentences) == 1 else f"{', '.join(categories)}: {sentence}", flush=True)


def say_gaps(datasets: "Iterable[Dataset]") -> None:
    """Print which categories have no image metrics, which are left out of a sweep, and why."""
    from adlib.data.check import lacks
    from adlib.data.names import printable

    for dataset in datasets:
        if reason := lacks(dataset):
            where = printable(f"{dataset.name} {dataset.categories[0]}")
            effect = "has no image metrics" if dataset.test else "is left out"
            print(f"{where} {effect}, because there are {reason}; add some.", file=sys.stderr)


def say_doubts(datasets: "Iterable[Dataset]") -> None:
    """Print which files are not used, and which masks are probably wrong."""
    from adlib.data.mask_warnings import mask_warnings
    from adlib.data.unused import notes, unused_files

    for dataset in datasets:
        for line in (*notes(unused_files(dataset), dataset.root), *mask_warnings(dataset)):
            print(f"{line} (`adlib check` lists all)", file=sys.stderr)


def say_labelled(datasets: "Iterable[Dataset]", count: int) -> None:
    """Print where the labelled defects come from that are learned from, and which are there and not used."""
    for dataset in datasets:
        there = len(dataset.train_defects)
        if count and not there:
            print(f"{dataset.name}: {count} defective test images are moved to the labelled defects.", file=sys.stderr)
        elif there > count:
            left = f"{there - count} of {there} labelled defects in train are not used"
            print(f"{dataset.name}: {left} (--labelled {count}).", file=sys.stderr)


def announce(runs: "Sequence[tuple[Protocol, Dataset]]", machine: "Machine", folder: Path, at_a_time: int = 1) -> None:
    """Print the cost of the runs, and write images of their object masks to `folder`, to be checked by eye."""
    from adlib.experiments.forecast import forecast, mask_figure
    from adlib.files import short_name
    from adlib.outputs import write_output
    from adlib.plots import figure_to_png

    cost = forecast(runs, machine, at_a_time)
    if cost is not None:
        print(cost.line, file=sys.stderr)
    for protocol, dataset in {(p.method, p.category): (p, dataset) for p, dataset in runs}.values():
        figure = mask_figure(protocol, dataset, machine)
        if figure is not None:
            name = short_name(f"mask_{protocol.dataset}_{protocol.category}")
            target = folder / f"{name}.png"
            write_output(target, figure_to_png(figure))
            print(f"Check the object mask, and use --preprocess none if it is wrong: {target}", file=sys.stderr)
