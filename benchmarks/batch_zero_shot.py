"""MuSc next to AnomalyDINO's batched zero-shot, on the same images and network (chapter 19).

    python benchmarks/batch_zero_shot.py --mvtec DIR --tire DIR --mtd DIR [--sets bottle screw tire mtd elpv]

EfficientNet-Lite0, the deep layers of `adlib.experiments`, 256 pixels; MTD's tiles become squares. At most 100 good
and 100 defective test images, sampled once. The distance of every patch to its nearest patch in every other image is
computed once, by plain float32 products, so that any batch is a choice of rows and columns of that table.
`musc, own scores` leaves out MuSc's last step, in which the most similar images average their image scores.

`results/zero_shot/whole.csv`: all these images as one batch. Pixel metrics in original pixels, where there are masks.
`results/zero_shot/batches.csv`: image AUROC of batches sampled from them, for each fraction of defective images and
each size, 20 draws.
`results/zero_shot/judges.csv`: AnomalyDINO's patch scores as the mean distance to a fraction of the other images, the
nearest ones, as MuSc has it (0: to the nearest alone). Of whole images, by their mean patch distance, for good and for
defective ones: how often the nearest image is defective, and the median of its distance, in units of the median
distance to all others (`twin`): far below 1 means that images come in pairs, such as two exposures of one tile.
In each table a set is stored whole, and skipped where it is stored.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from references import CATEGORIES, SQUARE, store, test_images
from torch import Tensor

from adlib.data import Sample, load_dataset
from adlib.data.masks import read_mask
from adlib.detectors import AnomalyDINO, MuSc, Predictions
from adlib.detectors.musc import lowest_share_mean, rescored
from adlib.detectors.scores import top_share_mean
from adlib.evaluation import image_metrics, pixel_metrics
from adlib.experiments import DEEP_LAYERS
from adlib.features.patches import Frame
from adlib.progress import progress

FOLDER = Path(__file__).parents[1] / "results/zero_shot"
BACKBONE = "efficientnet_lite0"
TEST_OF_EACH, DRAWS = 100, 20
DEFECTIVE = (0.05, 0.5, 0.8)  # fractions of a batch
SIZES = {"bottle": 20, "screw": 40, "tire": 24, "mtd": 60, "elpv": 60}  # as many good images as the set allows
JUDGES = (0.0, 0.05, 0.1, 0.3, 0.5)  # fractions of the other images
SMALL = 8  # images in the smallest batch, half of them defective


@dataclass
class Batch:
    """Test images, each compared with every other one.

    vectors: level -> (N, patches, D) of length 1.
    grids: level -> (h, w) of its patches.
    frames: of the N images.
    whole: (N, G) of length 1, one vector per image, for MuSc.
    """

    vectors: list[Tensor]
    grids: list[tuple[int, int]]
    frames: list[Frame]
    whole: Tensor | None = None

    def __post_init__(self) -> None:
        self.tables = [nearest_in_others(level) for level in self.vectors]


def nearest_in_others(unit: Tensor) -> Tensor:
    """(N, patches, N) distance of each patch to its nearest patch in each image; to its own image infinite.

    unit: (N, patches, D), of length 1.
    """
    count, patches, _ = unit.shape
    cosine = torch.full((count, patches, count), -torch.inf)
    for image in progress(range(1, count), total=count - 1, label="pairs", unit="img"):
        pairs = (unit[image] @ unit[:image].flatten(0, 1).T).unflatten(1, (image, patches))
        cosine[image, :, :image] = pairs.amax(dim=2)
        cosine[:image, :, image] = pairs.amax(dim=0)
    return (2 - 2 * cosine).clamp_min_(0).sqrt_()


def musc_scores(batch: Batch, members: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Image scores (n,) before re-scoring and patch scores (n, h, w) of a choice of images, see `MuSc`."""
    finest = max(batch.grids)
    total = torch.zeros(len(members), *finest)
    for table, grid in zip(batch.tables, batch.grids, strict=True):
        for row, image in enumerate(members):
            judges = members[members != image]
            scores = lowest_share_mean(table[image][:, judges], share).reshape(1, 1, *grid)
            total[row] += F.interpolate(scores, size=finest, mode="bilinear")[0, 0]
    grids = total / len(batch.tables)
    return grids.flatten(1).amax(dim=1), grids


def dino_scores(batch: Batch, members: Tensor, top_share: float) -> tuple[Tensor, Tensor]:
    """Image scores (n,) and patch scores (n, h, w) of a choice of images, see `AnomalyDINO.fit_predict`."""
    distances = batch.tables[0][members][:, :, members].amin(dim=2).square() / 2  # 1 - cosine
    return top_share_mean(distances, top_share), distances.unflatten(1, batch.grids[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--mvtec", help="folder of MVTec AD, for bottle and screw")
    parser.add_argument("--tire", help="folder of MVTec 3D-AD's tire, RGB images in MVTec's layout")
    parser.add_argument("--mtd", help="folder of Magnetic Tile Defects")
    options = parser.parse_args()
    folders = {"bottle": options.mvtec, "screw": options.mvtec, "tire": options.tire, "mtd": options.mtd}
    tables = {"whole": _measure, "judges": _judged}
    for name, table in product(options.sets, tables):
        path, folder = FOLDER / f"{table}.csv", folders.get(name, name)
        if folder and not (path.exists() and name in set(pd.read_csv(path)["set"])):
            tables[table](name, test_images(load_dataset(folder, CATEGORIES[name]), TEST_OF_EACH))
    for table in sorted(FOLDER.glob("[bjw]*.csv")):
        print(pd.read_csv(table).round(3).to_string(index=False, max_rows=60))


def _detectors(name: str) -> tuple[MuSc, AnomalyDINO]:
    own = {"backbone": BACKBONE, "layers": DEEP_LAYERS[BACKBONE], "resize": 256} | SQUARE.get(name, {})
    return MuSc(**own), AnomalyDINO(**own, rotate=False, mask="never")


def _judged(name: str, test: Sequence[Sample]) -> None:
    labels, dino = np.array([s.label for s in test]), _detectors(name)[1]
    table = _dino_batch(dino, test).tables[0].square().div_(2)  # 1 - cosine
    apart = table.mean(dim=1)  # (N, N), from one image as a whole to another; infinite to itself
    nearest, twin = labels[apart.argmin(dim=1).numpy()], (apart.amin(dim=1) / apart.median(dim=1).values).numpy()
    rows = []
    for share in JUDGES:
        grids = torch.stack([lowest_share_mean(_without(columns, own), share) for own, columns in enumerate(table)])
        auroc = image_metrics(labels, top_share_mean(grids, dino.top_share))["image_auroc"]
        rows.append({"share": share, "image_auroc": auroc})
    of = {}
    for label, kind in enumerate(("good", "defective")):
        of[f"nearest_defective_of_{kind}"] = nearest[labels == label].mean()
        of[f"twin_of_{kind}"] = np.median(twin[labels == label])
    store(FOLDER / "judges.csv", pd.DataFrame(rows).assign(**of), name, "anomalydino")


def _without(columns: Tensor, own: int) -> Tensor:
    return torch.cat([columns[:, :own], columns[:, own + 1 :]], dim=1)


def _measure(name: str, test: Sequence[Sample]) -> None:
    musc, dino = _detectors(name)
    labels = np.array([s.label for s in test])
    lines = {"musc": _musc_batch(musc, test), "anomalydino": _dino_batch(dino, test)}

    def scored(line: str, members: Tensor) -> tuple[np.ndarray, Tensor]:
        if line == "anomalydino":
            scores, grids = dino_scores(lines[line], members, dino.top_share)
            return scores.numpy(), grids
        scores, grids = musc_scores(lines["musc"], members, musc.image_share)
        counts = musc.image_neighbours if line == "musc" else (1,)
        return rescored(scores.numpy(), lines["musc"].whole[members], counts), grids

    for line in ("musc", "musc, own scores", "anomalydino"):
        detector, frames = (dino if line == "anomalydino" else musc), lines[line.split(",")[0]].frames
        rows = []
        for fraction, size in [*((part, SIZES[name]) for part in DEFECTIVE), (0.5, SMALL)]:
            for draw, members in enumerate(sampled_batches(labels, fraction, size)):
                auroc = image_metrics(labels[members.numpy()], scored(line, members)[0])["image_auroc"]
                rows.append({"defective": fraction, "images": size, "draw": draw, "image_auroc": auroc})
        store(FOLDER / "batches.csv", pd.DataFrame(rows), name, line)
        scores, grids = scored(line, torch.arange(len(test)))
        found = image_metrics(labels, scores) | _localisation(detector.assemble(scores, grids.numpy(), frames), test)
        counted = {"good": int((labels == 0).sum()), "defective": int((labels == 1).sum())}
        store(FOLDER / "whole.csv", pd.DataFrame([counted | found]), name, line)


def sampled_batches(labels: np.ndarray, fraction: float, size: int) -> Iterator[Tensor]:
    """DRAWS batches of `size` images, of which `fraction` are defective, at least one."""
    bad = max(1, round(fraction * size))
    for draw in range(DRAWS):
        rng = np.random.default_rng([draw, size])
        chosen = [rng.permutation(np.flatnonzero(labels == label))[:n] for label, n in ((0, size - bad), (1, bad))]
        yield torch.from_numpy(np.concatenate(chosen))


def _musc_batch(detector: MuSc, test: Sequence[Sample]) -> Batch:
    items = list(detector._features([s.path for s in test], show_progress=True))
    grids = [tuple(items[0].maps[layer].shape[1:]) for layer, _ in detector._levels()]
    levels = [torch.stack(level) for level in zip(*map(detector._vectors, items), strict=True)]
    deepest = torch.stack([list(item.maps.values())[-1].mean(dim=(1, 2)) for item in items])
    return Batch(levels, grids, [item.frame for item in items], F.normalize(deepest, dim=1))


def _dino_batch(detector: AnomalyDINO, test: Sequence[Sample]) -> Batch:
    items = list(detector._features([s.path for s in test], show_progress=True))
    vectors = torch.stack([detector._vectors(item) for item in items])
    grid = max(tuple(values.shape[1:]) for values in items[0].maps.values())
    return Batch([vectors], [grid], [item.frame for item in items])


def _localisation(predictions: Predictions, test: Sequence[Sample]) -> dict[str, Any]:
    maps = [predictions.anomaly_map(index) for index in range(len(test))]
    masks = [
        np.zeros(values.shape, bool) if not s.label else s.mask and read_mask(s.mask)
        for s, values in zip(test, maps, strict=True)
    ]
    found = pixel_metrics(maps, masks)
    return {name: found[name] for name in ("pixel_auroc", "aupro")}


if __name__ == "__main__":
    main()
