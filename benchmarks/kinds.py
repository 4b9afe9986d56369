"""Which kind, and how bad? A linear classifier on frozen features: results/labelled/kinds.csv (chapter 09).

    python benchmarks/kinds.py [--mtd DIR] [--sets elpv mtd] [--seeds 0 1 2] [--cache DIR]

The magnetic tiles have five kinds of defect, ELPV's mono cells (installed) four degrees: the probability of a defect,
0, 1/3, 2/3 or 1. Half of each class is learned from, the other half tested; the seed makes the halves, of the
tiles those of benchmarks/supervision.py. The features are means and maxima over the patches of EfficientNet-Lite0. Rows
count the test images of a class (`truth`) that a model calls a class (`called`):

    linear     cross entropy
    balanced   cross entropy, each class weighted by 1 / its number of images
    commonest  always the class that most images learned from have

A seed of a set whose rows are in the table is skipped. Without a folder, the tiles are left out.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, f1_score
from supervision import halves, pooled_patches, read_tiles
from torch import Tensor, nn

from adlib.data import load_dataset
from adlib.data.elpv import package_data
from adlib.features.cache import TensorCache
from adlib.files import atomic_write

TABLE = Path(__file__).parents[1] / "results/labelled/kinds.csv"
DEGREES = ("0", "1/3", "2/3", "1")
KEYS = ["set", "seed"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mtd", help="folder of the magnetic tiles")
    parser.add_argument("--sets", nargs="+", choices=["elpv", "mtd"], default=["elpv", "mtd"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--cache", help="folder for features; none by default")
    options = parser.parse_args()
    cache = TensorCache(options.cache) if options.cache else None
    for name in options.sets:
        missing = [seed for seed in options.seeds if not _is_stored(name, seed)]
        if missing and (name != "mtd" or options.mtd):
            examples = _degrees(cache) if name == "elpv" else _kinds(options.mtd, cache)
            for seed in missing:
                _store([{"set": name, "seed": seed} | row for row in _rows(*examples(seed), seed)])
    _print_table()


Examples = tuple[Tensor, Tensor, np.ndarray, np.ndarray, list[str]]  # features, classes, learned from, tested, names


def _kinds(folder: str, cache: TensorCache | None) -> Callable[[int], Examples]:
    tiles = read_tiles(load_dataset(folder), cache)
    names = ["good", *tiles.defects]
    classes = torch.tensor([names.index(kind) for kind in tiles.kinds]) - 1  # good ones, -1, are not used
    features = _pooled(tiles.features)

    def of_seed(seed: int) -> Examples:
        part = halves(tiles, seed)
        return features, classes, part.pool, part.test[tiles.kinds[part.test] != "good"], names[1:]

    return of_seed


def _degrees(cache: TensorCache | None) -> Callable[[int], Examples]:
    rows = (line.split() for line in (package_data() / "labels.csv").read_text(encoding="utf-8").splitlines())
    lines = [row for row in rows if row[2] == "mono"]
    features = _pooled(pooled_patches([package_data() / line[0] for line in lines], cache))
    classes = torch.tensor([round(3 * float(line[1])) for line in lines])

    def of_seed(seed: int) -> Examples:
        rng = np.random.default_rng(seed)
        orders = [rng.permutation(np.flatnonzero(classes == degree)) for degree in range(len(DEGREES))]
        learned, tested = zip(*((order[: len(order) // 2], order[len(order) // 2 :]) for order in orders), strict=True)
        return features, classes, np.concatenate(learned), np.concatenate(tested), list(DEGREES)

    return of_seed


def _pooled(features: Tensor) -> Tensor:
    """(N, P, D) -> (N, 2 D)."""
    return torch.cat([features.mean(dim=1), features.amax(dim=1)], dim=1)


def _rows(
    features: Tensor, classes: Tensor, learned: np.ndarray, tested: np.ndarray, names: list[str], seed: int
) -> Iterator[dict]:
    spread, mean = torch.std_mean(features[learned], dim=0)
    x, y, counts = (features - mean) / spread, classes[learned], torch.bincount(classes[learned])
    called = {
        "linear": _fit(x[learned], y, None, seed)(x[tested]).argmax(dim=1),
        "balanced": _fit(x[learned], y, len(y) / (len(counts) * counts), seed)(x[tested]).argmax(dim=1),
        "commonest": torch.full((len(tested),), int(counts.argmax())),
    }
    for model, answers in called.items():
        for truth, true_name in enumerate(names):
            for answer, name in enumerate(names):
                count = int(((classes[tested] == truth) & (answers == answer)).sum())
                yield {"model": model, "truth": true_name, "called": name, "images": count}


def _fit(x: Tensor, y: Tensor, weight: Tensor | None, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    linear = nn.Linear(x.shape[1], int(y.max()) + 1)
    optimiser = torch.optim.AdamW(linear.parameters(), 1e-2, weight_decay=0.1)
    for _ in range(200):
        value = F.cross_entropy(linear(x), y, weight)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    return linear


def _stored() -> pd.DataFrame:
    return pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=KEYS)


def _is_stored(name: str, seed: int) -> bool:
    return bool(_stored()[KEYS].eq([name, seed]).all(axis=1).any())


def _store(rows: list[dict]) -> None:
    stored = [_stored()] if TABLE.exists() else []
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(TABLE) as file:
        table = pd.concat([*stored, pd.DataFrame(rows)]).sort_values(KEYS, kind="stable")
        table.to_csv(file, index=False, lineterminator="\n")


def _print_table() -> None:
    for key, rows in _stored().groupby(["set", "model", "seed"]):
        truth, called = (rows[name].repeat(rows["images"]) for name in ("truth", "called"))
        accuracy, f1 = accuracy_score(truth, called), f1_score(truth, called, average="macro", zero_division=0)
        print(*key, f"accuracy {accuracy:.3f}, macro F1 {f1:.3f}")


if __name__ == "__main__":
    main()
