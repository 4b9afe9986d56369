"""What do a few real defects add to a discriminator? results/real_defects/auroc.csv (chapter 18).

    python benchmarks/real_defects.py --mtd DIR --mvtec DIR --tire DIR [--sets toy mtd bottle tire] [--seeds 0 1 2]

A head of two layers on frozen features (EfficientNet-Lite0, layers of PatchCore, 256 x 256, 32 x 32 patches) learns to
tell marked from unmarked patches, 200 steps of 512 patches of each side. The unmarked ones are of 100 good images and
of the images with defects; the marked ones come, by the column `defects`, from

    perlin            60 good images with DRAEM's synthetic defects; no real defect
    as they are       the real defects themselves, 1, 5 or 10
    plain             60 good images into which crops of those are copied, turned, mirrored and scaled
    blended           the same crops and places by Poisson blending
    blended + perlin  both of these
    both              the real defects as they are, and blended copies of them
    generated         magnetic tiles: crops that a small VAE made up from the real ones, for their masks, blended

and `patchcore`, a bank of 1% of the good patches, is next to them. Every image with defects counts alike. The image
score is the mean of the highest 1% of patch scores for all; AUPRO is that of maps and masks of 64 x 64 pixels. The seed
chooses ten defects (of tiles fifty) for learning, which are in no test of that seed, and makes the places and weights.
The test set has at most 60 good images and 100 other defects. One row per set, seed, number of real defects and arm;
stored rows are skipped. Without a folder the table is printed.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adlib.bank import greedy_coreset, nearest
from adlib.data import Dataset, Sample, load_dataset, read_image, read_mask
from adlib.data.toy import make_toy
from adlib.detectors import PatchCore
from adlib.detectors.scores import top_share_mean
from adlib.evaluation import image_metrics, pixel_metrics
from adlib.features.patches import patch_vectors
from adlib.files import atomic_write
from adlib.networks.crop_vae import as_input, train_crop_vae
from adlib.progress import progress
from adlib.synthesis import Crop, cut, foreground, made_up_defects, paste_defect, varied

TABLE = Path(__file__).parents[1] / "results/real_defects/auroc.csv"
SETS = ("toy", "mtd", "bottle", "tire")
IN_FRONT = ("bottle", "tire")  # sets whose part does not fill the image
GOOD, PASTED, TEST_GOOD, TEST_DEFECTIVE = 100, 60, 60, 100
REAL, OF_TILES = (1, 5, 10), (1, 5, 10, 50)
GENERATED_FROM = (5, 10, 50)
ARMS = ("as they are", "plain", "blended", "blended + perlin", "both")
PARTS = {"blended + perlin": ("blended", "perlin"), "both": ("as they are", "blended")}
GENERATOR_STEPS = 400
STEPS, SIDE_BATCH, HIDDEN, RATE, TOP = 200, 512, 32, 3e-3, 0.01
MAP_SIDE = 64  # pixels of the maps and masks of AUPRO
KEYS = ["set", "seed", "real", "defects"]


@dataclass(frozen=True)
class Seen:
    """Features and masks of images with defects. patches: (N, P, D). marked: (N, P) bool."""

    patches: Tensor
    marked: Tensor

    def __add__(self, other: "Seen") -> "Seen":
        return Seen(torch.cat([self.patches, other.patches]), torch.cat([self.marked, other.marked]))


class Study:
    """One data set: its images and their features, standardised by those of the good training images."""

    def __init__(self, name: str, dataset: Dataset) -> None:
        self.name, self.detector = name, PatchCore(aspect="square")
        rng = np.random.default_rng(0)
        test = dataset.test
        self.good = [_pixels(s) for s in _some(dataset.train_good, GOOD, rng)]
        self.test_good = _some([s for s in test if not s.label], TEST_GOOD, rng)
        self.defective = [s for s in test if s.label]
        self.mean, self.std = torch.zeros(1), torch.ones(1)
        found = self.features(self.good)
        self.std, self.mean = torch.std_mean(found, dim=(0, 1))
        self.of_good = (found - self.mean) / self.std
        self.of_test_good = self.features([_pixels(s) for s in self.test_good])
        self.bank = self.of_good.flatten(0, 1)
        self.bank = self.bank[greedy_coreset(self.bank, len(self.bank) // 100, 0, show_progress=False)]
        self.parts = [foreground(image) if name in IN_FRONT else None for image in self.good]
        self.grid = (32, 32)

    def features(self, images: Sequence[Tensor]) -> Tensor:
        """(N, P, D)."""
        arrays = [(image * 255).round().byte().permute(1, 2, 0).numpy() for image in images]
        shown = progress(self.detector._features(arrays), total=len(arrays), label=f"{self.name} features", unit="img")
        return (torch.stack([patch_vectors(item.maps)[0] for item in shown]) - self.mean) / self.std

    def seen(self, images: Sequence[Tensor], masks: Sequence[Tensor]) -> Seen:
        """Images with defects (3, H, W) and their masks (1, H, W)."""
        marked = torch.stack([F.adaptive_max_pool2d(mask.float(), self.grid).bool().flatten() for mask in masks])
        return Seen(self.features(images), marked)

    def pasted(self, crops: Sequence[Crop], blending: str, seed: int) -> Seen:
        """Good images, a varied crop in each; for one seed the same crops and places with any blending."""
        images = []
        for number in range(PASTED):
            torch.manual_seed(1000 * seed + number)
            which, crop = int(torch.randint(len(self.good), ())), crops[int(torch.randint(len(crops), ()))]
            images.append(paste_defect(self.good[which], varied(crop), self.parts[which], blending))
        return self.seen(*zip(*images, strict=True))

    def perlin(self, seed: int) -> Seen:
        """Good images with DRAEM's defects; the few empty masks are left out."""
        torch.manual_seed(seed)
        images, masks = [], []
        while len(images) < PASTED:
            which = torch.randint(len(self.good), (2,)).tolist()
            size = self.good[which[0]].shape[1:]
            pair = torch.stack([F.interpolate(self.good[i][None], size=size, mode="bilinear")[0] for i in which])
            made, mask = made_up_defects(pair, share=1.0)
            if mask[0].any():
                images.append(made[0].clamp(0, 1))
                masks.append(mask[0])
        return self.seen(images, masks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--mvtec", help="folder of MVTec AD, for bottle")
    parser.add_argument("--mtd", help="folder of Magnetic Tile Defects")
    parser.add_argument("--tire", help="folder of MVTec 3D-AD's tire, RGB images in MVTec's layout")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    folders = {"bottle": options.mvtec, "mtd": options.mtd, "tire": options.tire}
    for name in options.sets if any(folders.values()) else ():
        missing = [seed for seed in options.seeds if set(_keys(name)) - _done(name, seed)]
        if missing and (name == "toy" or folders[name]):
            study = Study(name, _dataset(name, folders.get(name)))
            for seed in missing:
                _store(pd.DataFrame(_rows(study, seed, _done(name, seed))))
    print(_stored().pivot_table("image_auroc", ["set", "defects"], "real", sort=False).round(3).to_string())


def _keys(name: str) -> Iterator[tuple[int, str]]:
    """Number of real defects and arm of each row of a set and seed."""
    yield from ((0, "patchcore"), (0, "perlin"))
    for real in OF_TILES if name == "mtd" else REAL:
        yield from ((real, arm) for arm in ARMS)
        if name == "mtd" and real in GENERATED_FROM:
            yield real, "generated"


def _dataset(name: str, folder: str | None) -> Dataset:
    if name != "toy":
        return load_dataset(folder, None if name == "mtd" else name)
    root = make_toy(Path(tempfile.gettempdir()) / "adlib_real_defects", ["tile"], GOOD, TEST_GOOD, 25, progress=False)
    return load_dataset(root, "tile")


def _some(samples: Sequence[Sample], count: int, rng: np.random.Generator) -> list[Sample]:
    return [samples[i] for i in rng.permutation(len(samples))[:count]]


def _pixels(sample: Sample) -> Tensor:
    return torch.from_numpy(np.asarray(read_image(sample.path)).transpose(2, 0, 1).copy()).float() / 255


def _mask(sample: Sample) -> Tensor:
    return torch.from_numpy(read_mask(sample.mask))[None]


def _rows(study: Study, seed: int, done: set[tuple[int, str]]) -> Iterator[dict[str, Any]]:
    order = np.random.default_rng(seed).permutation(len(study.defective))
    counts = OF_TILES if study.name == "mtd" else REAL
    pool, tested = [], []
    for sample in (study.defective[i] for i in order):  # one of the tiles has an empty mask: it can't be cut
        (pool if len(pool) < max(counts) and _mask(sample).any() else tested).append(sample)
    tested = tested[:TEST_DEFECTIVE]
    images, masks = [_pixels(s) for s in pool], [_mask(s) for s in pool]
    test = torch.cat([study.of_test_good, study.features([_pixels(s) for s in tested])])
    truth = [np.zeros((MAP_SIDE, MAP_SIDE), bool)] * len(study.test_good) + [_small(_mask(s)) for s in tested]

    def row(real: int, defects: str, scores: Tensor, fit_s: float | None = None) -> dict[str, Any]:
        labels = [0] * len(study.test_good) + [1] * len(tested)
        auroc = image_metrics(labels, top_share_mean(scores, TOP))["image_auroc"]
        maps = F.interpolate(scores.unflatten(1, (1, *study.grid)), size=(MAP_SIDE, MAP_SIDE), mode="bilinear")[:, 0]
        return {
            **dict(zip(KEYS, (study.name, seed, real, defects), strict=True)),
            "image_auroc": auroc,
            "aupro": pixel_metrics(maps.numpy(), truth)["aupro"],
            "good": len(study.test_good),
            "defective": len(tested),
            "fit_s": fit_s,
        }

    wanted = [key for key in _keys(study.name) if key not in done]
    if (0, "patchcore") in wanted:
        yield row(0, "patchcore", nearest(test.flatten(0, 1), study.bank)[0][:, 0].reshape(test.shape[:2]))
    seen = cache(lambda real, arm: _seen(study, real, arm, seed, images, masks))
    for real, arm in wanted:
        if arm != "patchcore":
            parts = [seen(real if part != "perlin" else 0, part) for part in PARTS.get(arm, (arm,))]
            yield row(real, arm, *_fitted(study, sum(parts[1:], parts[0]), test, seed))


def _seen(study: Study, real: int, arm: str, seed: int, images: Sequence[Tensor], masks: Sequence[Tensor]) -> Seen:
    """What an arm learns from, of the first `real` defects."""
    images, masks = images[:real], masks[:real]
    if arm == "perlin":
        return study.perlin(seed)
    if arm == "as they are":
        return study.seen(images, masks)
    crops = [cut(image, mask, margin=8) for image, mask in zip(images, masks, strict=True)]
    if arm == "generated":
        crops = _generated(crops, seed)
    return study.pasted(crops, "plain" if arm == "plain" else "poisson", seed)


def _generated(crops: Sequence[Crop], seed: int) -> list[Crop]:
    """As many crops as images to paste into, each made up for the mask of a real one, at its size."""
    network = train_crop_vae([c.piece for c in crops], [c.mask for c in crops], GENERATOR_STEPS, seed=seed)
    torch.manual_seed(seed)
    made = []
    for number in range(PASTED):
        crop = crops[number % len(crops)]
        piece = network.generate(as_input(crop.piece, crop.mask)[1][None])[0]
        piece = F.interpolate(piece[None], size=crop.piece.shape[1:], mode="bilinear")[0]
        made.append(Crop(piece, crop.mask))
    return made


def _fitted(study: Study, seen: Seen, test: Tensor, seed: int) -> tuple[Tensor, float]:
    """Logits of the test patches (N, P), and seconds of the fit. Every image counts alike on its side."""
    start = time.process_time()
    patches = torch.cat([study.of_good.flatten(0, 1), seen.patches.flatten(0, 1)])
    unmarked = ~seen.marked.flatten()
    good_weights = torch.cat([torch.ones(study.of_good[..., 0].numel()), unmarked.float()])
    per_image = seen.marked.float() / seen.marked.sum(dim=1, keepdim=True).clamp(min=1)
    marked_at = seen.marked.flatten().nonzero()[:, 0]
    marked_weights = per_image.flatten()[marked_at]
    torch.manual_seed(seed)
    chosen = [
        torch.multinomial(good_weights, STEPS * SIDE_BATCH, replacement=True),
        marked_at[torch.multinomial(marked_weights, STEPS * SIDE_BATCH, replacement=True)]
        + study.of_good[..., 0].numel(),
    ]
    head = nn.Sequential(nn.Linear(patches.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
    optimiser = torch.optim.AdamW(head.parameters(), RATE, weight_decay=1e-2)
    labels = torch.arange(2 * SIDE_BATCH).ge(SIDE_BATCH).float()
    for step in range(STEPS):
        batch = torch.cat([side[step * SIDE_BATCH : (step + 1) * SIDE_BATCH] for side in chosen])
        loss = F.binary_cross_entropy_with_logits(head(patches[batch])[:, 0], labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return head(test)[..., 0], round(time.process_time() - start, 1)


def _small(mask: Tensor) -> np.ndarray:
    """(64, 64) bool, True where any of a pixel is defective."""
    return F.adaptive_max_pool2d(mask.float(), MAP_SIDE)[0].bool().numpy()


def _stored() -> pd.DataFrame:
    return pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=[*KEYS, "image_auroc"])


def _done(name: str, seed: int) -> set[tuple[int, str]]:
    """Keys of the stored rows of a set and seed."""
    rows = _stored()
    rows = rows[(rows["set"] == name) & (rows["seed"] == seed)]
    return set(zip(rows["real"], rows["defects"], strict=True))


def _store(rows: pd.DataFrame) -> None:
    table = pd.concat([_stored(), rows]) if TABLE.exists() else rows
    TABLE.parent.mkdir(exist_ok=True)
    with atomic_write(TABLE) as file:
        table.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")


if __name__ == "__main__":
    main()
