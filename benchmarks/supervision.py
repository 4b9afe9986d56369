"""How many labelled defects until supervision beats a memory bank? results/mtd/supervision.csv (magnetic tiles).

    python benchmarks/supervision.py --data path/to/mtd [--cache DIR] [--seeds 0 1 2]

Half of each kind of defect is the pool that labels come from; the other half and 140 good test images are the test set,
and 50 further good test images standardise scores. The seed makes the halves, the order of the pool and the initial
weights. Heads on frozen features (EfficientNet-Lite0, layers of PatchCore, 16 x 16 patches) learn from all good
training images and the first `labelled` defects of the pool:

    deviation         DevNet's deviation loss
    cross_entropy     the same head, binary cross entropy
    patchcore         the bank, no labels: the stored scores of results/mtd/methods, which are of the same good images
    both              standardised scores of patchcore and cross_entropy, added

In the setting `held_out` the pool is without one kind, and that kind alone is tested. A fit whose rows are in the table
is skipped, so a stopped call resumes. Without --data the stored table is printed.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adlib.data import Dataset, load_dataset
from adlib.detectors import make_detector
from adlib.detectors.devnet import DRAWS, deviation_loss
from adlib.evaluation import image_metrics
from adlib.experiments import committed_results
from adlib.features.cache import TensorCache
from adlib.features.patches import patch_vectors
from adlib.files import atomic_write

TABLE = Path(__file__).parents[1] / "results/mtd/supervision.csv"
SEEN, HELD_OUT = (1, 2, 5, 10, 20, 50, 0), (5, 20, 0)  # labelled defects, 0: the whole pool
GOOD_HELD_OUT = 50
STEPS, BATCH, HIDDEN, RATE, TOP = 200, 16, 32, 3e-3, 0.1
KEYS = ["setting", "seed", "pool_without", "labelled"]


@dataclass(frozen=True)
class Tiles:
    """All images of the data set. features: (N, P, D), standardised. kinds: (N,). train: (N,) bool."""

    dataset: Dataset
    names: list[str]
    features: Tensor
    kinds: np.ndarray
    train: np.ndarray

    @property
    def defects(self) -> list[str]:
        return sorted(set(self.kinds) - {"good"})


@dataclass(frozen=True)
class Halves:
    """Indices of one seed: good images to learn from and to standardise by, labelled defects in order, test images."""

    good: np.ndarray
    held_out: np.ndarray
    pool: np.ndarray
    test: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the magnetic tiles; without it the stored table is printed")
    parser.add_argument("--cache", help="folder for features; none by default")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    if options.data:
        cache = TensorCache(options.cache) if options.cache else None
        tiles = read_tiles(load_dataset(options.data), cache)
        for seed in options.seeds:
            _run(tiles, seed)
    _print_table()


def read_tiles(dataset: Dataset, cache: TensorCache | None, pooled: int = 2) -> Tiles:
    """Features of every image, by path below the root. pooled: side of the square of patches that is averaged."""
    samples = sorted(dataset.samples, key=dataset.relative)
    detector = make_detector("patchcore", aspect="square")
    grids = []
    for item in detector._features([s.path for s in samples], cache=cache):
        vectors, grid = patch_vectors(item.maps)  # (32 * 32, D)
        grids.append(F.avg_pool2d(vectors.T.reshape(1, -1, *grid), pooled).flatten(2).mT)  # (1, P, D)
    kinds, train = np.array([s.defect for s in samples]), np.array([s.split == "train" for s in samples])
    features = torch.cat(grids)
    spread, mean = torch.std_mean(features[train], dim=(0, 1))
    names = [dataset.relative(s) for s in samples]
    return Tiles(dataset, names, (features - mean) / spread, kinds, train)


def halves(tiles: Tiles, seed: int) -> Halves:
    """Half of each kind for the pool, the other half for the test."""
    rng = np.random.default_rng(seed)
    good = rng.permutation(np.flatnonzero(~tiles.train & (tiles.kinds == "good")))
    pool, test = [], list(good[GOOD_HELD_OUT:])
    for kind in tiles.defects:
        order = rng.permutation(np.flatnonzero(tiles.kinds == kind))
        pool += list(order[: len(order) // 2])
        test += list(order[len(order) // 2 :])
    return Halves(np.flatnonzero(tiles.train), good[:GOOD_HELD_OUT], rng.permutation(pool), np.array(test))


def deviation(scores: Tensor, labels: Tensor) -> Tensor:
    """DevNet's loss with a new sample of the prior."""
    return deviation_loss(scores, labels, torch.randn(DRAWS))


LOSSES = {"deviation": deviation, "cross_entropy": F.binary_cross_entropy_with_logits}


def make_head(features: Tensor, outputs: int = 1) -> nn.Sequential:
    """Two layers that see one patch at a time: (B, P, D) -> (B, P, outputs)."""
    return nn.Sequential(nn.Linear(features.shape[-1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs))


def score(head: nn.Module, features: Tensor) -> Tensor:
    """(B,) mean of the highest tenth of the positions."""
    grid = head(features).flatten(1)  # (B, P)
    return grid.topk(int(TOP * grid.shape[1]), dim=1).values.mean(dim=1)


def fit(
    features: Tensor, good: np.ndarray, defects: np.ndarray, loss: str, seed: int, patches: Tensor | None = None
) -> nn.Module:
    """A head, trained on batches of as many good as defective images. patches: (N, P) masks, 1 on defects, or None."""
    torch.manual_seed(seed)
    head, rng = make_head(features), np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(head.parameters(), RATE, weight_decay=1e-2)
    labels = torch.arange(BATCH) >= BATCH // 2
    for _ in range(STEPS):
        batch = np.concatenate([rng.choice(part, BATCH // 2) for part in (good, defects)])
        value = LOSSES[loss](score(head, features[batch]), labels.float())
        if patches is not None:
            value = value + F.binary_cross_entropy_with_logits(head(features[batch])[..., 0], patches[batch])
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    return head


@torch.no_grad()
def scores_of(head: nn.Module, features: Tensor) -> np.ndarray:
    """(N,) image scores."""
    return torch.cat([score(head, block) for block in features.split(64)]).numpy()


def _run(tiles: Tiles, seed: int) -> None:
    part = halves(tiles, seed)
    asked, stored = np.concatenate([part.held_out, part.test]), _bank_scores(seed)
    of_bank = stored[[tiles.names[i] for i in asked]].to_numpy()
    for key in _keys(tiles, part, seed):
        if not _is_stored(key):
            _store(list(_rows(tiles, part, key, of_bank)))
            print(key, flush=True)


def _bank_scores(seed: int) -> pd.Series:
    """Image -> PatchCore's score in the stored run of a seed."""
    runs = committed_results("mtd/methods")
    run = next(r for r in runs if (r.protocol.method, r.protocol.seed) == ("patchcore", seed))
    return run.scores.set_index("image")["score"]


def _keys(tiles: Tiles, part: Halves, seed: int) -> Iterator[tuple[str, int, str, int]]:
    yield "bank", seed, "", 0
    for labelled in SEEN:
        yield "seen", seed, "", labelled or len(part.pool)
    for kind in tiles.defects:
        for labelled in HELD_OUT:
            yield "held_out", seed, kind, labelled or int((tiles.kinds[part.pool] != kind).sum())


def _rows(tiles: Tiles, part: Halves, key: tuple[str, int, str, int], of_bank: np.ndarray) -> Iterator[dict[str, Any]]:
    setting, seed, without, labelled = key
    defects = part.pool[tiles.kinds[part.pool] != without][:labelled]
    scores, seconds = {"patchcore": of_bank}, {}
    if labelled:
        for loss in LOSSES:
            start = time.process_time()
            head = fit(tiles.features, part.good, defects, loss, seed)
            seconds[loss] = round(time.process_time() - start, 1)
            scores[loss] = scores_of(head, tiles.features[np.concatenate([part.held_out, part.test])])
        del scores["patchcore"]
        scores["both"] = _standardised(of_bank) + _standardised(scores["cross_entropy"])
    kinds = tiles.kinds[part.test]
    for method, values in scores.items():
        for tested in [without] if without else ["all", *tiles.defects]:
            shown = (kinds == "good") | (kinds == tested) | (tested == "all")
            auroc = image_metrics(kinds[shown] != "good", values[GOOD_HELD_OUT:][shown])["image_auroc"]
            yield {
                **dict(zip(KEYS, key, strict=True)),
                "method": method,
                "tested": tested,
                "good": int((kinds == "good").sum()),
                "defective": int((kinds[shown] != "good").sum()),
                "image_auroc": auroc,
                "fit_s": seconds.get(method),
            }


def _standardised(scores: np.ndarray) -> np.ndarray:
    held_out = scores[:GOOD_HELD_OUT]
    return (scores - held_out.mean()) / held_out.std()


def _stored() -> pd.DataFrame:
    return pd.read_csv(TABLE, keep_default_na=False) if TABLE.exists() else pd.DataFrame(columns=KEYS)


def _is_stored(key: tuple[str, int, str, int]) -> bool:
    return bool(_stored()[KEYS].eq(list(key)).all(axis=1).any())


def _store(rows: list[dict[str, Any]]) -> None:
    stored = [_stored()] if TABLE.exists() else []
    table = pd.concat([*stored, pd.DataFrame(rows)]).sort_values(KEYS, kind="stable")
    with atomic_write(TABLE) as file:
        table.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")


def _print_table() -> None:
    table = _stored()
    by = table.groupby(["setting", "method", "labelled", "tested"])["image_auroc"]
    print(by.agg(["mean", "std"]).unstack("tested")["mean"].round(3).to_string())


if __name__ == "__main__":
    main()
