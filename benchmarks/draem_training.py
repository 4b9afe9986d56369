"""DRAEM on `bottle` during training, by textures and learning rate: results/mvtec/training/draem.csv, for chapter 08.

    python benchmarks/draem_training.py --data path/to/mvtec
        [--textures both all] [--rates 1e-3 3e-4] [--decays 1 0.2] [--steps 1000]

One training per setting. At each of its 20 checks on the held-out images the test set is evaluated too, only to
observe: when to stop and which weights to keep follow from the held-out loss alone, as everywhere. One row per check:
the held-out loss, image AUROC, and pixel AUROC, AUPRO and the pixel AUROC of each kind of defect with the good images,
by the U-Net's probability ("compared") and by the squared difference between an image and its reconstruction
("difference"). Maps are compared at the network's size, 128 pixels, not at the image's size. A repeated training
replaces its rows.
"""

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from adlib.data import Dataset, Sample, load_dataset, read_mask
from adlib.detectors.draem import DRAEM
from adlib.detectors.training import CHECKS
from adlib.evaluation import image_metrics, pixel_metrics
from adlib.features.extract import ImageFeatures
from adlib.features.pixels import PIXELS
from adlib.files import atomic_write
from adlib.synthesis.pasting import TEXTURES

TABLE = Path(__file__).parents[1] / "results/mvtec/training/draem.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of MVTec AD")
    parser.add_argument("--textures", nargs="+", choices=TEXTURES, default=["both", "all"], help="see DRAEM")
    parser.add_argument("--rates", nargs="+", type=float, default=[1e-3, 3e-4], help="learning rates")
    parser.add_argument("--decays", nargs="+", type=float, default=[1.0, 0.2], help="see DRAEM")
    parser.add_argument("--steps", type=int, default=1000, help="batches of 8 to learn from")
    options = parser.parse_args()
    bottles = load_dataset(options.data, "bottle")
    good = [sample.path for sample in bottles.train_good]
    for textures, rate, decay in itertools.product(options.textures, options.rates, options.decays):
        detector = WatchedDRAEM(textures=textures, learning_rate=rate, decay=decay, steps=options.steps)
        detector.watch(bottles).fit(good, show_progress=True)


@dataclass(kw_only=True, eq=False, repr=False)
class WatchedDRAEM(DRAEM):
    """DRAEM that evaluates a test set at every check and stores the metrics; it learns as DRAEM does."""

    def watch(self, dataset: Dataset) -> "WatchedDRAEM":
        """Evaluate the test images of this data set from now on; returns self."""
        self.samples = dataset.test
        self.shown = list(self._features([s.path for s in self.samples]))
        self.masks = [self._mask(*pair) for pair in zip(self.samples, self.shown, strict=True)]
        self.rows: list[dict[str, float | int | None]] = []
        return self

    def _mask(self, sample: Sample, image: ImageFeatures) -> np.ndarray:
        frame = image.frame
        if sample.mask is None:
            return np.zeros(image.maps[PIXELS].shape[1:], dtype=bool)
        return self.spec().preprocess.mask(read_mask(sample.mask, size=frame.original[::-1]), frame)

    def _held_out_loss(self, network: nn.Module, watched: list[ImageFeatures]) -> float | None:
        loss = super()._held_out_loss(network, watched)
        training = {name: getattr(self, name) for name in ("textures", "learning_rate", "decay", "steps")}
        step = self.steps // CHECKS * (len(self.rows) + 1)
        self.rows.append(training | {"step": step, "held_out_loss": loss} | self._evaluate(network.eval()))
        _replace(pd.DataFrame(self.rows), list(training))
        return loss

    def _evaluate(self, network: nn.Module) -> dict[str, float | None]:
        maps: dict[str, list[np.ndarray]] = {"compared": [], "difference": []}
        for image in self.shown:
            pixels = image.maps[PIXELS][None]
            with torch.inference_mode():
                repaired, logits = network(pixels)
            for name, values in (("compared", logits[0].sigmoid()), ("difference", (pixels - repaired)[0].square())):
                maps[name].append(image.frame.network_map(values.mean(0).cpu().numpy(), self.sigma))
        labels = [sample.label for sample in self.samples]
        row = {"image_auroc": image_metrics(labels, [values.max() for values in maps["compared"]])["image_auroc"]}
        for name, values in maps.items():
            row |= self._localisation(name, values)
        return row

    def _localisation(self, name: str, maps: list[np.ndarray]) -> dict[str, float | None]:
        metrics = pixel_metrics(maps, self.masks)
        row = {f"{name}_pixel_auroc": metrics["pixel_auroc"], f"{name}_aupro": metrics["aupro"]}
        for kind in sorted({s.defect for s in self.samples if s.label}):
            chosen = [i for i, s in enumerate(self.samples) if s.defect == kind or not s.label]
            metrics = pixel_metrics([maps[i] for i in chosen], [self.masks[i] for i in chosen])
            row[f"{name}_{kind}"] = metrics["pixel_auroc"]
        return row


def _replace(rows: pd.DataFrame, training: list[str]) -> None:
    """Replace the rows of the same training in the table; training: the columns that name it."""
    if TABLE.exists():
        stored = pd.read_csv(TABLE)
        same = stored[training].eq(rows[training].iloc[0]).all(axis=1)
        rows = pd.concat([stored[~same], rows])
    with atomic_write(TABLE) as file:
        rows.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")


if __name__ == "__main__":
    main()
