"""FPFH and a memory bank on real RGB-D scans of table tops (mOSD): results/mosd/.

    python benchmarks/clouds.py --data path/to/mosd [--inputs NAME ...] [--seeds 0 1 2]

mOSD (Richtsfeld et al., IROS 2012) is no set of defects but a stand-in: the bank learns from 17 scans of boxes on a
table, and is judged on 8 scans of boxes and on 12 of cylinders; cylinders are what it has not seen. --data holds one
.npz per scan with `xyz` (h, w, 3) int16 in 0.1 mm, -32768 where nothing was measured, `rgb` (h, w, 3) uint8 and
`label` (h, w): 0 none, 1 to 9 the table, from 20 on objects. Only labelled points count, thinned to one per voxel.

Two tables. duels.csv: for each pair of a scan of cylinders and one of boxes, the probability that a random point of the
first scores higher than one of the second (AUROC), for the objects and, as a control, for the table, which is the same.
scans.csv: the score of each scan, the mean of its highest 1% of points, and how many of these lie on an object. Rows of
an input and seed that are stored are not computed again. Without --data the stored tables are summarised.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from adlib.bank import greedy_coreset, nearest
from adlib.evaluation import image_metrics
from adlib.features import FeatureSpec, Preprocess, extract, load_backbone, patch_vectors
from adlib.features.clouds import fpfh, normals
from adlib.files import atomic_write

FOLDER = Path(__file__).parents[1] / "results/mosd"
LEARN = tuple(f"learn{i}" for i in range(17))
BOXES, CYLINDERS = tuple(f"test{i}" for i in range(8)), tuple(f"test{i}" for i in range(31, 43))
VOXEL, NORMALS = 10.0, 20.0  # mm: side of a voxel, radius of the normals
INPUTS = {  # name -> radius of FPFH in mm, whether RGB is used
    "fpfh 25 mm": (25.0, False),
    "fpfh 40 mm": (40.0, False),
    "fpfh 60 mm": (60.0, False),
    "rgb": (None, True),
    "rgb + fpfh 40 mm": (40.0, True),
}
POOL, BANK = 20_000, 1_000  # points chosen at random, and those of them that the greedy coreset keeps
FIRST_OBJECT = 20


@dataclass(frozen=True, eq=False)
class Scan:
    """Points of one scan in mm (N, 3), their labels (N,), pixels (N, 2) and the image (h, w, 3)."""

    points: np.ndarray
    labels: np.ndarray
    pixels: np.ndarray
    rgb: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the scans; without it the stored tables are summarised")
    parser.add_argument("--inputs", nargs="+", choices=INPUTS, default=list(INPUTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of the pool and the coreset")
    options = parser.parse_args()
    if options.data:
        scans = {name: read_scan(options.data / f"{name}.npz") for name in (*LEARN, *BOXES, *CYLINDERS)}
        for name in options.inputs:
            missing = [seed for seed in options.seeds if not is_stored(name, seed)]
            features = describe(scans, *INPUTS[name]) if missing else {}
            for seed in missing:
                scores = judge(features, seed)
                store("duels.csv", name, seed, list(duels(scans, scores)))
                store("scans.csv", name, seed, [summary(n, scans[n], scores[n]) for n in (*BOXES, *CYLINDERS)])
    summarise()


def read_scan(path: Path) -> Scan:
    """Labelled points of a scan; a voxel's points become one: their mean, with label and pixel of the first."""
    with np.load(path) as file:
        xyz, rgb, labels = file["xyz"], file["rgb"], file["label"]
    pixels = np.argwhere((labels > 0) & (xyz[..., 2] > -32768))
    points = xyz[tuple(pixels.T)] / 10.0
    _, first, voxel = np.unique(np.floor(points / VOXEL), axis=0, return_index=True, return_inverse=True)
    voxel = voxel.ravel()
    mean = np.stack([np.bincount(voxel, points[:, axis]) for axis in range(3)], axis=1) / np.bincount(voxel)[:, None]
    return Scan(mean, labels[tuple(pixels[first].T)], pixels[first], rgb)


def describe(scans: dict[str, Scan], radius: float | None, colour: bool) -> dict[str, Tensor]:
    """Features (N, D) of each scan; with both inputs each is scaled to the same spread over the scans to learn from."""
    blocks = []
    if radius is not None:
        blocks.append({name: shape_features(scan, radius) for name, scan in scans.items()})
    if colour:
        blocks.append({name: colour_features(scan) for name, scan in scans.items()})
    if len(blocks) == 1:
        return blocks[0]
    spreads = [torch.cat([block[name] for name in LEARN]).var(dim=0).sum().sqrt() for block in blocks]
    return {n: torch.cat([block[n] / s for block, s in zip(blocks, spreads, strict=True)], dim=1) for n in scans}


def shape_features(scan: Scan, radius: float) -> Tensor:
    found = fpfh(scan.points, normals(scan.points, radius=NORMALS), radius)
    return torch.from_numpy(found).float()


@cache
def backbone():
    """The network that is installed with the package."""
    return load_backbone("efficientnet_lite0")


def colour_features(scan: Scan) -> Tensor:
    """PatchCore's features of each point's pixel, interpolated between patches."""
    spec = FeatureSpec(backbone().default_layers, Preprocess(resize=None))
    (item,) = extract(backbone(), [scan.rgb], spec)
    vectors, (height, width) = patch_vectors(item.maps)
    grid = vectors.T.reshape(1, -1, height, width)
    size = torch.tensor(scan.rgb.shape[:2])
    places = 2 * (torch.from_numpy(scan.pixels) + 0.5) / size - 1  # row, column in -1..1
    sampled = torch.nn.functional.grid_sample(
        grid, places.flip(1)[None, None].float(), align_corners=False, padding_mode="border"
    )
    return sampled[0, :, 0].T.contiguous()


def judge(features: dict[str, Tensor], seed: int) -> dict[str, np.ndarray]:
    """Distance of each test point to the nearest entry of the bank."""
    good = torch.cat([features[name] for name in LEARN])
    pool = good[torch.randperm(len(good), generator=torch.Generator().manual_seed(seed))[:POOL]]
    bank = pool[greedy_coreset(pool, BANK, seed, show_progress=False)]
    return {n: nearest(features[n], bank)[0][:, 0].numpy() for n in (*BOXES, *CYLINDERS)}


def duels(scans: dict[str, Scan], scores: dict[str, np.ndarray]) -> Iterator[dict[str, object]]:
    """One row for each part and pair of scans."""
    for part in ("object", "table"):
        chosen = {n: s[(scans[n].labels >= FIRST_OBJECT) == (part == "object")] for n, s in scores.items()}
        for cylinder in CYLINDERS:
            for box in BOXES:
                labels = np.repeat([1, 0], [len(chosen[cylinder]), len(chosen[box])])
                found = image_metrics(labels, np.concatenate([chosen[cylinder], chosen[box]]))
                yield {"part": part, "cylinders": cylinder, "boxes": box, "auroc": found["image_auroc"]}


def summary(name: str, scan: Scan, scores: np.ndarray) -> dict[str, object]:
    highest = np.argsort(scores)[-(len(scores) // 100) :]
    on_object = float(np.mean(scan.labels[highest] >= FIRST_OBJECT))
    objects = len(np.unique(scan.labels[scan.labels >= FIRST_OBJECT] // 10))
    row = {"scan": name, "label": int(name in CYLINDERS), "objects": objects, "points": len(scores)}
    return row | {"score": float(scores[highest].mean()), "on_object": on_object}


def is_stored(name: str, seed: int) -> bool:
    path = FOLDER / "scans.csv"
    return path.exists() and bool(pd.read_csv(path)[["input", "seed"]].eq([name, seed]).all(axis=1).any())


def store(file_name: str, name: str, seed: int, rows: list[dict[str, object]]) -> None:
    path = FOLDER / file_name
    stored = [pd.read_csv(path)] if path.exists() else []
    table = pd.concat([*stored, pd.DataFrame([{"input": name, "seed": seed} | row for row in rows])])
    table = table.sort_values(["input", "seed"], kind="stable")
    with atomic_write(path) as file:
        table.to_csv(file, index=False, float_format="%.4f", lineterminator="\n")


def summarise() -> None:
    duel, scan = pd.read_csv(FOLDER / "duels.csv"), pd.read_csv(FOLDER / "scans.csv")
    print(duel.groupby(["input", "seed", "part"])["auroc"].mean().unstack().groupby("input").agg(["mean", "std"]))
    by_run = scan.groupby(["input", "seed"])[["label", "score"]]
    print(by_run.apply(lambda run: image_metrics(run["label"], run["score"])["image_auroc"]).unstack())


if __name__ == "__main__":
    main()
