"""Why an image score can lose where the map wins: results/CATEGORY/score_and_map.csv, for chapter 21.

    python benchmarks/score_and_map.py --data FOLDER --category tire \
        --runs results/tire/anomalydino results/tire/saliency

For every run of one shot, upright and not masked, and several fractions of the patches: image AUROC of the mean of the
highest patches, and how many of these lie in the defect (mean over defective images). Reads the patch scores that
benchmarks/anomalydino_factors.py writes next to its rows; they are not committed, the table is.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import adaptive_max_pool2d

from adlib.data import Dataset, load_dataset, read_image, read_mask
from adlib.detectors.scores import top_share_mean
from adlib.evaluation import image_metrics
from adlib.experiments.planning import build
from adlib.experiments.protocol import Protocol
from adlib.experiments.store import ResultStore
from adlib.files import atomic_write

RESULTS = Path(__file__).parents[1] / "results"
SHARES = (0.0, 0.002, 0.01, 0.03, 0.1, 0.3, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--category", required=True)
    parser.add_argument("--runs", nargs="+", required=True, help="folders of runs with their patch scores")
    options = parser.parse_args()
    dataset = load_dataset(options.data, options.category)
    rows = [row for folder in options.runs for row in _rows(ResultStore(folder), dataset)]
    table = pd.DataFrame(rows).sort_values(["backbone", "layers", "seed", "top_share"])
    with atomic_write(RESULTS / options.category / "score_and_map.csv") as file:
        table.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")
    print(
        table.groupby(["backbone", "layers", "side", "top_share"])[["image_auroc", "in_defect"]]
        .mean()
        .round(3)
        .to_string()
    )


def _rows(store: ResultStore, dataset: Dataset) -> list[dict]:
    found = []
    for result in store.results():
        protocol, grids = result.protocol, store.grids(result.protocol)
        if grids is None or protocol.shots != 1 or not _plain(protocol):
            continue
        defects = _defects(dataset, protocol, grids)
        layers = "+".join(protocol.options["layers"])
        key = {"backbone": protocol.backbone, "layers": layers, "side": protocol.options["resize"]}
        found += [key | {"seed": protocol.seed, "top_share": s} | _values(dataset, grids, defects, s) for s in SHARES]
    return found


def _plain(protocol: Protocol) -> bool:
    return not protocol.options["rotate"] and protocol.options["mask"] == "never" and protocol.options["top_share"] > 0


def _defects(dataset: Dataset, protocol: Protocol, grids: list[np.ndarray]) -> list[np.ndarray | None]:
    """Per image: which patches (h, w) hold a pixel of the defect; None for good images."""
    preprocess = build(protocol).spec().preprocess
    return [
        _patches_of(sample.mask, preprocess(read_image(sample.path))[1], grid.shape) if sample.label else None
        for sample, grid in zip(dataset.test, grids, strict=True)
    ]


def _patches_of(mask: Path, frame, shape: tuple[int, int]) -> np.ndarray:
    top, left, bottom, right = frame.seen_box
    seen = read_mask(mask, size=frame.original[::-1])[top:bottom, left:right]
    return adaptive_max_pool2d(torch.from_numpy(seen).float()[None, None], shape)[0, 0].numpy() > 0


def _values(dataset: Dataset, grids: list[np.ndarray], defects: list, share: float) -> dict[str, float]:
    flat = [torch.from_numpy(grid).flatten() for grid in grids]
    scores = [top_share_mean(patches, share).item() for patches in flat]
    inside = [
        defect.ravel()[patches.topk(max(1, int(len(patches) * share))).indices].mean()
        for patches, defect in zip(flat, defects, strict=True)
        if defect is not None
    ]
    labels = [sample.label for sample in dataset.test]
    return {"image_auroc": image_metrics(labels, scores)["image_auroc"], "in_defect": float(np.mean(inside))}


if __name__ == "__main__":
    main()
