"""What a run will cost, before it starts: bytes of the bank, and time estimated from one measured image.

The bank holds shots x rotations x patches x values. The time is that of the network on every image and of the search in
the bank, both measured on the first reference. It is an estimate for an empty cache; a full cache is faster.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from adlib import plots
from adlib.data import Dataset, Sample
from adlib.data.images import read_image
from adlib.data.names import printable
from adlib.detectors.masking import mask_test
from adlib.detectors.training import TrainedDetector
from adlib.experiments.held_out import HELD_OUT
from adlib.experiments.planning import HERE, Machine, build
from adlib.experiments.protocol import Protocol
from adlib.experiments.references import CORESET, references_of, unseen_references
from adlib.features.cache import TensorCache
from adlib.features.extract import extract
from adlib.features.patches import grid_size, patch_vectors

_SEARCHED = 4096  # bank rows of the measured search, repeated from the first image


@dataclass(frozen=True)
class Forecast:
    """Bytes of the largest bank, and seconds of all runs together.

    shots: references of the largest bank.
    rotations: views of each reference.
    patches: patches of one view.
    values: feature values of one patch.
    bank_bytes: size of the largest bank, times the number of runs side by side.
    seconds: time of all runs with an empty cache.
    """

    shots: int
    rotations: int
    patches: int
    values: int
    bank_bytes: int
    seconds: float

    @property
    def line(self) -> str:
        """One sentence for the terminal."""
        turned = f" x {self.rotations} rotations" if self.rotations > 1 else ""
        return (
            f"Forecast: the bank takes {_size(self.bank_bytes)} ({self.shots} shots{turned} x {self.patches:,} patches "
            f"x {self.values:,} values); about {_duration(self.seconds)} without cached features."
        )


def forecast(runs: Sequence[tuple[Protocol, Dataset]], machine: Machine = HERE, at_a_time: int = 1) -> Forecast | None:
    """Cost of runs that share a cache of features, with one image of each method and category measured.

    Methods that train are left out: they keep no bank, and one image does not show how long training takes.

    runs: protocols, each with the data set of its category.
    machine: where the runs will happen.
    at_a_time: number of runs side by side, each with a bank of its own.

    Returns None where no run can be forecast. Raises InputError where the first reference cannot be read.
    """
    largest, seconds = None, 0.0
    groups: dict[tuple, list[tuple[Protocol, Dataset]]] = defaultdict(list)
    for protocol, dataset in runs:
        groups[protocol.method, protocol.category].append((protocol, dataset))
    for same in groups.values():
        protocol, dataset = max(same, key=lambda run: len(unseen_references(*run)))
        first = _first(dataset, unseen_references(protocol, dataset))
        if first is None:  # `run` raises the error
            continue
        detector = build(protocol, machine)
        if isinstance(detector, TrainedDetector):  # no bank, and one image does not show the cost of training
            continue
        rotations = len(detector.reference_angles)
        forward, search, patches, values = _measure(detector, first)
        views = len({s.path for run in same for s in unseen_references(*run)}) * rotations
        scored = len(dataset.validation or dataset.train_good[:HELD_OUT]) + len(dataset.test)
        candidates = len(dataset.train_good) if protocol.selection == CORESET else 0
        seconds += forward * (views + scored + candidates)
        for run in same:
            shots = len(unseen_references(*run)) or len(dataset.test)  # 0 shots: the test images are each other's bank
            rows = shots * rotations * patches
            kept = _kept(rows, run[0].options.get("coreset"))
            seconds += search * kept * scored
            one = Forecast(shots, rotations, patches, values, rows * values * 4 * at_a_time, 0.0)
            largest = one if largest is None or one.bank_bytes > largest.bank_bytes else largest
    if largest is None:
        return None
    return Forecast(
        largest.shots, largest.rotations, largest.patches, largest.values, largest.bank_bytes, seconds / at_a_time
    )


def mask_figure(protocol: Protocol, dataset: Dataset, machine: Machine = HERE) -> Figure | None:
    """The object mask on the first reference, to be judged by eye, and the verdict of the mask test.

    protocol: the run.
    dataset: its category.
    machine: where the run will happen.

    Returns None where the run never masks, or has no image.
    """
    if protocol.options.get("mask", "never") == "never":
        return None
    path = _first(dataset, references_of(protocol, dataset, machine, TensorCache()))
    if path is None:
        return None
    detector = build(protocol, machine)
    (features,) = extract(detector.network(), [path], detector.spec())
    mask = detector.object_mask(features)
    verdict = "passes" if mask_test(mask) else "fails"
    used = "" if detector.mask == "always" or mask_test(mask) else "not "
    image = read_image(path, detector.window)
    object_only = np.array(image)
    background = features.frame.original_map(mask.astype(np.float32), 0, False) <= 0.5
    object_only[background] = object_only[background] // 4 + np.array([0, 40, 90], dtype=np.uint8)
    return plots.contact_sheet(
        [image, object_only],
        titles=[
            f"{protocol.category}\n{printable(path.name)}",
            f"blue, {1 - mask.mean():.0%}: background\ntest {verdict}: {used}masked",
        ],
        columns=2,
    )


def _first(dataset: Dataset, references: list[Sample]) -> Path | None:
    """The image to measure: the first reference, or at 0 shots the first test image; None where there is neither."""
    return next((s.path for s in references or dataset.test), None)


def _measure(detector, image: Path) -> tuple[float, float, int, int]:
    """Seconds of one image in the network, seconds of its search in one bank row, its patches, values of each patch."""

    def forward_pass():
        return next(iter(extract(detector.network(), [image], detector.spec())))

    features = forward_pass()  # the first call of a network is slower than all others
    forward = _seconds(forward_pass)
    wanted = getattr(detector, "layers", None) or tuple(features.maps)
    maps = {name: values for name, values in features.maps.items() if name in wanted}
    pooling = {"pooling": detector.pooling, "dims": detector.dims} if hasattr(detector, "pooling") else {}
    vectors, _ = patch_vectors(maps, getattr(detector, "neighbourhood", 1), **pooling)
    bank = vectors.repeat(-(-_SEARCHED // len(vectors)), 1)[:_SEARCHED]
    search = _seconds(lambda: torch.mm(vectors, bank.T).amin(dim=1)) / len(bank)
    height, width = grid_size(maps)
    banks = len(getattr(detector, "neighbourhoods", (1,)))  # MuSc has one for each, at most as large as this
    return forward, search * banks, height * width, vectors.shape[1] * banks


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _kept(rows: int, coreset: float | None) -> int:
    if coreset is None:
        return rows
    return min(rows, coreset) if isinstance(coreset, int) else max(1, int(rows * coreset))


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{max(count / 1e6, 0.1):.1f} MB"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"
