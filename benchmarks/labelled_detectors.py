"""DevNet and SuperSimpleNet with 0, 1 and 10 labelled defects: results/labelled/detectors.csv (chapter 09).

    python benchmarks/labelled_detectors.py [--mtd DIR] [--mvtec DIR] [--sets elpv bottle mtd] [--labelled 0 1 10]
        [--seeds 0 1 2] [--cache DIR]

The sets are ELPV mono (installed), `bottle` and the magnetic tiles; both methods learn from all good training images at
256 x 256 pixels on EfficientNet-Lite0, with their own settings, 300 steps. The seed samples the labelled defects, the
fewer among the more, and makes the initial weights. The test set of a seed is without the ten defects that may be
labelled, at every number of labels; the rows of PatchCore are the stored scores of results/*/methods on those images.
DevNet has no row without labels. A fit whose row is in the table is skipped. Without a folder, a set that needs one is
left out; the stored table is printed.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adlib.data import Dataset, label_defects, load_dataset
from adlib.detectors import make_detector
from adlib.evaluation import image_metrics
from adlib.experiments import committed_results
from adlib.experiments.held_out import fit_labels
from adlib.features.cache import TensorCache
from adlib.files import atomic_write
from adlib.progress import progress

TABLE = Path(__file__).parents[1] / "results/labelled/detectors.csv"
LABELLED = (0, 1, 5, 10)
KEYS = ["set", "method", "labelled", "seed"]


@dataclass(frozen=True)
class Part:
    """A data set: its category, and the folder of PatchCore's rows."""

    category: str | None
    stored: str


PARTS = {
    "elpv": Part("mono", "elpv/methods"),
    "bottle": Part("bottle", "mvtec/methods"),
    "mtd": Part(None, "mtd/methods"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mtd", help="folder of the magnetic tiles")
    parser.add_argument("--mvtec", help="folder of MVTec AD, for bottle")
    parser.add_argument("--sets", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--labelled", nargs="+", type=int, choices=LABELLED, default=list(LABELLED))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--cache", help="folder for features; none by default")
    options = parser.parse_args()
    folders = {"elpv": "elpv", "bottle": options.mvtec, "mtd": options.mtd}
    cache = TensorCache(options.cache) if options.cache else None
    for name in options.sets:
        if folders[name]:
            cells = [(seed, *cell) for seed in options.seeds for cell in _cells(options.labelled)]
            _run(name, load_dataset(folders[name], PARTS[name].category), cells, cache)
    table = _stored()
    by = table.groupby(["set", "method", "labelled"])["image_auroc"]
    print(by.agg(["mean", "std"]).round(3).to_string())


def _cells(numbers: list[int]) -> Iterator[tuple[str, int]]:
    """Methods and numbers of labels."""
    yield "patchcore", 0
    for labelled in numbers:
        if labelled:
            yield "devnet", labelled
        yield "supersimplenet", labelled


def _run(name: str, dataset: Dataset, cells: list[tuple[int, str, int]], cache: TensorCache | None) -> None:
    for seed, method, labelled in progress(cells, label=name, unit="fit"):
        if not _is_stored(name, method, labelled, seed):
            tested = label_defects(dataset, max(LABELLED), seed).test
            given, truth = label_defects(dataset, labelled, seed), np.array([s.label for s in tested])
            scores = _scores(PARTS[name], given, method, seed, [dataset.relative(s) for s in tested], cache)
            values = {"good": int((truth == 0).sum()), "defective": int(truth.sum())}
            values["image_auroc"] = image_metrics(truth, scores)["image_auroc"]
            _store(dict(zip(KEYS, (name, method, labelled, seed), strict=True)) | values)


def _scores(
    part: Part, given: Dataset, method: str, seed: int, names: list[str], cache: TensorCache | None
) -> np.ndarray:
    """Image scores of the named test images: PatchCore's stored ones, else those of a detector fitted here."""
    if method == "patchcore":
        runs = committed_results(part.stored)
        run = next(r for r in runs if (r.protocol.method, r.protocol.seed) == (method, seed))
        return run.scores.set_index("image")["score"][names].to_numpy()
    detector = make_detector(method, seed=seed)
    detector.fit([s.path for s in given.train_good], cache, **fit_labels(given))
    return detector.predict([given.root / name for name in names], cache).scores


def _stored() -> pd.DataFrame:
    return pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=KEYS)


def _is_stored(*key: object) -> bool:
    return bool(_stored()[KEYS].eq(list(key)).all(axis=1).any())


def _store(row: dict[str, Any]) -> None:
    stored = [_stored()] if TABLE.exists() else []
    table = pd.concat([*stored, pd.DataFrame([row])]).sort_values(KEYS, kind="stable")
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(TABLE) as file:
        table.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")
    print(row, flush=True)


if __name__ == "__main__":
    main()
