"""Small reconstruction networks on toy tiles, by seed: results/toy/reconstruction/tile.csv, for chapters 07 and 08.

    python benchmarks/reconstruction_seeds.py [--seeds 0 1 2]

The chapters train each network once; a sentence about a difference needs several seeds. Images, networks and steps are
those of the chapters: 60 good tiles of 64 pixels to learn from, 24 good and 24 defective ones to judge. One row per
setting and seed: the detection metrics, the image AUROC of each kind of defect, `copied` (the fraction of a defect that
comes back, see chapter 07), `sharpness` (the mean step between neighbouring pixels of reconstructed good images, as a
fraction of the images' own), and the highest smoothed error inside a defect (`defect_peak`) and in a good image
(`good_peak`). For DRAEM, whose map is no error, the peaks are of its map. `synthetic_auroc` and `synthetic_pixel_auroc`
judge good images with synthetic defects against good images, and `repair_auroc` and `repair_pixel_auroc` the smoothed
squared difference between image and repair. Rows that exist are kept, so it resumes.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter

from adlib.data.toy import CATEGORIES, pair, render
from adlib.detectors import make_detector
from adlib.detectors.draem import DRAEM
from adlib.evaluation import image_metrics, pixel_metrics
from adlib.files import atomic_write
from adlib.synthesis import made_up_defects

TABLE = Path(__file__).parents[1] / "results/toy/reconstruction/tile.csv"
SIDE, LEARNED, JUDGED = 64, 60, 24
SMALL = {"resize": SIDE, "width": 8, "depth": 3}
PLAIN = SMALL | {"steps": 160, "learning_rate": 0.01, "bottleneck": 16}
SETTINGS = {
    "autoencoder": ("autoencoder", PLAIN | {"loss": "l2"}),
    "SSIM autoencoder": ("autoencoder", PLAIN | {"loss": "ssim"}),
    "VAE": ("vae", PLAIN | {"kl_weight": 1.0}),
    "VAE, weight 10": ("vae", PLAIN | {"kl_weight": 10.0}),
    "U-Net": ("autoencoder", PLAIN | {"loss": "l2", "skips": 3}),
    "DRAEM": ("draem", SMALL | {"steps": 250, "learning_rate": 3e-3}),
}
KINDS = CATEGORIES["tile"]
KEY = ["setting", "seed"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of weights, batches and defects")
    options = parser.parse_args()
    table = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=KEY)
    for seed in options.seeds:
        for setting in SETTINGS:
            if not ((table["setting"] == setting) & (table["seed"] == seed)).any():
                table = pd.concat([table, pd.DataFrame([_row(setting, seed)])], ignore_index=True)
                table = table.sort_values(KEY, key=lambda c: c.map([*SETTINGS].index) if c.name == "setting" else c)
                with atomic_write(TABLE) as file:
                    table.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")
                print(f"{setting}, seed {seed}", flush=True)


def _row(setting: str, seed: int) -> dict[str, float | int | str]:
    train = [render("tile", None, number, SIDE)[0] for number in range(LEARNED)]
    good = np.stack([render("tile", None, 5000 + number, SIDE)[0] for number in range(JUDGED)])
    made = [pair("tile", KINDS[number % len(KINDS)], 2000 + number, SIDE) for number in range(JUDGED)]
    bad, twin, truth = (np.stack([one[part] for one in made]) for part in range(3))
    truth = truth > 0
    method, options = SETTINGS[setting]
    detector = make_detector(method, **options, seed=seed).fit(train)
    found = detector.predict([*good, *bad])
    maps = [found.anomaly_map(number) for number in range(len(found))]
    flaw, back = (bad / 255 - twin / 255)[truth], (_returned(detector, bad) - _returned(detector, twin))[truth]
    step, own = (np.abs(np.diff(part, axis=1)).mean() for part in (_returned(detector, good), good / 255))
    labels = np.repeat([0, 1], JUDGED)
    kinds = np.array([*[""] * JUDGED, *(KINDS[number % len(KINDS)] for number in range(JUDGED))])
    row = {
        "setting": setting,
        "seed": seed,
        "image_auroc": image_metrics(labels, found.scores)["image_auroc"],
        "pixel_auroc": pixel_metrics(maps, [*np.zeros_like(truth), *truth])["pixel_auroc"],
        "copied": (back * flaw).sum() / (flaw**2).sum(),
        "sharpness": step / own,
        "good_peak": np.mean([one.max() for one in maps[:JUDGED]]),
        "defect_peak": np.mean([one[inside].max() for one, inside in zip(maps[JUDGED:], truth, strict=True)]),
    }
    scores = np.array(found.scores)
    for kind in KINDS:
        shown = (kinds == "") | (kinds == kind)
        row[kind] = image_metrics(labels[shown], scores[shown])["image_auroc"]
    return row | (_draem_row(detector, good, bad, truth) if setting == "DRAEM" else {})


def _draem_row(detector: DRAEM, good: np.ndarray, bad: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    torch.manual_seed(0)
    spoiled, masks = made_up_defects(_tensor(good), share=1.0)
    hit = masks.flatten(1).any(dim=1).numpy()  # a few masks are empty
    images = (255 * spoiled.permute(0, 2, 3, 1)).round().numpy().astype(np.uint8)[hit]
    found = detector.predict([*good, *images])
    maps = [found.anomaly_map(number) for number in range(len(found))]
    errors = [
        gaussian_filter(((_returned(detector, part) - part / 255) ** 2).mean(axis=-1), (0, 2, 2))
        for part in (good, bad)
    ]
    return {
        "synthetic_auroc": image_metrics([0] * JUDGED + [1] * hit.sum(), found.scores)["image_auroc"],
        "synthetic_pixel_auroc": pixel_metrics(maps, [*np.zeros_like(truth[:JUDGED]), *masks[:, 0].numpy()[hit]])[
            "pixel_auroc"
        ],
        "repair_auroc": image_metrics([0] * JUDGED + [1] * JUDGED, [one.max() for part in errors for one in part])[
            "image_auroc"
        ],
        "repair_pixel_auroc": pixel_metrics([*errors[0], *errors[1]], [*np.zeros_like(truth), *truth])["pixel_auroc"],
    }


@torch.inference_mode()
def _returned(detector: object, images: np.ndarray) -> np.ndarray:
    network = detector.network_
    give_back = network.repair if isinstance(detector, DRAEM) else network
    return give_back(_tensor(images)).permute(0, 2, 3, 1).numpy()


def _tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


if __name__ == "__main__":
    main()
