"""PatchCore and SoftPatch with defective images among the training images: results/mvtec/noise.csv (`bottle`).

    python benchmarks/noise.py --data path/to/mvtec --lists path/to/noisy_splits [--levels 0 10] [--methods NAME ...]
        [--cache DIR]

--lists holds the public lists of MeDS (bottle_10percent_seed0.txt and so on): training images, the planted ones
included. Each list is one fit; its images are scored once and evaluated by both conventions of `adlib.data.noise`. At
level 0 nothing is planted, and the seeds are those of the coreset's first pick; with lists the coreset's seed is 0. A
run whose rows are in the table is skipped, so a stopped call resumes. Without --data the stored table is printed.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adlib.data import Dataset, Sample, load_dataset, plant_listed, read_mask
from adlib.data.noise import CONVENTIONS
from adlib.detectors import Predictions, make_detector
from adlib.evaluation import image_metrics, pixel_metrics
from adlib.features.cache import TensorCache
from adlib.files import atomic_write

TABLE = Path(__file__).parents[1] / "results/mvtec/noise.csv"
# SoftPatch as a whole, and without its weights ("hard"): which part of it helps?
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "patchcore": ("patchcore", {}),
    "softpatch": ("softpatch", {}),
    "softpatch_hard": ("softpatch", {"soft": False}),
}
LIST_SEEDS = (0, 10, 20, 30)
CORESET_SEEDS = (0, 1, 2)
KEYS = ["method", "level", "seed"]
SHOWN = ["image_auroc", "pixel_auroc", "aupro"]


@dataclass(frozen=True)
class Noisy:
    """One training set. level: in percent. seed: of the list, or of the coreset at level 0. names: those listed."""

    level: int
    seed: int
    names: tuple[str, ...] = ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of MVTec AD; without it the stored table is printed")
    parser.add_argument("--lists", type=Path, help="folder of the lists")
    parser.add_argument("--levels", nargs="+", type=int, default=[0, 10], help="percentages of planted images")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--cache", help="folder for features; none by default")
    options = parser.parse_args()
    if options.data:
        bottle, cache = load_dataset(options.data, "bottle"), TensorCache(options.cache) if options.cache else None
        for noisy in _training_sets(options.levels, options.lists):
            for method in options.methods:
                if not _is_stored(method, noisy):
                    _store(_rows(method, noisy, bottle, cache))
    _print_table()


def _training_sets(levels: list[int], lists: Path | None) -> Iterator[Noisy]:
    for level in levels:
        for seed in LIST_SEEDS if level else CORESET_SEEDS:
            names = (
                (lists / f"bottle_{level}percent_seed{seed}.txt").read_text(encoding="utf-8").split() if level else ()
            )
            yield Noisy(level, seed, tuple(names))


def _rows(method: str, noisy: Noisy, bottle: Dataset, cache: TensorCache | None) -> list[dict[str, Any]]:
    """One row per convention, from one fit."""
    learned = plant_listed(bottle, noisy.names, "overlap") if noisy.names else bottle
    name, settings = METHODS[method]
    detector = make_detector(name, seed=0 if noisy.level else noisy.seed, **settings)
    start = time.perf_counter()
    detector.fit([s.path for s in learned.train_good], cache)
    seconds = time.perf_counter() - start
    predictions = detector.predict([s.path for s in bottle.test], cache)
    planted = {s.path for s in learned.train_good if s.defect != "good"}
    key = dict(zip(KEYS, (method, noisy.level, noisy.seed), strict=True)) | {"planted": len(planted)}
    rows = []
    for convention in CONVENTIONS if planted else ("",):
        shown = [i for i, s in enumerate(bottle.test) if convention != "removed" or s.path not in planted]
        if any(bottle.test[i].label for i in shown):
            values = _metrics(bottle.test, predictions, shown)
            rows.append(key | {"convention": convention} | values | {"fit_s": round(seconds, 1)})
    return rows


def _metrics(test: list[Sample], predictions: Predictions, shown: list[int]) -> dict[str, float | None]:
    labels, maps = [test[i].label for i in shown], [predictions.anomaly_map(i) for i in shown]
    masks = [_mask(test[i], a.shape) for i, a in zip(shown, maps, strict=True)]
    metrics = image_metrics(labels, predictions.scores[shown]) | pixel_metrics(maps, masks)
    return {name: metrics[name] for name in SHOWN}


def _mask(sample: Sample, shape: tuple[int, ...]) -> np.ndarray:
    return read_mask(sample.mask, size=shape[::-1]) if sample.mask else np.zeros(shape, dtype=bool)


def _is_stored(method: str, noisy: Noisy) -> bool:
    key = [method, noisy.level, noisy.seed]
    return TABLE.exists() and bool(pd.read_csv(TABLE)[KEYS].eq(key).all(axis=1).any())


def _store(rows: list[dict[str, Any]]) -> None:
    stored = [pd.read_csv(TABLE, keep_default_na=False)] if TABLE.exists() else []
    table = pd.concat([*stored, pd.DataFrame(rows)]).sort_values(["level", "convention", *KEYS])
    with atomic_write(TABLE) as file:
        table.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")


def _print_table() -> None:
    table = pd.read_csv(TABLE, keep_default_na=False)
    print(table.groupby(["level", "convention", "method"])[SHOWN].agg(["mean", "std"]).round(4).to_string())


if __name__ == "__main__":
    main()
