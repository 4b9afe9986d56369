"""Does greedy k-center pick defects first? (chapter 12): results/mvtec/noise_picks.csv.

    python benchmarks/noise_picks.py --data path/to/mvtec --lists path/to/noisy_splits [--level 10] [--cache DIR]

PatchCore's patches of `bottle`, EfficientNet-Lite0, 256 pixels, with the planted images of each public list. A row says
for the first `picks` entries of the coreset of 1%: the fraction that is of planted images (`planted`) and the fraction
that is on a defect's mask (`defective`), next to the same fractions of all patches (`of_patches`). A patch is on a mask
where more than half of its cell is. Without --data the stored table is printed.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from noise import LIST_SEEDS, PARTS, training_sets
from PIL import Image

from adlib.bank import coreset_size, greedy_coreset
from adlib.data import Dataset, load_dataset, read_mask
from adlib.detectors import PatchCore
from adlib.features.cache import TensorCache
from adlib.features.extract import extract
from adlib.features.patches import grid_size, patch_vectors
from adlib.files import atomic_write

TABLE = Path(__file__).parents[1] / "results/mvtec/noise_picks.csv"
PICKS = (10, 20, 50, 100, 200, 500, 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of MVTec AD; without it the stored table is printed")
    parser.add_argument("--lists", type=Path, help="folder of the lists")
    parser.add_argument("--level", type=int, default=10, help="percentage of planted images")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(LIST_SEEDS), help="of the lists")
    parser.add_argument("--cache", help="folder for features; none by default")
    options = parser.parse_args()
    if options.data:
        dataset, rows = load_dataset(options.data, "bottle"), []
        for noisy in training_sets(PARTS["bottle"], dataset, [options.level], [0], options.lists):
            if noisy.seed in options.seeds:
                images = [s.path for s in noisy.learned]
                vectors, marked = patches(images, masks_of(dataset), TensorCache(options.cache))
                planted = np.repeat([path in noisy.planted for path in images], len(marked) // len(images))
                rows += [{"level": options.level, "seed": noisy.seed} | row for row in shares(vectors, planted, marked)]
        with atomic_write(TABLE) as file:
            pd.DataFrame(rows).to_csv(file, index=False, float_format="%.5f", lineterminator="\n")
    print(pd.read_csv(TABLE).drop(columns="seed").groupby(["level", "picks"]).mean().round(3).to_string())


def masks_of(dataset: Dataset) -> dict[Path, Path]:
    """The mask of each defective test image."""
    return {s.path: s.mask for s in dataset.test if s.mask}


def patches(images: list[Path], masks: dict[Path, Path], cache: TensorCache) -> tuple[torch.Tensor, np.ndarray]:
    """Patch vectors (N, D) of all images, and (N,) whether each is on a mask."""
    detector, vectors, marked = PatchCore(), [], []
    items = extract(detector.network(), images, detector.spec(), cache=cache)
    for path, item in zip(images, items, strict=True):
        vectors.append(patch_vectors(item.maps, detector.neighbourhood)[0])
        height, width = grid_size(item.maps)
        mask = read_mask(masks[path]) if path in masks else np.zeros((height, width), dtype=bool)
        cells = Image.fromarray(mask.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
        marked.append(np.asarray(cells).ravel() > 0.5)
    return torch.cat(vectors), np.concatenate(marked)


def shares(vectors: torch.Tensor, planted: np.ndarray, marked: np.ndarray) -> list[dict[str, Any]]:
    """One row for each number of picks, and one for the whole coreset."""
    size = coreset_size(len(vectors), PatchCore().coreset)
    order = greedy_coreset(vectors, size, show_progress=False).numpy()
    return [
        {
            "picks": picks,
            "planted": planted[order[:picks]].mean(),
            "planted_of_patches": planted.mean(),
            "defective": marked[order[:picks]].mean(),
            "defective_of_patches": marked.mean(),
        }
        for picks in (*(p for p in PICKS if p < size), size)
    ]


if __name__ == "__main__":
    main()
