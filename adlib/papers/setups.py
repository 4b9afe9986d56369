"""Our runs of a paper's method, grouped by protocol: what is compared with a published number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from adlib.experiments.presets import TURNED
from adlib.experiments.protocol import Protocol
from adlib.experiments.store import Result, as_frame, each_run_once

SECONDS = "seconds_per_image"
_NAMES_CATEGORY = "object_name"  # an option that says the category in words: WinCLIP's


@dataclass(frozen=True)
class Setup:
    """Our runs of one protocol on one data set, which differ only in category and seeds.

    runs: at least one.
    turned: the categories whose references are rotated: "all", "some" or "none"; "" where a method does not rotate.
    """

    runs: tuple[Result, ...]
    turned: str = ""

    @property
    def protocol(self) -> Protocol:
        """The protocol of the first run; the other runs differ from it in category and seeds."""
        return self.runs[0].protocol

    @property
    def categories(self) -> tuple[str, ...]:
        """Names, sorted."""
        return tuple(sorted({run.protocol.category for run in self.runs}))

    def values(self, metric: str, categories: Sequence[str]) -> pd.Series:
        """The metric (percent, or seconds) per pair of seeds, a mean over categories.

        Seeds for which a category has no value are left out.

        metric: a metric of the results, or seconds_per_image.
        categories: names.
        """
        by_seeds: dict[str, dict[str, float | None]] = {}
        for run in self.runs:
            by_seeds.setdefault(seeds(run.protocol), {})[run.protocol.category] = _measured(run, metric)
        rows = [[values.get(name) for name in categories] for values in by_seeds.values()]
        return pd.Series([sum(row) / len(row) for row in rows if None not in row], dtype=float)


def seeds(protocol: Protocol) -> str:
    """Both seeds of a protocol, as a key."""
    return f"{protocol.seed}/{protocol.split_seed}"


def _measured(result: Result, metric: str) -> float | None:
    if metric == SECONDS:
        return result.row["timings"]["predict_s_per_image"]
    value = result.metrics.get(metric)
    return None if value is None else 100 * value


def setups(results: Iterable[Result], method: str) -> list[Setup]:
    """Our runs of a method, grouped by protocol, in the order of their titles.

    A run of AnomalyDINO with rotations on a category with rotated parts belongs to two groups, 'all' and 'some'. A
    group that another group contains is left out, and so is a run that was done again because its row did not say what
    the images and masks held.

    results: runs of any methods.
    method: name of a detector.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    ours = [result for result in results if result.protocol.method == method]
    once = [ours[number] for number in each_run_once(as_frame(ours)).index] if ours else []
    for result in sorted(once, key=lambda r: r.protocol.title):
        common = {k: v for k, v in result.protocol.group().items() if k != "category"}
        for turned in _turns(result.protocol):
            left_out = {_NAMES_CATEGORY, *(["rotate"] if turned else [])}
            options = {k: v for k, v in common["options"].items() if k not in left_out}
            groups.setdefault((str(common | {"options": options}), turned), []).append(result)
    hashes_of = {key: {r.protocol.hash for r in runs} for key, runs in groups.items()}
    kept, seen = [], []
    for key, runs in groups.items():
        hashes = hashes_of[key]
        if hashes not in seen and not any(hashes < other for other in hashes_of.values()):
            kept.append(Setup(tuple(runs), key[1]))
            seen.append(hashes)
    return kept


def _turns(protocol: Protocol) -> tuple[str, ...]:
    if "rotate" not in protocol.options:
        return ("",)
    if (protocol.dataset, protocol.category) in TURNED:
        return ("all", "some") if protocol.options["rotate"] else ("none",)
    return ("all",) if protocol.options["rotate"] else ("none", "some")
