"""Can synthetic defects choose a model or a threshold? results/synthetic_choice/scores.csv (chapter 18).

    python benchmarks/synthetic_choice.py --mvtec DIR --mtd DIR [--sets toy bottle mtd screw elpv] [--seeds 0 1 2]

Each variant of a method (EfficientNet-Lite0, 128 x 128 unless it says otherwise) learns once from 60 good images.
It then scores, of 30 further good images, the images themselves and copies with synthetic defects:

    perlin    DRAEM: foreign textures inside a mask of Perlin noise
    cutpaste  a rectangle of the image pasted elsewhere
    scar      a thin one
    nsa       rectangles of another good image, blended in
    real 5    five real defects, cut by their masks and blended in (sets with masks); they leave the test set

and the real test images, at most 50 good and 60 defective ones, as `real`. The seed chooses all images and defects.
One row per set, seed, variant and kind of defects: `image_auroc`, and `f1`, the F1 on real test images at the threshold
with the highest F1 on this kind; for the kind `real` that is the oracle. A set and seed whose rows are stored are
skipped. Without a folder the table of rank correlations is printed.
"""

import argparse
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import Tensor

from adlib.data import Dataset, Sample, load_dataset, read_image, read_mask
from adlib.data.toy import make_toy
from adlib.detectors import make_detector
from adlib.evaluation import f1max, image_metrics
from adlib.experiments.presets import DEEP_LAYERS
from adlib.features.cache import TensorCache
from adlib.files import atomic_write
from adlib.progress import progress
from adlib.synthesis import cut, cutpaste, foreground, made_up_defects, nsa, paste_defect, scar, varied

TABLE = Path(__file__).parents[1] / "results/synthetic_choice/scores.csv"
CATEGORIES = {"toy": "tile", "bottle": "bottle", "mtd": None, "screw": "screw", "elpv": "mono"}
IN_FRONT = ("bottle",)  # sets with masks whose part does not fill the image
TRAIN, HELD_OUT, TEST_GOOD, TEST_DEFECTIVE, REAL = 60, 30, 50, 60, 5
SIDE = 256  # pixels at which defects are made
DEEP = DEEP_LAYERS["efficientnet_lite0"]
SMALL = {"resize": 128, "aspect": "square"}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "patchcore": ("patchcore", SMALL),
    "patchcore, top 1%": ("patchcore", SMALL | {"top_share": 0.01}),
    "patchcore, 64 px": ("patchcore", SMALL | {"resize": 64}),
    "patchcore, 192 px": ("patchcore", SMALL | {"resize": 192}),
    "patchcore, shallow": ("patchcore", SMALL | {"layers": ("blocks1", "blocks2")}),
    "patchcore, deep": ("patchcore", SMALL | {"layers": DEEP}),
    "patchcore, tiny bank": ("patchcore", SMALL | {"coreset": 20}),
    "softpatch": ("softpatch", SMALL),
    "padim": ("padim", SMALL),
    "spade": ("spade", SMALL | {"nearest_images": 10}),
    "gaussian": ("gaussian", SMALL),
    "gaussian, deep": ("gaussian", SMALL | {"layers": DEEP}),
    "n-pad": ("npad", SMALL),
    "n-pad, r = 0": ("npad", SMALL | {"radius": 0}),
    "anomalydino": ("anomalydino", SMALL | {"layers": DEEP, "rotate": False, "mask": "never"}),
    "subspacead": ("subspacead", SMALL | {"layers": DEEP, "rotate": False}),
    "rad": ("rad", SMALL | {"layers": DEEP}),
    "deep svdd": ("deep_svdd", {"resize": 64, "steps": 100}),
    "autoencoder": ("autoencoder", {"resize": 64, "steps": 80}),
    "stfpm": ("stfpm", SMALL | {"steps": 30}),
}
KEYS = ["set", "seed", "variant", "kind"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=CATEGORIES, default=list(CATEGORIES))
    parser.add_argument("--mvtec", help="folder of MVTec AD, for bottle and screw")
    parser.add_argument("--mtd", help="folder of Magnetic Tile Defects")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--cache", help="folder for features, which variants share; none by default")
    options = parser.parse_args()
    cache = TensorCache(options.cache) if options.cache else None
    folders = {"toy": "toy", "bottle": options.mvtec, "mtd": options.mtd, "screw": options.mvtec, "elpv": "elpv"}
    if options.mvtec or options.mtd:
        for seed in options.seeds:
            for name in options.sets:
                if folders[name] and not _is_stored(name, seed):
                    _store(_rows(_dataset(name, folders[name]), name, seed, cache))
    print(correlations(pd.read_csv(TABLE)).round(2).to_string(index=False))


def correlations(table: pd.DataFrame, draws: int = 1000) -> pd.DataFrame:
    """By set and kind, on means over seeds: Spearman's correlation with the real AUROC, and what choosing costs.

    low, high: of a 95% bootstrap interval over variants.
    regret: real AUROC of the best variant minus that of the variant with the best synthetic AUROC, in points.
    f1_lost: F1 at the threshold of the best F1 on real images minus that at the synthetic one, in points, mean over
        variants and seeds.
    """
    rows, rng = [], np.random.default_rng(0)
    for name, part in table.groupby("set", sort=False):
        auroc = part.pivot_table("image_auroc", "variant", "kind")
        f1 = part.pivot_table("f1", ["seed", "variant"], "kind")
        for kind in [k for k in part["kind"].unique() if k != "real"]:
            pair = auroc[[kind, "real"]].to_numpy()
            picks = rng.integers(len(pair), size=(draws, len(pair)))
            found = [spearmanr(*pair[pick].T).statistic for pick in picks]
            low, high = np.nanquantile(found, [0.025, 0.975])
            regret = 100 * (auroc["real"].max() - auroc["real"][auroc[kind].idxmax()])
            lost = 100 * (f1["real"] - f1[kind]).mean()
            rows.append([name, kind, len(pair), spearmanr(*pair.T).statistic, low, high, regret, lost])
    return pd.DataFrame(rows, columns=["set", "kind", "variants", "spearman", "low", "high", "regret", "f1_lost"])


def _dataset(name: str, folder: str) -> Dataset:
    if name != "toy":
        return load_dataset(folder, CATEGORIES[name])
    root = Path(tempfile.gettempdir()) / "adlib_synthetic_choice"
    make_toy(root, ["tile"], TRAIN + HELD_OUT, TEST_GOOD, TEST_DEFECTIVE // 4, progress=False)
    return load_dataset(root, "tile")


def _rows(dataset: Dataset, name: str, seed: int, cache: TensorCache | None) -> pd.DataFrame:
    """All variants on one set: real and synthetic scores of one fit each."""
    rng = np.random.default_rng(seed)
    train, held_out = np.split(rng.permutation(np.array(dataset.train_good, dtype=object)), [TRAIN])
    held_out = held_out[:HELD_OUT]
    good, bad = ([s for s in dataset.test if s.label == label] for label in (0, 1))
    good = [good[i] for i in rng.permutation(len(good))[:TEST_GOOD]]
    bad = [bad[i] for i in rng.permutation(len(bad))[: TEST_DEFECTIVE + REAL]]
    given = [s for s in bad if dataset.has_masks and _mask(s).any()][:REAL]
    bad = [s for s in bad if s not in given][:TEST_DEFECTIVE]
    made = _made(held_out, given, seed, parts=name in IN_FRONT)
    images = {"real": (good, bad), **{kind: (held_out, copies) for kind, copies in made.items()}}
    asked = [*good, *bad, *held_out, *(copy for copies in made.values() for copy in copies)]
    arrays = [_array(item) for item in asked]
    rows, learned = [], [_array(s) for s in train]
    for variant, (method, settings) in progress(VARIANTS.items(), label=f"{name} {seed}", unit="variant"):
        start = time.process_time()
        detector = make_detector(method, **settings, seed=seed).fit(learned, cache)
        scores = dict(zip(map(id, asked), detector.predict(arrays, cache).scores, strict=True))
        seconds = round(time.process_time() - start, 1)
        real = _labelled(scores, *images["real"])
        for kind, sides in images.items():
            labels, found = _labelled(scores, *sides)
            auroc, threshold = image_metrics(labels, found)["image_auroc"], f1max(labels, found)[1]
            rows.append(
                [name, seed, variant, kind, auroc, _f1(*real, threshold), len(sides[0]), len(sides[1]), seconds]
            )
    return pd.DataFrame(rows, columns=[*KEYS, "image_auroc", "f1", "good", "defective", "seconds"])


def _made(good: Sequence[Sample], given: Sequence[Sample], seed: int, parts: bool) -> dict[str, list[Tensor]]:
    """Kind -> a copy of every good image with a synthetic defect of this kind."""
    pixels = [_pixels(s) for s in good]
    crops = [cut(_pixels(s), _mask(s), margin=6) for s in given]

    def perlin(number: int) -> Tensor:
        others = torch.stack([pixels[number], pixels[number - 1]])
        while True:
            images, masks = made_up_defects(others, share=1.0)
            if masks[0].any():
                return images[0]

    def real(number: int) -> Tensor:
        part = foreground(pixels[number]) if parts else None
        return paste_defect(pixels[number], varied(crops[number % len(crops)]), part)[0]

    kinds: dict[str, Callable[[int], Tensor]] = {
        "perlin": perlin,
        "cutpaste": lambda number: cutpaste(pixels[number])[0],
        "scar": lambda number: scar(pixels[number])[0],
        "nsa": lambda number: nsa(pixels[number], pixels[number - 1])[0],
    }
    if crops:
        kinds[f"real {REAL}"] = real
    made = {}
    for kind, make in kinds.items():
        torch.manual_seed(zlib.crc32(f"{kind} {seed}".encode()))
        made[kind] = [make(number).clamp(0, 1) for number in range(len(pixels))]
    return made


def _pixels(sample: Sample) -> Tensor:
    """(3, 256, 256), so that all images of a set are alike."""
    image = read_image(sample.path).resize((SIDE, SIDE))
    return torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy()).float() / 255


def _mask(sample: Sample) -> Tensor:
    mask = torch.from_numpy(read_mask(sample.mask))[None].float()
    return torch.nn.functional.adaptive_max_pool2d(mask, SIDE).bool()


def _array(item: Sample | Tensor) -> np.ndarray:
    pixels = _pixels(item) if isinstance(item, Sample) else item
    return (pixels * 255).round().byte().permute(1, 2, 0).numpy()


def _labelled(scores: dict[int, float], good: Sequence[Any], bad: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat([0, 1], [len(good), len(bad)]), np.array([scores[id(item)] for item in [*good, *bad]])


def _f1(labels: np.ndarray, scores: np.ndarray, threshold: float) -> float:
    called = scores > threshold
    return 2 * (called & (labels == 1)).sum() / (called.sum() + labels.sum())


def _is_stored(name: str, seed: int) -> bool:
    return TABLE.exists() and bool(pd.read_csv(TABLE)[["set", "seed"]].eq([name, seed]).all(axis=1).any())


def _store(rows: pd.DataFrame) -> None:
    table = pd.concat([pd.read_csv(TABLE), rows]) if TABLE.exists() else rows
    TABLE.parent.mkdir(exist_ok=True)
    with atomic_write(TABLE) as file:
        table.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")


if __name__ == "__main__":
    main()
