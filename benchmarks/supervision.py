"""How many labelled defects until supervision beats a memory bank? results/SET/supervision.csv.

    python benchmarks/supervision.py mtd --data path/to/mtd [--cache DIR] [--seeds 0 1 2]
    python benchmarks/supervision.py tire --data path/to/tire [--cache DIR] [--seeds 0 1 2]
    python benchmarks/supervision.py elpv --data elpv [--cache DIR] [--seeds 0 1 2]

Half of each kind of defect is the pool that labels come from; the other half is tested, together with the good test
images. Other good images standardise scores: 50 of the magnetic tiles' test images, and the validation images of `tire`
and ELPV (mono). The seed makes the halves, the order of the pool and the initial weights. Heads on frozen features
(EfficientNet-Lite0, layers of PatchCore, 16 x 16 patches) learn from all good training images and the first `labelled`
defects of the pool:

    deviation         DevNet's deviation loss
    cross_entropy     the same head, binary cross entropy
    patchcore         the bank of the same good images, no labels; of the magnetic tiles: scores of results/mtd/methods
    both              standardised scores of patchcore and cross_entropy, added

In the setting `held_out` the pool is without one kind, and that kind alone is tested; ELPV names no kinds. A fit whose
rows are in the table is skipped, so a stopped call resumes. Without --data the stored table is printed.
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

RESULTS = Path(__file__).parents[1] / "results"
CATEGORIES = {"mtd": None, "tire": None, "elpv": "mono"}
SEEN, HELD_OUT = (1, 2, 5, 10, 20, 50, 0), (5, 20, 0)  # labelled defects, 0: the whole pool
GOOD_HELD_OUT = 50
STEPS, BATCH, HIDDEN, RATE, TOP = 200, 16, 32, 3e-3, 0.1
KEYS = ["setting", "seed", "pool_without", "labelled"]


@dataclass(frozen=True)
class Tiles:
    """All images of the data set. features: (N, P, D), standardised. kinds: (N,). train, validation: (N,) bool."""

    dataset: Dataset
    names: list[str]
    features: Tensor
    kinds: np.ndarray
    train: np.ndarray
    validation: np.ndarray

    @property
    def defects(self) -> list[str]:
        return sorted(set(self.kinds) - {"good"})

    @property
    def named(self) -> list[str]:
        """Kinds of defect where the set tells several apart."""
        return self.defects if len(self.defects) > 1 else []


@dataclass(frozen=True)
class Halves:
    """Indices of one seed: good images to learn from and to standardise by, labelled defects in order, test images."""

    good: np.ndarray
    held_out: np.ndarray
    pool: np.ndarray
    test: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", choices=CATEGORIES, help="the data set, which names the table")
    parser.add_argument("--data", help="its folder, or elpv; without it the stored table is printed")
    parser.add_argument("--cache", help="folder for features; none by default")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    table = RESULTS / options.set / "supervision.csv"
    if options.data:
        cache = TensorCache(options.cache) if options.cache else None
        tiles = read_tiles(load_dataset(options.data, CATEGORIES[options.set]), cache)
        for seed in options.seeds:
            _run(table, tiles, seed, cache)
    _print_table(table)


def read_tiles(dataset: Dataset, cache: TensorCache | None) -> Tiles:
    """Features of every image, by path below the root."""
    samples = sorted(dataset.samples, key=dataset.relative)
    features = pooled_patches([s.path for s in samples], cache)
    kinds = np.array([s.defect for s in samples])
    train, validation = (np.array([s.split == split for s in samples]) for split in ("train", "validation"))
    spread, mean = torch.std_mean(features[train], dim=(0, 1))
    names = [dataset.relative(s) for s in samples]
    return Tiles(dataset, names, (features - mean) / spread, kinds, train, validation)


def pooled_patches(paths: list[Path], cache: TensorCache | None, side: int = 2) -> Tensor:
    """(N, P, D) patches of PatchCore, averaged over squares of `side` patches."""
    grids = []
    for item in make_detector("patchcore", aspect="square")._features(paths, cache=cache):
        vectors, grid = patch_vectors(item.maps)  # (32 * 32, D)
        grids.append(F.avg_pool2d(vectors.T.reshape(1, -1, *grid), side).flatten(2).mT)  # (1, P, D)
    return torch.cat(grids)


def halves(tiles: Tiles, seed: int) -> Halves:
    """Half of each kind for the pool, the other half for the test."""
    rng = np.random.default_rng(seed)
    good = rng.permutation(np.flatnonzero(~tiles.train & ~tiles.validation & (tiles.kinds == "good")))
    held_out = np.flatnonzero(tiles.validation)
    if not len(held_out):
        held_out, good = good[:GOOD_HELD_OUT], good[GOOD_HELD_OUT:]
    pool, test = [], list(good)
    for kind in tiles.defects:
        order = rng.permutation(np.flatnonzero(tiles.kinds == kind))
        pool += list(order[: len(order) // 2])
        test += list(order[len(order) // 2 :])
    return Halves(np.flatnonzero(tiles.train), held_out, rng.permutation(pool), np.array(test))


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


def _run(table: Path, tiles: Tiles, seed: int, cache: TensorCache | None) -> None:
    part = halves(tiles, seed)
    missing = [key for key in _keys(tiles, part, seed) if not _is_stored(table, key)]
    if missing:
        of_bank = _bank_scores(tiles, np.concatenate([part.held_out, part.test]), seed, cache)
    for key in missing:
        _store(table, list(_rows(tiles, part, key, of_bank)))
        print(key, flush=True)


def _bank_scores(tiles: Tiles, asked: np.ndarray, seed: int, cache: TensorCache | None) -> np.ndarray:
    """PatchCore's scores of the images asked for."""
    names = [tiles.names[i] for i in asked]
    if tiles.dataset.name == "mtd":
        runs = committed_results("mtd/methods")
        run = next(r for r in runs if (r.protocol.method, r.protocol.seed) == ("patchcore", seed))
        return run.scores.set_index("image")["score"][names].to_numpy()
    detector, root = make_detector("patchcore", seed=seed), tiles.dataset.root
    detector.fit([s.path for s in tiles.dataset.train_good], cache)
    return detector.predict([root / name for name in names], cache).scores


def _keys(tiles: Tiles, part: Halves, seed: int) -> Iterator[tuple[str, int, str, int]]:
    yield "bank", seed, "", 0
    for labelled in SEEN:
        if labelled < len(part.pool):
            yield "seen", seed, "", labelled or len(part.pool)
    for kind in tiles.named:
        others = int((tiles.kinds[part.pool] != kind).sum())
        for labelled in HELD_OUT:
            yield "held_out", seed, kind, labelled or others


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
        count = len(part.held_out)
        scores["both"] = _standardised(of_bank, count) + _standardised(scores["cross_entropy"], count)
    kinds = tiles.kinds[part.test]
    for method, values in scores.items():
        for tested in [without] if without else ["all", *tiles.named]:
            shown = (kinds == "good") | (kinds == tested) | (tested == "all")
            auroc = image_metrics(kinds[shown] != "good", values[len(part.held_out) :][shown])["image_auroc"]
            yield {
                **dict(zip(KEYS, key, strict=True)),
                "method": method,
                "tested": tested,
                "good": int((kinds == "good").sum()),
                "defective": int((kinds[shown] != "good").sum()),
                "image_auroc": auroc,
                "fit_s": seconds.get(method),
            }


def _standardised(scores: np.ndarray, count: int) -> np.ndarray:
    """By the first scores, which are of held-out good images."""
    return (scores - scores[:count].mean()) / scores[:count].std()


def _stored(table: Path) -> pd.DataFrame:
    return pd.read_csv(table, keep_default_na=False) if table.exists() else pd.DataFrame(columns=KEYS)


def _is_stored(table: Path, key: tuple[str, int, str, int]) -> bool:
    return bool(_stored(table)[KEYS].eq(list(key)).all(axis=1).any())


def _store(table: Path, rows: list[dict[str, Any]]) -> None:
    stored = [_stored(table)] if table.exists() else []
    with atomic_write(table) as file:
        together = pd.concat([*stored, pd.DataFrame(rows)]).sort_values(KEYS, kind="stable")
        together.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")


def _print_table(table: Path) -> None:
    by = _stored(table).groupby(["setting", "method", "labelled", "tested"])["image_auroc"]
    print(by.agg(["mean", "std"]).unstack("tested")["mean"].round(3).to_string())


if __name__ == "__main__":
    main()
