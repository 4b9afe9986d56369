"""MAEDAY without a good image, next to predictors that know nothing (chapter 19).

    python benchmarks/maeday.py --mvtec DIR --mtd DIR [--sets fabric tile weld nut bottle mtd elpv]

The default network of `MAEDAY`, trained once on photographs (kept in the feature cache). Rendered parts are 128 pixels;
of each set at most 20 or 30 good and as many defective images. `results/zero_shot/maeday.csv`, a line per set and
predictor, with image AUROC, its bootstrap interval over images, and pixel AUROC where there are masks:

`maeday`: 32 masks, zero-shot. `1 mask`: the first of them alone. `untrained`: 32 masks, the network before training.
`4 times the pre-training`: 32 masks, a network that learned four times as long.
`after 4 good images`: 32 masks, trained on four good training images for the default number of steps.
`mean colour`: squared distance of each pixel to the image's mean colour, in the same units, smoothed alike.
A line of a set that is stored is skipped.
"""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from references import is_stored, store, test_images

from adlib.data import load_dataset
from adlib.data.masks import read_mask
from adlib.data.toy import CATEGORIES, render
from adlib.detectors import MAEDAY, Predictions
from adlib.evaluation import bootstrap_interval, image_metrics, pixel_metrics
from adlib.features.cache import TensorCache
from adlib.features.pixels import PIXELS
from adlib.networks.mae import IMAGENET_STD

TABLE = Path(__file__).parents[1] / "results/zero_shot/maeday.csv"
SETS = {"bottle": ("bottle", 20), "mtd": ("mtd", 30), "elpv": ("mono", 30)}  # category, images of each label
RENDERED, SIDE, SHOTS = 20, 128, 4
Images = tuple[list[Any], np.ndarray, list[Any], list[Any]]  # images, labels, masks, good images to learn from


class MeanColour(MAEDAY):
    """No network: a pixel is predicted by the mean colour of its image."""

    def _score(self, features: Any) -> tuple[float, Any]:
        pixels = features.maps[PIXELS]
        apart = (pixels - pixels.mean(dim=(1, 2), keepdim=True)) / pixels.new_tensor(IMAGENET_STD)[:, None, None]
        grid = apart.square().mean(dim=0)
        return features.frame.highest(grid, self.sigma), grid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [*CATEGORIES, *SETS]
    parser.add_argument("--sets", nargs="+", choices=names, default=names)
    parser.add_argument("--mvtec", help="folder of MVTec AD, for bottle")
    parser.add_argument("--mtd", help="folder of Magnetic Tile Defects")
    options = parser.parse_args()
    folders = {"bottle": options.mvtec, "mtd": options.mtd}
    for name in options.sets:
        if folder := folders.get(name, name):
            _measure(name, _rendered(name) if name in CATEGORIES else _photographed(name, folder))
    print(pd.read_csv(TABLE).round(3).to_string(index=False))


def _measure(name: str, images: Images) -> None:
    shown, labels, masks, good = images
    cache, untrained, default = TensorCache(), {"pretraining_steps": 0}, MAEDAY()
    longer = MAEDAY(pretraining_steps=4 * default.pretraining_steps)
    zero_shot = {
        "maeday": default,
        "1 mask": MAEDAY(masks=1),
        "untrained": MAEDAY(**untrained),
        "4 times the pre-training": longer,
        "mean colour": MeanColour(**untrained),
    }
    lines = {line: partial(detector.fit_predict, shown, cache, True) for line, detector in zero_shot.items()}
    lines[f"after {SHOTS} good images"] = lambda: MAEDAY().fit(good, cache, True).predict(shown, cache, True)
    for line, predictions in lines.items():
        if not is_stored(TABLE, name, line):
            store(TABLE, pd.DataFrame([_row(predictions(), labels, masks)]), name, line)


def _row(predictions: Predictions, labels: np.ndarray, masks: Sequence[Any]) -> dict[str, Any]:
    low, high = bootstrap_interval(labels, predictions.scores)
    maps = [predictions.anomaly_map(index) for index in range(len(labels))]
    rows = zip(maps, masks, labels, strict=True)
    masks = [mask if label else np.zeros(values.shape, bool) for values, mask, label in rows]
    return {
        "good": int((labels == 0).sum()),
        "defective": int((labels == 1).sum()),
        "image_auroc": image_metrics(labels, predictions.scores)["image_auroc"],
        "low": low,
        "high": high,
        "pixel_auroc": pixel_metrics(maps, masks)["pixel_auroc"],
    }


def _rendered(name: str) -> Images:
    kinds = CATEGORIES[name]
    pairs = [render(name, None, seed, SIDE) for seed in range(RENDERED)]
    pairs += [render(name, kinds[seed % len(kinds)], RENDERED + seed, SIDE) for seed in range(RENDERED)]
    good = [render(name, None, 2 * RENDERED + seed, SIDE)[0] for seed in range(SHOTS)]
    images, masks = zip(*pairs, strict=True)
    return list(images), np.repeat([0, 1], RENDERED), [mask > 0 for mask in masks], good


def _photographed(name: str, folder: str) -> Images:
    category, count = SETS[name]
    dataset = load_dataset(folder, category)
    test = test_images(dataset, count)
    masks = [s.mask and read_mask(s.mask) for s in test]
    good = [s.path for s in dataset.few_shot(SHOTS, 0, "random")]
    return [s.path for s in test], np.array([s.label for s in test]), masks, good


if __name__ == "__main__":
    main()
