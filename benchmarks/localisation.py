"""Localisation of each method, image by image: results/DATASET/localisation, for chapter 14.

    python benchmarks/localisation.py [--mvtec DIR] [--mtd DIR] [--tire DIR] [--welds DIR]

Pixel AUROC of a whole test set, as in a row, cannot be resampled image by image. So this script computes, for every
defective image with a mask, the AUROC of its own pixels: how often a pixel of the defect scores higher than a good
pixel of the same image. It reads the patch scores that benchmarks/methods.py writes next to its rows. They are not
committed, but these tables are: one CATEGORY.csv each, with one line per image, one column per run and three lines of
header (method, seed, hash of the protocol). Runs that are already in a table, or whose patch scores are missing, stay
as they are; columns of deleted results are removed.
"""

import argparse

import numpy as np
import pandas as pd
from methods import PARTS, folder_of, store_of

from adlib.data import load_dataset, read_image, read_mask
from adlib.evaluation import image_metrics
from adlib.experiments.planning import build
from adlib.experiments.store import Result
from adlib.files import atomic_write

HEADER = ["method", "seed", "protocol"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in sorted({part.argument for part in PARTS.values() if part.argument}):
        parser.add_argument(f"--{name}", help="folder of the data set, as for benchmarks/methods.py")
    options = parser.parse_args()
    for name, part in PARTS.items():
        place = getattr(options, part.argument) if part.argument else name
        if place is not None:
            _update(name, place)


def _update(name: str, place: str) -> None:
    results = list(store_of(name).results())
    for category in PARTS[name].categories:
        path = folder_of(name) / "localisation" / f"{category}.csv"
        stored = pd.read_csv(path, header=[0, 1, 2], index_col=0) if path.exists() else pd.DataFrame()
        columns = {}
        for result in results:
            protocol = result.protocol
            key = (protocol.method, str(protocol.seed), protocol.hash)
            if protocol.category != category:
                continue
            if key in stored:
                columns[key] = stored[key]
            elif (column := _of_result(result, name, place)) is not None:
                columns[key] = column
                print(f"{protocol.title}: {len(column)} images", flush=True)
        if not columns:
            path.unlink(missing_ok=True)
            continue
        table = pd.DataFrame({key: columns[key] for key in sorted(columns)}).rename_axis(columns=HEADER).sort_index()
        with atomic_write(path) as file:
            table.to_csv(file, index_label="image", float_format="%.5f", lineterminator="\n")


def _of_result(result: Result, name: str, place: str) -> pd.Series | None:
    """One value per defective image, by its path below the data set; None without masks or patch scores."""
    protocol = result.protocol
    dataset = load_dataset(place, protocol.category, split_seed=protocol.split_seed)
    grids = store_of(name).grids(protocol)
    if grids is None or not dataset.has_masks:
        return None
    detector = build(protocol)
    preprocess, window = detector.spec().preprocess, detector.spec().window
    values = {}
    for sample, grid in zip(dataset.test, grids, strict=True):
        if sample.label == 0:
            continue
        _, frame = preprocess(read_image(sample.path, window))
        anomaly_map = detector.assemble([0.0], [grid], [frame]).anomaly_map(0)
        mask = read_mask(sample.mask, size=frame.original[::-1])
        anomaly_map = np.where(np.isnan(anomaly_map), np.nanmin(anomaly_map), anomaly_map)
        auroc = image_metrics(mask.ravel().astype(int), anomaly_map.ravel())["image_auroc"]
        values[dataset.relative(sample)] = auroc
    return pd.Series(values, dtype=float)


if __name__ == "__main__":
    main()
