"""Pixel metrics of a whole test set: plain versions and `adlib.evaluation.pixel_metrics`, and whether they agree.

    python benchmarks/metrics.py [--masks FOLDER] [--images 83] [--size 448] [--rounds 3]

FOLDER: a category's ground_truth folder (PNG, any non-zero value is defective; subfolders are searched). Without it the
masks are generated: discs of random size, in three of four images. The maps are smoothed noise, raised in the defects.
Plain: scikit-learn for AUROC, AP and F1-max, and for AUPRO one argsort of all pixels with running sums, in float64.
The rounds alternate between the versions; the table shows the fastest time of each, since other programs can only slow
them.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from adlib.evaluation import PIXEL_METRICS, pixel_metrics


def read_masks(folder: Path, images: int, size: int) -> list[np.ndarray]:
    """The folder's masks as bool (size, size), then empty masks up to `images`."""
    paths = sorted(folder.rglob("*.png"))[:images]
    if not paths:
        raise SystemExit(f"No PNG masks under {folder}; give a category's ground_truth folder.")
    masks = [
        np.asarray(Image.open(path).convert("L").resize((size, size), Image.Resampling.NEAREST)) > 0 for path in paths
    ]
    return masks + [np.zeros((size, size), bool)] * (images - len(masks))


def generated_masks(rng: np.random.Generator, images: int, size: int) -> list[np.ndarray]:
    rows, columns = np.ogrid[:size, :size]
    masks = []
    for index in range(images):
        mask = np.zeros((size, size), bool)
        for _ in range(rng.integers(1, 4) if index % 4 else 0):
            row, column = rng.integers(0, size, 2)
            mask |= (rows - row) ** 2 + (columns - column) ** 2 <= rng.uniform(0.01, 0.12) ** 2 * size**2
        masks.append(mask)
    return masks


def make_maps(rng: np.random.Generator, masks: list[np.ndarray]) -> list[np.ndarray]:
    """float32 maps like those of detectors: smooth, with defects raised by differing amounts."""
    maps = []
    for mask in masks:
        raw = rng.gamma(2.0, 3.0, mask.shape).astype(np.float32) + mask * np.float32(rng.uniform(0, 4))
        maps.append(ndimage.gaussian_filter(raw, 4))
    return maps


def plain_rank_metrics(maps: list[np.ndarray], masks: list[np.ndarray]) -> dict[str, float]:
    scores, labels = np.concatenate([m.ravel() for m in maps]), np.concatenate([m.ravel() for m in masks])
    precision, recall, _ = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    values = roc_auc_score(labels, scores), average_precision_score(labels, scores), f1.max()
    return dict(zip(PIXEL_METRICS, values, strict=False))


def plain_aupro(maps: list[np.ndarray], masks: list[np.ndarray], limit: float = 0.3) -> float:
    """Each pixel adds a step to the rate or to the mean overlap; sort, sum up, keep one point for each score."""
    rate_steps, overlap_steps = [], []
    for mask in masks:
        components = ndimage.label(mask, structure=np.ones((3, 3)))[0]
        sizes = np.bincount(components.ravel()).astype(float)
        rate_steps.append((~mask).ravel())
        overlap_steps.append(np.where(mask, 1 / sizes[components], 0.0).ravel())
    scores, rate, overlap = np.concatenate([m.ravel() for m in maps]), *map(np.concatenate, (rate_steps, overlap_steps))
    order = np.argsort(scores)[::-1]
    last = np.append(np.diff(scores[order]) != 0, True)
    rate = np.append(0.0, np.cumsum(rate[order])[last] / rate.sum())
    overlap = np.append(0.0, np.cumsum(overlap[order])[last] / overlap.sum())
    inside = rate < limit
    end = np.flatnonzero(~inside)[0]
    slope = (overlap[end] - overlap[end - 1]) / (rate[end] - rate[end - 1])
    at_limit = overlap[end - 1] + slope * (limit - rate[end - 1])
    rate, overlap = np.append(rate[inside], limit), np.append(overlap[inside], at_limit)
    return float(np.sum(np.diff(rate) * (overlap[1:] + overlap[:-1]) / 2) / limit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--masks", type=Path, help="a category's ground_truth folder; without it, discs")
    parser.add_argument("--images", type=int, default=83, help="number of maps")
    parser.add_argument("--size", type=int, default=448, help="side of a map in pixels")
    parser.add_argument("--rounds", type=int, default=3, help="rounds to take the fastest of")
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    if options.masks:
        masks = read_masks(options.masks, options.images, options.size)
    else:
        masks = generated_masks(rng, options.images, options.size)
    maps = make_maps(rng, masks)

    seconds: dict[str, list[float]] = {}

    def timed(name, function):
        start = time.perf_counter()
        value = function(maps, masks)
        seconds.setdefault(name, []).append(time.perf_counter() - start)
        return value

    for _ in range(options.rounds):
        plain = timed("plain AUROC, AP, F1-max", plain_rank_metrics)
        plain["aupro"] = timed("plain AUPRO", plain_aupro)
        ours = timed("adlib, all four", pixel_metrics)

    pixels = sum(m.size for m in maps)
    fraction = sum(int(m.sum()) for m in masks) / pixels
    size = f"{options.size} x {options.size}"
    print(f"{len(maps)} maps of {size}: {pixels / 1e6:.1f} M pixels, {fraction:.1%} defective\n")
    print(f"{'':26}{'seconds (best of ' + str(options.rounds) + ')':>22}")
    for name, values in seconds.items():
        print(f"{name:26}{min(values):22.2f}")
    print(f"\n{'metric':14}{'plain':>14}{'adlib':>14}{'difference':>14}")
    for name in PIXEL_METRICS:
        print(f"{name:14}{plain[name]:14.9f}{ours[name]:14.9f}{abs(plain[name] - ours[name]):14.1e}")
    worst = max(abs(plain[name] - ours[name]) for name in PIXEL_METRICS)
    if not worst <= 1e-6:
        raise SystemExit(f"\nThe two versions differ by {worst:.1e}, more than 1e-6.")
    print("\nThe two versions agree to 1e-6.")


if __name__ == "__main__":
    main()
