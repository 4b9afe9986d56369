"""What `adlib run` and `adlib sweep` say before they start: the cost, and what the object masks leave out."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adlib.data import Dataset
    from adlib.experiments.planning import Machine
    from adlib.experiments.protocol import Protocol


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
