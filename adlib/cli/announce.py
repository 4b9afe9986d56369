"""What `adlib run` and `adlib sweep` say before they start: what a method means there, the cost, the object masks."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adlib.data import Dataset
    from adlib.experiments.planning import Machine
    from adlib.experiments.protocol import Protocol


def say_methods(protocols: "Sequence[Protocol]") -> None:
    """A sentence for each method on how it differs from its defaults; categories are named where theirs differ."""
    from adlib.reports.titles import method_sentence

    meant: dict[str, dict[str, list[str]]] = {}
    for protocol in protocols:
        categories = meant.setdefault(protocol.method, {}).setdefault(method_sentence(protocol), [])
        categories += [protocol.category] if protocol.category not in categories else []
    for sentences in meant.values():
        for sentence, categories in sentences.items():
            print(sentence if len(sentences) == 1 else f"{', '.join(categories)}: {sentence}", flush=True)


def announce(runs: "Sequence[tuple[Protocol, Dataset]]", machine: "Machine", folder: Path, at_a_time: int = 1) -> None:
    """Say what runs will cost, and write a picture of their object masks into `folder`, to be judged by eye."""
    from adlib.experiments.forecast import forecast, mask_picture
    from adlib.files import atomic_write
    from adlib.plots import figure_to_png

    cost = forecast(runs, machine, at_a_time)
    if cost is not None:
        print(cost.line, file=sys.stderr)
    for protocol, dataset in {(p.method, p.category): (p, dataset) for p, dataset in runs}.values():
        figure = mask_picture(protocol, dataset, machine)
        if figure is not None:
            target = folder / f"mask_{protocol.dataset}_{protocol.category}.png"
            with atomic_write(target, "wb") as file:
                file.write(figure_to_png(figure))
            print(f"Look at the object mask, and take --preprocess none where it is wrong: {target}", file=sys.stderr)
