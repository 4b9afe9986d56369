"""Do altered copies of the few references replace further references? A table in results/references (chapter 10).

    python benchmarks/augmented_shots.py --mvtec DIR --tire DIR [--sets bottle tire screw] [--draws 0 1 2] [--cache DIR]

`augmented.csv`: image AUROC of PatchCore with its whole bank at 1, 2 and 4 shots (`--selection random --seed DRAW`), by
what the bank has beside the references themselves: quarter turns, eighth turns, two levels of brightness, two scales.
`screw` lies turned at will, `bottle` and `tire` lie upright. Network, setting and test images are those of
`references.py`. A draw of a set is stored whole, and skipped where it is stored. Without a folder the stored table is
printed, as mean over draws and as paired difference from the references alone with its t interval.
"""

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageEnhance
from references import (
    CATEGORIES,
    FOLDER,
    TEST_OF_EACH,
    auroc,
    few_shot_detector,
    squared_distances,
    test_images,
    vectors,
    with_lengths,
)

from adlib.data import Dataset, load_dataset, read_image, rotate
from adlib.detectors.scores import top_share_mean
from adlib.evaluation import draws_difference
from adlib.features.cache import TensorCache
from adlib.files import atomic_write
from adlib.progress import progress

TABLE = FOLDER / "augmented.csv"
SETS = ("bottle", "tire", "screw")
SHOTS = (1, 2, 4)
KEYS = ["set", "draw", "shots", "copies"]
NONE = "none"


def brighter(image: Image.Image, factor: float) -> Image.Image:
    """The image with all values times a factor, cut at 255."""
    return ImageEnhance.Brightness(image).enhance(factor)


def scaled(image: Image.Image, factor: float) -> Image.Image:
    """The image scaled about its centre at the same size; a smaller one is continued by its mirror image."""
    pixels = np.asarray(image.resize([round(side * factor) for side in image.size], Image.Resampling.BICUBIC))
    for axis, side in enumerate((image.height, image.width)):
        missing = side - pixels.shape[axis]
        if missing > 0:
            margins = [(0, 0)] * 3
            margins[axis] = (missing // 2, missing - missing // 2)
            pixels = np.pad(pixels, margins, mode="symmetric")
        else:
            pixels = pixels.take(range(-missing // 2, -missing // 2 + side), axis=axis)
    return Image.fromarray(pixels)


TURNS = tuple(range(0, 360, 45))
ALTERED: dict[str, Callable[[Image.Image], Image.Image]] = {
    **{f"turn {angle}": partial(rotate, angle=angle) for angle in TURNS},
    **{f"brightness {factor}": partial(brighter, factor=factor) for factor in (0.8, 1.2)},
    **{f"scale {factor}": partial(scaled, factor=factor) for factor in (0.9, 1.1)},
}
ITSELF = "turn 0"
COPIES = {
    NONE: [ITSELF],
    "quarter turns": [f"turn {angle}" for angle in TURNS[::2]],
    "eighth turns": [f"turn {angle}" for angle in TURNS],
    "brightness": [ITSELF, "brightness 0.8", "brightness 1.2"],
    "scale": [ITSELF, "scale 0.9", "scale 1.1"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--draws", nargs="+", type=int, default=range(6))
    parser.add_argument("--mvtec", help="folder of MVTec AD, for bottle and screw")
    parser.add_argument("--tire", help="folder of MVTec 3D-AD's tire, RGB images in MVTec's layout")
    parser.add_argument("--cache", help="folder for features of unaltered images; none by default")
    options = parser.parse_args()
    cache = TensorCache(options.cache) if options.cache else None
    folders = {"bottle": options.mvtec, "screw": options.mvtec, "tire": options.tire}
    for draw in options.draws:
        for name in options.sets:
            if folders[name] and not _is_stored(name, draw):
                _store(_rows(load_dataset(folders[name], CATEGORIES[name]), name, draw, cache))
    print(gains(pd.read_csv(TABLE)).round(1).to_string(index=False))


def _rows(dataset: Dataset, name: str, draw: int, cache: TensorCache | None) -> pd.DataFrame:
    """Image AUROC of one draw, by shots and copies."""
    detector, test = few_shot_detector(dataset, name, "patchcore"), test_images(dataset, TEST_OF_EACH)
    references = [read_image(s.path) for s in dataset.few_shot(max(SHOTS), draw, "random")]
    views = [alter(image) for alter in ALTERED.values() for image in references]
    bank = with_lengths(torch.stack(list(vectors(detector, views, None))))
    tested = vectors(detector, [s.path for s in test], cache)
    shown = progress(tested, total=len(test), label=f"{name} draw {draw}", unit="img")
    squared = torch.stack([squared_distances(patches, bank) for patches in shown])  # (test images, views, patches)
    distances = dict(zip(ALTERED, squared.sqrt_().unflatten(1, (len(ALTERED), -1)).unbind(dim=1), strict=True))
    labels = np.array([s.label for s in test])
    rows = []
    for copies, altered in COPIES.items():
        nearest = torch.stack([distances[one] for one in altered]).amin(dim=0)  # (test images, references, patches)
        for shots in SHOTS:
            scores = top_share_mean(nearest[:, :shots].amin(dim=1), detector.top_share)
            rows.append([name, draw, shots, copies, auroc(labels, scores.numpy())])
    return pd.DataFrame(rows, columns=[*KEYS, "image_auroc"])


def _is_stored(name: str, draw: int) -> bool:
    return TABLE.exists() and bool(pd.read_csv(TABLE)[["set", "draw"]].eq([name, draw]).all(axis=1).any())


def _store(rows: pd.DataFrame) -> None:
    table = pd.concat([pd.read_csv(TABLE), rows]) if TABLE.exists() else rows
    TABLE.parent.mkdir(exist_ok=True)
    with atomic_write(TABLE) as file:
        table.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """Percent by set, shots and copies: mean over draws, and the paired difference from the references alone.

    The difference has a t interval over draws; with one draw it has none.
    """
    rows = []
    for (name, shots), cell in table.groupby(["set", "shots"], sort=False):
        values = 100 * cell.set_index(["copies", "draw"]).image_auroc.unstack("draw")
        for copies in COPIES:
            mean, difference = values.loc[copies].mean(), (values.loc[copies] - values.loc[NONE]).mean()
            interval = (None, None)
            if values.shape[1] > 1:
                found = draws_difference(values.loc[copies], values.loc[NONE])
                interval = found.low, found.high
            rows.append([name, shots, copies, values.shape[1], mean, difference, *interval])
    return pd.DataFrame(rows, columns=["set", "shots", "copies", "draws", "mean", "gain", "low", "high"])


if __name__ == "__main__":
    main()
