"""Which synthetic defect is like which real one? results/synthesis/kinds.csv (chapter 08).

    python benchmarks/syntheses.py --data SHARED [--sets bottle mtd tile] [--seeds 0 1 2]

SHARED holds mvtec/bottle and mtd; the set "tile" is rendered. Features are those of PatchCore on a frozen
EfficientNet-Lite0 at 256 x 256 pixels, averaged to 16 x 16 patches and standardised. Per set and seed, 100 good
training images get a defect by each synthesis of `adlib.synthesis`. Half of the real defects of each kind is tested,
together with good test images. The syntheses, with their two references:

    patch, scar, nsa, draem   defects of one synthesis
    mixed                     a quarter of the defects of each
    real                      real defects: the other half
    bank                      no head: the distance to the nearest of 5,000 good patches

`image_auroc` is of a head on single patches (that of benchmarks/supervision.py, cross entropy of image labels and
masks) which learns from good images and those defects. `nearer` is a fraction of the real defective patches: those
whose nearest neighbour among as many synthetic defective patches as good ones is a synthetic one; "good" among the
tested kinds is the same for patches of good test images. A patch is defective where the mask covers a tenth of it. Sets
and seeds in the table are skipped. Without --data the stored table is printed.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from supervision import fit, scores_of
from torch import Tensor

from adlib.bank.neighbours import nearest
from adlib.data import load_dataset, read_mask
from adlib.data.images import read_image
from adlib.data.toy import CATEGORIES, render
from adlib.detectors import make_detector
from adlib.evaluation import image_metrics
from adlib.features.patches import Preprocess, patch_vectors
from adlib.files import atomic_write
from adlib.progress import progress
from adlib.synthesis import SYNTHESES, synthesise

TABLE = Path(__file__).parents[1] / "results/synthesis/kinds.csv"
SIDE, POOLED, BATCH = 256, 2, 10
SYNTHETIC, TRAINED, GOOD_TESTED, BANK = 100, 200, 120, 5000  # images of each sort at most; patches of the bank
COVERED = 0.1  # fraction of a defective patch that the mask covers
ORDER = [*SYNTHESES, "mixed", "real", "bank"]


@dataclass(frozen=True)
class Part:
    """Images (N, 3, SIDE, SIDE), coverage (N, P) of their patches by masks, and kinds of defect (N,)."""

    images: Tensor
    covered: Tensor
    kinds: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of mvtec/ and mtd/; without it the stored table is printed")
    parser.add_argument("--sets", nargs="+", choices=["bottle", "mtd", "tile"], default=["bottle", "mtd", "tile"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    for name in options.sets if options.data else ():
        seeds = [seed for seed in options.seeds if not _is_stored(name, seed)]
        if seeds:
            train, test = _read(name, options.data)
            features = [_features(part.images) for part in (train, test)]
            for seed in seeds:
                _store([{"set": name, "seed": seed} | row for row in _rows(train, test, *features, seed)])
                print(name, seed, flush=True)
    table = _stored().groupby(["set", "synthesis", "tested"])[["image_auroc", "nearer"]].mean().unstack("tested")
    print(table.round(2).to_string())


def _read(name: str, root: Path) -> tuple[Part, Part]:
    """Good training images, and test images of all kinds."""
    if name == "tile":
        kinds = CATEGORIES[name]
        made = [(render(name, None, number, SIDE), "good") for number in range(TRAINED + GOOD_TESTED)]
        made += [(render(name, kind, 2000 + number, SIDE), kind) for kind in kinds for number in range(40)]
        images = [image for (image, _), _ in made]
        covered = [_covered(mask) for (_, mask), _ in made]
        train = TRAINED
    else:
        dataset = load_dataset(root / "mtd") if name == "mtd" else load_dataset(root / "mvtec", category=name)
        learned = [s for s in dataset.samples if s.split == "train"]
        good = [s for s in dataset.samples if s.split == "test" and s.defect == "good"]
        learned, good = learned[:: -(-len(learned) // TRAINED)], good[:: -(-len(good) // GOOD_TESTED)]
        shown = [*learned, *good, *(s for s in dataset.samples if s.split == "test" and s.defect != "good")]
        made, train = [(None, s.defect) for s in shown], len(learned)
        images = [read_image(s.path) for s in shown]
        covered = [_covered(None if s.mask is None else read_mask(s.mask)) for s in shown]
    preprocess = Preprocess(SIDE, aspect="square")
    pixels = torch.stack([preprocess(read_image(image))[0] for image in images])
    covered, names = torch.stack(covered), np.array([kind for _, kind in made])
    return Part(pixels[:train], covered[:train], names[:train]), Part(pixels[train:], covered[train:], names[train:])


def _covered(mask: np.ndarray | None) -> Tensor:
    """(P,) fraction of each patch that is defective."""
    side = SIDE // 8 // POOLED  # the finest layer has a stride of 8
    if mask is None:
        return torch.zeros(side * side)
    return F.adaptive_avg_pool2d(torch.as_tensor(mask > 0).float()[None, None], side).flatten()


@torch.inference_mode()
def _features(images: Tensor) -> Tensor:
    """(N, P, D)."""
    detector, grids = make_detector("patchcore"), []
    for image in progress(images, label="features", unit="img"):
        maps = detector.network()(image[None], detector._layers())
        vectors, grid = patch_vectors({layer: values[0] for layer, values in maps.items()})
        grids.append(F.avg_pool2d(vectors.T.reshape(1, -1, *grid), POOLED).flatten(2).mT)
    return torch.cat(grids)


def _rows(train: Part, test: Part, good: Tensor, asked: Tensor, seed: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    spread, mean = torch.std_mean(good, dim=(0, 1))
    good, asked = (good - mean) / spread, (asked - mean) / spread
    tested, labelled = _halves(test.kinds, rng)
    defects = {"real": (asked[labelled], test.covered[labelled])}
    chosen = train.images[rng.permutation(len(train.images))[:SYNTHETIC]]
    torch.manual_seed(seed)
    for synthesis in SYNTHESES:
        made, masks = zip(*(synthesise(block, synthesis) for block in chosen.split(BATCH)), strict=True)
        covered = torch.stack([_covered(mask.numpy()) for mask in torch.cat(masks)[:, 0]])
        shown = covered.amax(dim=1) > 0  # a few masks are empty
        defects[synthesis] = ((_features(torch.cat(made)[shown]) - mean) / spread, covered[shown])
    mixed = [(features[k::4], covered[k::4]) for k, (features, covered) in enumerate(map(defects.get, SYNTHESES))]
    defects["mixed"] = tuple(torch.cat(part) for part in zip(*mixed, strict=True))
    asked, truth, kinds = asked[tested], test.covered[tested], test.kinds[tested]
    patches = good.flatten(0, 1)
    bank = patches[rng.permutation(len(patches))[:BANK]]
    distances = torch.stack([nearest(one, bank, 1)[0][:, 0].max() for one in asked]).numpy()
    yield from _judged("bank", kinds, distances, {})
    for synthesis, (features, covered) in defects.items():
        both = torch.cat([good, features])
        marks = torch.cat([torch.zeros(len(good), covered.shape[1]), (covered > 0).float()])
        places = np.arange(len(both))
        head = fit(both, places[: len(good)], places[len(good) :], "cross_entropy", seed, marks)
        pool = features[covered >= COVERED]
        pool = pool[rng.permutation(len(pool))[:SYNTHETIC]]
        plain = patches[rng.permutation(len(patches))[: len(pool)]]
        fraction = {kind: _nearer(asked, truth, kinds, kind, pool, plain, rng) for kind in sorted(set(kinds))}
        yield from _judged(synthesis, kinds, scores_of(head, asked), fraction, len(pool))


def _halves(kinds: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Indices of tested images (good ones, half of each kind) and of the other half of the defects."""
    tested, labelled = [np.flatnonzero(kinds == "good")], []
    for kind in sorted(set(kinds) - {"good"}):
        order = rng.permutation(np.flatnonzero(kinds == kind))
        tested.append(order[: len(order) // 2])
        labelled.append(order[len(order) // 2 :])
    return np.concatenate(tested), np.concatenate(labelled)


def _nearer(
    asked: Tensor, truth: Tensor, kinds: np.ndarray, kind: str, pool: Tensor, plain: Tensor, rng: np.random.Generator
) -> float:
    """Fraction of a kind's patches that are nearer to the pool than to plain good patches."""
    of_kind = torch.from_numpy(kinds == kind)
    patches = asked[of_kind].flatten(0, 1) if kind == "good" else asked[of_kind][truth[of_kind] >= COVERED]
    patches = patches[rng.permutation(len(patches))[:2000]]
    nearer = nearest(patches, pool, 1)[0] < nearest(patches, plain, 1)[0]
    return float(nearer.float().mean())


def _judged(
    synthesis: str, kinds: np.ndarray, scores: np.ndarray, nearer: dict[str, float], pool: int | None = None
) -> Iterator[dict[str, Any]]:
    for kind in ["all", *sorted(set(kinds))]:
        shown = (kinds == "good") | (kinds == kind) | (kind == "all")
        auroc = None if kind == "good" else image_metrics(kinds[shown] != "good", scores[shown])["image_auroc"]
        row = {"synthesis": synthesis, "tested": kind, "images": int((kinds[shown] != "good").sum())}
        yield row | {"image_auroc": auroc, "nearer": nearer.get(kind), "pool": pool}


def _stored() -> pd.DataFrame:
    return pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=["set", "seed", "synthesis"])


def _is_stored(name: str, seed: int) -> bool:
    return bool(_stored()[["set", "seed"]].eq([name, seed]).all(axis=1).any())


def _store(rows: list[dict[str, Any]]) -> None:
    stored = [_stored()] if TABLE.exists() else []
    table = pd.concat([*stored, pd.DataFrame(rows)])
    place = {name: number for number, name in enumerate(ORDER)}
    table = table.sort_values(
        ["set", "seed", "synthesis"], kind="stable", key=lambda c: c.map(place) if c.name == "synthesis" else c
    )
    with atomic_write(TABLE) as file:
        table.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")


if __name__ == "__main__":
    main()
