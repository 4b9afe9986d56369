"""DRAEM on `bottle`, look by look, by textures and learning rate: results/mvtec/training/draem.csv, for chapter 07.

    python benchmarks/draem_training.py --data path/to/mvtec
        [--textures both all] [--rates 1e-3 3e-4] [--decays 1 0.2] [--steps 1000]

One training a setting. At each of its 20 looks at the held-out pictures the test set is judged as well, to watch and
not to choose: when to stop and which weights to keep follow from the held-out loss alone, as everywhere. A line a look:
the held-out loss, image AUROC, and pixel AUROC, AUPRO and the pixel AUROC of each kind of defect beside the good
pictures, by the U-Net's probability ("compared") and by the squared difference between a picture and its repair
("difference"). Maps are compared at the network's size, 128 pixels, not at the picture's. A training that is made again
takes the place of its lines.
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
    parser.add_argument("--textures", nargs="+", choices=TEXTURES, default=["both", "all"])
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
    """DRAEM that judges a test set at every look and writes down what came of it; it learns as DRAEM does."""

    def watch(self, dataset: Dataset) -> "WatchedDRAEM":
        """Judge the test pictures of this data set from now on; returns self."""
        self.samples = dataset.test
        self.shown = list(self._features([s.path for s in self.samples]))
        self.masks = [self._mask(*pair) for pair in zip(self.samples, self.shown, strict=True)]
        self.lines: list[dict[str, float | int | None]] = []
        return self

    def _mask(self, sample: Sample, picture: ImageFeatures) -> np.ndarray:
        frame = picture.frame
        if sample.mask is None:
            return np.zeros(picture.maps[PIXELS].shape[1:], dtype=bool)
        return self.spec().preprocess.mask(read_mask(sample.mask, size=frame.original[::-1]), frame)

    def _held_out_loss(self, network: nn.Module, watched: list[ImageFeatures]) -> float | None:
        loss = super()._held_out_loss(network, watched)
        which = {name: getattr(self, name) for name in ("textures", "learning_rate", "decay", "steps")}
        step = self.steps // CHECKS * (len(self.lines) + 1)
        self.lines.append(which | {"step": step, "held_out_loss": loss} | self._judge(network.eval()))
        _replace(pd.DataFrame(self.lines), list(which))
        return loss

    def _judge(self, network: nn.Module) -> dict[str, float | None]:
        maps: dict[str, list[np.ndarray]] = {"compared": [], "difference": []}
        for picture in self.shown:
            pixels = picture.maps[PIXELS][None]
            with torch.inference_mode():
                repaired, logits = network(pixels)
            for name, values in (("compared", logits[0].sigmoid()), ("difference", (pixels - repaired)[0].square())):
                maps[name].append(picture.frame.network_map(values.mean(0).cpu().numpy(), self.sigma))
        labels = [sample.label for sample in self.samples]
        line = {"image_auroc": image_metrics(labels, [values.max() for values in maps["compared"]])["image_auroc"]}
        for name, values in maps.items():
            line |= self._in_place(name, values)
        return line

    def _in_place(self, name: str, maps: list[np.ndarray]) -> dict[str, float | None]:
        found = pixel_metrics(maps, self.masks)
        line = {f"{name}_pixel_auroc": found["pixel_auroc"], f"{name}_aupro": found["aupro"]}
        for kind in sorted({s.defect for s in self.samples if s.label}):
            beside = [i for i, s in enumerate(self.samples) if s.defect == kind or not s.label]
            found = pixel_metrics([maps[i] for i in beside], [self.masks[i] for i in beside])
            line[f"{name}_{kind}"] = found["pixel_auroc"]
        return line


def _replace(lines: pd.DataFrame, which: list[str]) -> None:
    """Put lines into the table in place of those of the same training."""
    if TABLE.exists():
        known = pd.read_csv(TABLE)
        same = known[which].eq(lines[which].iloc[0]).all(axis=1)
        lines = pd.concat([known[~same], lines])
    with atomic_write(TABLE) as file:
        lines.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")


if __name__ == "__main__":
    main()
