"""Methods with defective images among the training images (chapter 12): results/FOLDER/noise.csv.

    python benchmarks/noise.py bottle --data path/to/mvtec --lists path/to/noisy_splits [--vit FILE]
    python benchmarks/noise.py mtd --data path/to/mtd [--vit FILE]
    python benchmarks/noise.py elpv|toy [--vit FILE]
        [--levels 0 5 10 20 40] [--seeds 0 1 2] [--methods NAME ...] [--cache DIR]
    python benchmarks/noise.py bottle|mtd|elpv|toy

`bottle` learns from the public lists of MeDS (bottle_10percent_seed0.txt and so on): training images, the planted ones
included. Its level 40 plants all 63 defects, which are 30% of the good images, and its lists are equal: there, as at
level 0, the seeds are those of the method; elsewhere with lists the method's seed is 0. `mtd` and `elpv` (mono) learn
from 100 good images, which are the same for all seeds, and `toy` from all 40 of each kind of part; planted images are
drawn by `adlib.data.plant_defects`, and a seed is that of the draw and of the method. Levels are percentages of the
good images. Images have 256 pixels on `bottle` and 128 elsewhere, where more would take hours on two cores.

Each training set is one fit; its images are scored once and evaluated by both conventions of `adlib.data.noise`. Pixel
metrics are left out on `mtd`, where they would take longer than the fits. AnomalyDINO learns from all images, with
ViT-Tiny/16, whose weights --vit names, at 256 pixels; PaDiM and the trained methods have 128 on `bottle`, too. A run
whose rows are in the table is skipped, so a stopped call resumes. The last form prints the stored table.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adlib.data import Dataset, Sample, load_dataset, plant_defects, plant_listed, read_mask
from adlib.data.noise import CONVENTIONS
from adlib.detectors import Detector, Predictions, make_detector, score_drop_refit, suspicion
from adlib.detectors.columns import SharesDistances
from adlib.evaluation import image_metrics, pixel_metrics
from adlib.features.cache import TensorCache
from adlib.files import atomic_write

RESULTS = Path(__file__).parents[1] / "results"
# SoftPatch as a whole, and without its weights ("hard"): which part of it helps?
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "patchcore": ("patchcore", {}),
    "softpatch": ("softpatch", {}),
    "softpatch_hard": ("softpatch", {"soft": False}),
    "padim": ("padim", {"resize": 128}),
    "gaussian": ("gaussian", {}),
    # Refined training images: without the 15% that a committee finds most suspicious, without as many as are planted
    # (an oracle's number), and by PatchCore's own scores in three rounds.
    "patchcore_committee": ("patchcore", {}),
    "patchcore_committee_oracle": ("patchcore", {}),
    "patchcore_refit": ("patchcore", {}),
    # Trained methods: half a minute of one core a fit.
    "stfpm": ("stfpm", {"resize": 128, "steps": 120}),
    "reverse_distillation": ("reverse_distillation", {"resize": 128, "steps": 300}),
    "anomalydino": ("anomalydino", {"backbone": "vit_tiny_patch16", "rotate": False, "mask": "never", "resize": 256}),
}
DROP = 0.15  # of the training images, by a committee or in rounds: SoftPatch's fraction of the patches
LIST_SEEDS = (0, 10, 20, 30)
KEYS = ["category", "method", "level", "seed"]
SHOWN = ["image_auroc", "pixel_auroc", "aupro"]


@dataclass(frozen=True)
class Part:
    """A data set of the comparison.

    folder: of its results.
    categories: names.
    levels: percentages of planted images.
    good: number of good training images; None for all.
    pixels: whether pixel metrics are computed.
    options: parameters of every method.
    """

    folder: str
    categories: tuple[str, ...]
    levels: tuple[int, ...] = (0, 5, 10, 20, 40)
    good: int | None = None
    pixels: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def table(self) -> Path:
        """The stored table."""
        return RESULTS / self.folder / "noise.csv"


PARTS = {
    "bottle": Part("mvtec", ("bottle",), levels=(0, 10, 20, 40)),
    "mtd": Part("mtd", ("mtd",), good=100, pixels=False, options={"aspect": "square", "resize": 128}),
    "elpv": Part("elpv", ("mono",), good=100, pixels=False, options={"resize": 128}),
    "toy": Part("toy", ("weld", "tile"), options={"resize": 128}),
}


@dataclass(frozen=True)
class Noisy:
    """One training set. level: in percent. seed: of the list or draw. learned: its images. method_seed: see above."""

    level: int
    seed: int
    learned: list[Sample]
    method_seed: int

    @property
    def planted(self) -> set[Path]:
        """The planted images."""
        return {s.path for s in self.learned if s.defect != "good"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--data", help="folder of the data set; not for elpv and toy")
    parser.add_argument("--lists", type=Path, help="bottle: folder of the lists")
    parser.add_argument("--vit", help="file of ViT-Tiny's weights, for anomalydino")
    parser.add_argument("--levels", nargs="+", type=int, help="percentages of planted images")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of draws and methods, not of lists")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[])
    parser.add_argument("--cache", help="folder for features; none by default")
    options = parser.parse_args()
    part = PARTS[options.part]
    for category in part.categories if options.methods else ():
        dataset = load_dataset(options.data or options.part, category)
        for noisy in training_sets(part, dataset, options.levels or part.levels, options.seeds, options.lists):
            for method in options.methods:
                if not _is_stored(part, category, method, noisy):
                    _store(part, _rows(part, dataset, method, noisy, options))
    _print_table(part)


def training_sets(
    part: Part, dataset: Dataset, levels: list[int], seeds: list[int], lists: Path | None
) -> Iterator[Noisy]:
    """The training sets of a data set, level by level."""
    for level in levels:
        if lists and level:
            yield from _listed(dataset, level, seeds, lists)
            continue
        good = dataset.few_shot(part.good, selection="random")
        small = Dataset(dataset.name, dataset.root, (*good, *dataset.test))
        for seed in seeds:
            learned = plant_defects(small, level / 100, seed, "overlap").train_good if level else good
            yield Noisy(level, seed, learned, seed)


def _listed(dataset: Dataset, level: int, seeds: list[int], lists: Path) -> Iterator[Noisy]:
    for seed in LIST_SEEDS:
        names = (lists / f"{dataset.categories[0]}_{level}percent_seed{seed}.txt").read_text(encoding="utf-8").split()
        noisy = Noisy(level, seed, plant_listed(dataset, names, "overlap").train_good, 0)
        if len(noisy.planted) == sum(s.label for s in dataset.test):  # all defects: the lists are equal
            yield from (Noisy(level, seed, noisy.learned, seed) for seed in seeds)
            return
        yield noisy


def _rows(part: Part, dataset: Dataset, method: str, noisy: Noisy, options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row per convention, from one fit."""
    cache = TensorCache(options.cache) if options.cache else None
    detector = make(part, method, noisy.method_seed, options.vit)
    learned, tested = [s.path for s in noisy.learned], [s.path for s in dataset.test]
    if cache and isinstance(detector, SharesDistances):  # most training images are those of another run
        detector.share_distances(learned, tested, cache)
    start = time.perf_counter()
    detector.fit(_kept(method, detector, learned, noisy, cache), cache)
    seconds = time.perf_counter() - start
    predictions = detector.predict(tested, cache)
    key = dict(zip(KEYS, (dataset.categories[0], method, noisy.level, noisy.seed), strict=True))
    rows = []
    for convention in CONVENTIONS if noisy.planted else ("",):
        shown = [i for i, s in enumerate(dataset.test) if convention != "removed" or s.path not in noisy.planted]
        if any(dataset.test[i].label for i in shown):
            values = _metrics(dataset.test, predictions, shown, part.pixels)
            told = {"planted": len(noisy.planted), "convention": convention}
            rows.append(key | told | values | {"fit_s": round(seconds, 1)})
    return rows


def _kept(method: str, detector: Detector, learned: list[Path], noisy: Noisy, cache: TensorCache | None) -> list[Path]:
    """The images that are left after refinement, by the method's name."""
    if method == "patchcore_refit":
        return [learned[i] for i in score_drop_refit(detector, learned, DROP, cache=cache)]
    if not method.startswith("patchcore_committee"):
        return learned
    scores = suspicion(learned, detector, seed=noisy.method_seed, cache=cache).scores
    dropped = len(noisy.planted) if method.endswith("oracle") else round(DROP * len(learned))
    return [learned[i] for i in sorted(np.argsort(scores, kind="stable")[: len(learned) - dropped])]


def make(part: Part, method: str, seed: int, vit: str | None) -> Detector:
    """The detector of a line of `METHODS` for a data set."""
    name, settings = METHODS[method]
    weights = {"weights": vit} if settings.get("backbone", "").startswith("vit") else {}
    return make_detector(name, **{**part.options, **settings, **weights, "seed": seed})


def _metrics(test: list[Sample], predictions: Predictions, shown: list[int], pixels: bool) -> dict[str, float | None]:
    labels = [test[i].label for i in shown]
    metrics = image_metrics(labels, predictions.scores[shown])
    if pixels:
        maps = [predictions.anomaly_map(i) for i in shown]
        metrics |= pixel_metrics(maps, [_mask(test[i], a.shape) for i, a in zip(shown, maps, strict=True)])
    return {name: metrics.get(name) for name in SHOWN}


def _mask(sample: Sample, shape: tuple[int, ...]) -> np.ndarray:
    return read_mask(sample.mask, size=shape[::-1]) if sample.mask else np.zeros(shape, dtype=bool)


def _is_stored(part: Part, category: str, method: str, noisy: Noisy) -> bool:
    key = [category, method, noisy.level, noisy.seed]
    return part.table.exists() and bool(pd.read_csv(part.table)[KEYS].eq(key).all(axis=1).any())


def _store(part: Part, rows: list[dict[str, Any]]) -> None:
    stored = [pd.read_csv(part.table, keep_default_na=False)] if part.table.exists() else []
    table = pd.concat([*stored, pd.DataFrame(rows)]).sort_values(["level", "convention", *KEYS])
    with atomic_write(part.table) as file:
        table.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")


def _print_table(part: Part) -> None:
    table = pd.read_csv(part.table)
    means = table.fillna({"convention": ""}).groupby(["category", "level", "convention", "method"])[SHOWN]
    print(means.agg(["mean", "std"]).dropna(axis=1, how="all").round(4).to_string())


if __name__ == "__main__":
    main()
