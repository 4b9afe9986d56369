"""CutPaste by variant, next to its own network before training: results/synthesis/cutpaste.csv (chapter 08).

    python benchmarks/cutpaste.py --data path/to/mvtec [--steps 240] [--seeds 0 1 2] [--categories screw bottle]
    python benchmarks/cutpaste.py --data path/to/mvtec --backbone resnet18 --weights FILE --seeds 0 \
        --categories screw --variants 3way

The variants are those of the paper's Table 1; "pretrained" is the same Gaussian on the network as it was, without any
training, which does not depend on the seed (its seed is 0). Images have 128 x 128 pixels. --steps is the number of
batches. That of the comparison, 240, was fixed before any of its rows was made, by the time at hand; rows of 60 (on
`bottle` of 30) are older, and other numbers, of one seed, show what the length of the training does. One row for all
test images, and one per kind of defect where the data set tells kinds (not on this copy of `screw`). `loss` is the mean
training loss of the last twentieth of the steps. A fit whose rows are in the table is skipped, so a stopped call
resumes. Without --data the stored table is printed.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adlib.data import Dataset, load_dataset
from adlib.detectors import make_detector
from adlib.evaluation import image_metrics
from adlib.files import atomic_write

TABLE = Path(__file__).parents[1] / "results/synthesis/cutpaste.csv"
UNTRAINED = "pretrained"
VARIANTS = (UNTRAINED, "patch", "scar", "3way")
KINDLESS = ("screw",)  # its kinds of defect are mixed under other names
KEYS = ["category", "backbone", "variant", "seed", "steps"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of MVTec AD; without it the stored table is printed")
    parser.add_argument("--categories", nargs="+", default=["screw", "bottle"])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--steps", type=int, default=240, help="batches of a fit")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--weights", help="file of the backbone's weights")
    options = parser.parse_args()
    for seed in options.seeds if options.data else ():
        for category in options.categories:
            dataset = load_dataset(options.data, category=category)
            for variant in options.variants:
                steps = 0 if variant == UNTRAINED else options.steps
                key = (category, options.backbone, variant, seed, steps)
                if not _is_stored(key) and (variant != UNTRAINED or seed == options.seeds[0]):
                    _store(list(_rows(dataset, key, options.weights)))
                    print(*key, flush=True)
    table = _stored()
    print(table.groupby([*KEYS[:3], "steps", "tested"], sort=False)["image_auroc"].agg(["mean", "min", "max"]).round(3))


def _rows(dataset: Dataset, key: tuple[str, str, str, int, int], weights: str | None) -> Iterator[dict[str, Any]]:
    category, backbone, variant, seed, steps = key
    trained = {"variant": variant} if steps else {}
    start = time.process_time()
    detector = make_detector("cutpaste", backbone=backbone, weights=weights, seed=seed, steps=steps, **trained)
    detector.fit([s.path for s in dataset.samples if s.split == "train"], show_progress=True)
    seconds = time.process_time() - start
    tested = [s for s in dataset.samples if s.split == "test"]
    scores = detector.predict([s.path for s in tested], show_progress=True).scores
    kinds = np.array([s.defect for s in tested])
    for kind in ["all"] if category in KINDLESS else ["all", *sorted(set(kinds) - {"good"})]:
        shown = (kinds == "good") | (kinds == kind) | (kind == "all")
        yield {
            **dict(zip(KEYS, key, strict=True)),
            "tested": kind,
            "good": int((kinds == "good").sum()),
            "defective": int((kinds[shown] != "good").sum()),
            "image_auroc": image_metrics(kinds[shown] != "good", scores[shown])["image_auroc"],
            "loss": detector.history_[-1][1] if detector.history_ else None,
            "fit_s": round(seconds),
        }


def _stored() -> pd.DataFrame:
    return pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=[*KEYS, "tested", "image_auroc"])


def _is_stored(key: tuple[str, str, str, int, int]) -> bool:
    return bool(_stored()[KEYS].eq(list(key)).all(axis=1).any())


def _store(rows: list[dict[str, Any]]) -> None:
    order = {variant: place for place, variant in enumerate(VARIANTS)}
    stored = [_stored()] if TABLE.exists() else []
    table = pd.concat([*stored, pd.DataFrame(rows)])
    table = table.sort_values(KEYS, kind="stable", key=lambda c: c.map(order) if c.name == "variant" else c)
    with atomic_write(TABLE) as file:
        table.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")


if __name__ == "__main__":
    main()
