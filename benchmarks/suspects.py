"""How many planted defects are among the most suspicious training images (chapter 12): results/FOLDER/suspects.csv.

    python benchmarks/suspects.py bottle|mtd|elpv|toy [--data DIR] [--lists DIR] [--levels 10 20 40] [--seeds 0 1 2]
        [--cache DIR]
    python benchmarks/suspects.py bottle|mtd|elpv|toy --print

The training sets are those of `noise.py`; no test image and no label is used, but for counting. Precision is the
fraction of planted images among as many of the highest scores as images are planted; a random choice has the precision
`chance`. `auroc` is that of planted against good training images. Judges: the committee of
`adlib.detectors.suspicion`, and PatchCore, SoftPatch and the Gaussian, each scoring the images that it learned from. A
run whose rows are in the table is skipped.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from noise import KEYS, PARTS, RESULTS, Noisy, Part, make, training_sets

from adlib.data import load_dataset
from adlib.detectors import suspicion
from adlib.evaluation import image_metrics
from adlib.features.cache import TensorCache
from adlib.files import atomic_write

JUDGES = ("committee", "patchcore", "softpatch", "gaussian")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--data", help="folder of the data set; not for elpv and toy")
    parser.add_argument("--lists", type=Path, help="bottle: folder of the lists")
    parser.add_argument("--levels", nargs="+", type=int, default=[10, 20, 40], help="percentages of planted images")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of draws, not of lists")
    parser.add_argument("--judges", nargs="+", choices=JUDGES, default=list(JUDGES))
    parser.add_argument("--cache", help="folder for features; none by default")
    parser.add_argument("--print", action="store_true", help="only print the stored table")
    options = parser.parse_args()
    part = PARTS[options.part]
    table = RESULTS / part.folder / "suspects.csv"
    rows = pd.read_csv(table).to_dict("records") if table.exists() else []
    done = {tuple(row[key] for key in KEYS) for row in rows}
    for category in () if options.print else part.categories:
        dataset = load_dataset(options.data or options.part, category)
        for noisy in training_sets(part, dataset, options.levels, options.seeds, options.lists):
            for judge in options.judges:
                if (category, judge, noisy.level, noisy.seed) not in done:
                    rows.append({"category": category, **_row(part, judge, noisy, options.cache)})
                    _store(rows, table)
    shown = pd.DataFrame(rows).groupby(["category", "level", "method"])[["chance", "precision", "auroc"]]
    print(shown.agg(["mean", "std"]).round(3).to_string())


def _row(part: Part, judge: str, noisy: Noisy, folder: str | None) -> dict[str, Any]:
    cache = TensorCache(folder) if folder else None
    images = [s.path for s in noisy.learned]
    truth = np.array([path in noisy.planted for path in images])
    if judge == "committee":
        scores = suspicion(images, make(part, "patchcore", 0, None), seed=noisy.method_seed, cache=cache).scores
    else:
        scores = make(part, judge, noisy.method_seed, None).fit(images, cache).predict(images, cache).scores
    highest = np.argsort(-scores, kind="stable")[: truth.sum()]
    return {
        "method": judge,
        "level": noisy.level,
        "seed": noisy.seed,
        "planted": int(truth.sum()),
        "chance": truth.mean(),
        "precision": truth[highest].mean(),
        "auroc": image_metrics(truth.astype(int), scores)["image_auroc"],
    }


def _store(rows: list[dict[str, Any]], table: Path) -> None:
    with atomic_write(table) as file:
        ordered = pd.DataFrame(rows).sort_values(KEYS)
        ordered.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")


if __name__ == "__main__":
    main()
