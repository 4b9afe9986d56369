"""How well each method finds the place, image by image: results/localisation/NAME.csv for the comparison of chapter 14.

    python benchmarks/localisation.py [--mvtec DIR] [--mtd DIR] [--welds DIR]

Pixel AUROC of a whole test set cannot be drawn anew image by image from a row. So for every defective image that has a
mask: the AUROC of its own pixels, which is how often a pixel of the defect scores higher than a good pixel of the same
image. Made from the patch scores that benchmarks/methods.py leaves beside its rows; they are not committed, this table
is. Rows that are in it already, or whose patch scores are not here, are left as they are; rows of deleted results go.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from methods import PARTS, store_of

from adlib.data import load_dataset, read_image, read_mask
from adlib.evaluation import image_metrics
from adlib.experiments.run import build
from adlib.experiments.store import Result

FOLDER = Path(__file__).parents[1] / "results" / "localisation"
COLUMNS = ["category", "method", "seed", "protocol", "image", "auroc"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("mvtec", "mtd", "welds"):
        parser.add_argument(f"--{name}", help="folder of the data set, as for benchmarks/methods.py")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, part in PARTS.items():
        place = getattr(options, part.argument) if part.argument else name
        if place is not None:
            _bring_up_to_date(name, place)


def _bring_up_to_date(name: str, place: str) -> None:
    path = FOLDER / f"{name}.csv"
    known = pd.read_csv(path, dtype={"protocol": str}) if path.exists() else pd.DataFrame(columns=COLUMNS)
    results = {result.protocol.hash: result for result in store_of(name).results()}
    tables = [known[known["protocol"].isin(list(results))]]
    for key in sorted(results.keys() - set(known["protocol"])):
        table = _of_result(results[key], name, place)
        print(f"{name}: {results[key].protocol.title}: {'nothing to do' if table is None else len(table)}", flush=True)
        tables.append(table)
    whole = pd.concat([table for table in tables if table is not None and len(table)] or [known[:0]])
    if len(whole):
        whole = whole.sort_values(["category", "method", "seed", "protocol", "image"], kind="stable")
        whole.to_csv(path, index=False, float_format="%.5f", lineterminator="\n")


def _of_result(result: Result, name: str, place: str) -> pd.DataFrame | None:
    """One line a defective image; None without masks or patch scores."""
    protocol = result.protocol
    dataset = load_dataset(place, protocol.category, split_seed=protocol.split_seed)
    grids = store_of(name).grids(protocol)
    if grids is None or not dataset.has_masks:
        return None
    detector = build(protocol)
    preprocess, window = detector.spec().preprocess, detector.spec().window
    lines = []
    for sample, grid in zip(dataset.test, grids, strict=True):
        if sample.label == 0:
            continue
        _, frame = preprocess(read_image(sample.path, window))
        anomaly_map = detector.assemble([0.0], [grid], [frame]).anomaly_map(0)
        mask = read_mask(sample.mask, size=frame.original[::-1])
        anomaly_map = np.where(np.isnan(anomaly_map), np.nanmin(anomaly_map), anomaly_map)
        value = image_metrics(mask.ravel().astype(int), anomaly_map.ravel())["image_auroc"]
        image = dataset.relative(sample)
        lines.append((protocol.category, protocol.method, protocol.seed, protocol.hash, image, value))
    return pd.DataFrame(lines, columns=COLUMNS).dropna()


if __name__ == "__main__":
    main()
