"""Two directions after PatchCore: neighbourhoods, and features learned from good patches (chapter 17).

    python benchmarks/after_patchcore.py --mvtec DIR --mtd DIR [--sets bottle mtd screw elpv]

EfficientNet-Lite0, PatchCore's layers and window, squares of 192 pixels (24 x 24 patches). 16 good images, three random
draws; at most 50 good and 50 defective test images, sampled once. Image score: mean of the highest 1% of patches.

`results/after_patchcore/neighbourhood.csv`: N-pad by radius (24 is the whole grid), nearest vector and Gaussian.
`results/after_patchcore/contrastive.csv`: a bank of 1,000 patches in the frozen features, behind a random head of 64
values and behind the trained one, on MTD and ELPV.
Per line: image AUROC of each draw, and the paired bootstrap interval over test images of the difference from the whole
grid (from the frozen features), averaged over the draws. A set is stored whole, and skipped where it is stored.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from references import auroc, test_images
from torch import Tensor

from adlib.bank.coreset import greedy_coreset
from adlib.bank.neighbours import nearest
from adlib.data import load_dataset
from adlib.detectors import NPad
from adlib.detectors.scores import top_share_mean
from adlib.evaluation import auroc_difference
from adlib.features.cache import TensorCache
from adlib.features.extract import extract
from adlib.features.patches import patch_vectors
from adlib.networks.contrast import contrastive_head
from adlib.progress import progress

FOLDER = Path(__file__).parents[1] / "results/after_patchcore"
CATEGORIES = {"bottle": "bottle", "mtd": "mtd", "screw": "screw", "elpv": "mono"}
LEARNED = ("mtd", "elpv")  # sets of the contrastive heads
SHOTS, TEST_OF_EACH, SEEDS = 16, 50, (0, 1, 2)
RESIZE, WHOLE = 192, 24  # WHOLE reaches every position of the 24 x 24 grid
RADII = (0, 1, 2, 4, 8, WHOLE)
BANK, HEAD_DIMS, STEPS = 1_000, 64, 200
TOP_SHARE = 0.01
Runs = dict[tuple[str, Any], list[np.ndarray]]  # line -> scores of the test images, for each draw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=CATEGORIES, default=list(CATEGORIES))
    parser.add_argument("--mvtec", help="folder of MVTec AD, for bottle and screw")
    parser.add_argument("--mtd", help="folder of Magnetic Tile Defects")
    options = parser.parse_args()
    folders = {"bottle": options.mvtec, "screw": options.mvtec, "mtd": options.mtd, "elpv": "elpv"}
    for name in options.sets:
        table = FOLDER / "neighbourhood.csv"
        if folders[name] and not (table.exists() and name in set(pd.read_csv(table)["set"])):
            _measure(name, folders[name])
    for table in sorted(FOLDER.glob("*.csv")):
        print(pd.read_csv(table).round(3).to_string(index=False))


def _measure(name: str, folder: str) -> None:
    dataset, cache = load_dataset(folder, CATEGORIES[name]), TensorCache()
    test = test_images(dataset, TEST_OF_EACH)
    labels = np.array([s.label for s in test])
    draws = [[s.path for s in dataset.few_shot(SHOTS, seed, "random")] for seed in SEEDS]
    detector = NPad(resize=RESIZE)

    def vectors(paths: Sequence[Path]) -> Tensor:  # (images, patches, D)
        features = extract(detector.network(), paths, detector.spec(), cache=cache)
        return torch.stack([patch_vectors(item.maps)[0] for item in features])

    queries = vectors([s.path for s in test])
    banks = [vectors(draw) for draw in draws]
    if name in LEARNED:
        learned = _learned(queries, banks)
        store_lines(FOLDER / "contrastive.csv", name, "features", labels, learned, ("", "frozen"))
    found: Runs = {("nearest", radius): [] for radius in RADII} | {("gaussian", radius): [] for radius in RADII}
    for bank, draw in zip(banks, draws, strict=True):
        for radius, scores in zip(RADII, nearest_by_radius(queries, bank), strict=True):
            found["nearest", radius].append(scores)
        for radius in RADII:
            gaussian = NPad(resize=RESIZE, model="gaussian", radius=radius, top_share=TOP_SHARE).fit(draw, cache)
            found["gaussian", radius].append(gaussian.predict([s.path for s in test], cache).scores)
    store_lines(FOLDER / "neighbourhood.csv", name, "radius", labels, found, ("nearest", WHOLE))


def nearest_by_radius(queries: Tensor, bank: Tensor) -> np.ndarray:
    """(radii, images) scores of N-pad with the nearest vector.

    queries: (images, patches, D), on a square grid.
    bank: (N, patches, D).
    """
    side = int(queries.shape[1] ** 0.5)
    place = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"), -1).reshape(-1, 2)
    apart = (place[:, None] - place).abs().amax(dim=-1)  # (patches, patches), in rows or columns
    offset = bank.mean(dim=(0, 1))
    bank, halves = bank - offset, (bank - offset).square().sum(-1, keepdim=True) / 2
    scores = []
    for query in progress(queries - offset, total=len(queries), label="neighbourhoods", unit="img"):
        best = torch.full_like(apart, torch.inf, dtype=torch.float32)  # (bank's position, query's position)
        for vectors, half in zip(bank, halves, strict=True):
            torch.minimum(best, torch.addmm(half, vectors, query.T, alpha=-1), out=best)
        squared = 2 * best + query.square().sum(-1)
        near = [squared.masked_fill(apart > radius, torch.inf).amin(dim=0).clamp_min(0).sqrt() for radius in RADII]
        scores.append([float(top_share_mean(distances, TOP_SHARE)) for distances in near])
    return np.array(scores).T


def _learned(queries: Tensor, banks: Sequence[Tensor]) -> Runs:
    found: Runs = {("", line): [] for line in ("frozen", "random head", "trained head")}
    for seed, bank in enumerate(banks):
        good = bank.flatten(0, 1)
        heads: dict[str, Callable[[Tensor], Tensor]] = {
            "frozen": lambda x: x,
            "random head": contrastive_head(good, HEAD_DIMS, 0, seed=seed),
            "trained head": contrastive_head(good, HEAD_DIMS, STEPS, seed=seed),
        }
        for line, head in heads.items():
            known = head(good)
            known = known[greedy_coreset(known, BANK, seed, show_progress=False)]
            distances = [nearest(head(image), known)[0][:, 0] for image in queries]
            found["", line].append(np.array([float(top_share_mean(d, TOP_SHARE)) for d in distances]))
    return found


def store_lines(table: Path, name: str, column: str, labels: np.ndarray, found: Runs, base: tuple[str, Any]) -> None:
    rows = list(_lines(labels, found, base, column))
    if table.exists():
        stored = pd.read_csv(table)
        rows = [*stored[stored["set"] != name].to_dict("records"), *({"set": name} | row for row in rows)]
    else:
        rows = [{"set": name} | row for row in rows]
    table.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(table, index=False, float_format="%.5f", lineterminator="\n")


def _lines(labels: np.ndarray, found: Runs, base: tuple[str, Any], column: str) -> Iterator[dict[str, Any]]:
    for (model, line), runs in found.items():
        gap = auroc_difference(labels, runs, found[base])
        by_draw = {f"draw_{seed}": auroc(labels, run) for seed, run in enumerate(runs)}
        counts = {"good": int((labels == 0).sum()), "defective": int((labels == 1).sum())}
        named = {"model": model} if model else {}
        yield named | {column: line} | counts | by_draw | {"gain": gap.value, "low": gap.low, "high": gap.high}


if __name__ == "__main__":
    main()
