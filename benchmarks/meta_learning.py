"""Does meta-training on rendered classes help at few shots? The table results/meta_learning/auroc.csv (chapter 10).

    python benchmarks/meta_learning.py --mvtec DIR --mtd DIR [--sets elpv bottle screw mtd] [--cache DIR]

Features are those of EfficientNet-Lite0 (three layers, images made square, 160 pixels: 10 x 10 patches), standardised
by the 48 rendered classes of `adlib.data.toy.classes`, 10 good images each. On these classes two networks of
`adlib.networks.episodes` are trained, 150 episodes of 8 classes; a third, `untrained`, is a registration network with
random weights. `frozen` are the features themselves. None sees a real image before the shots.

Each seed has its own networks and its own random shots, the same for all networks; 4 shots begin with the 2. A patch's
score is its cosine distance to the nearest patch of the shots, or its Mahalanobis distance (mean at each place, one
covariance of all patches, shrunk by 0.1); an image's score is its highest patch score. At most 100 good and 100
defective test images, sampled once. One row per set, seed, number of shots, network and score; a stored set is skipped.
Without a folder the table is printed. About two minutes on one core.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from adlib.data import Dataset, Sample, load_dataset
from adlib.data.toy.classes import render_class
from adlib.evaluation import draws_difference, image_metrics
from adlib.experiments.presets import DEEP_LAYERS
from adlib.features import FeatureSpec, Preprocess, extract, load_backbone, patch_vectors
from adlib.features.cache import TensorCache
from adlib.files import atomic_write
from adlib.networks.episodes import Prototypes, Registration, train_in_episodes
from adlib.progress import progress

TABLE = Path(__file__).parents[1] / "results/meta_learning/auroc.csv"
BACKBONE, SIZE = "efficientnet_lite0", 160
CATEGORIES = {"elpv": "mono", "bottle": "bottle", "screw": "screw", "mtd": "mtd"}
CLASSES, IMAGES, STEPS = 48, 10, 150
SEEDS, SHOTS = range(5), (2, 4)
TEST_OF_EACH = 100
SHRINKAGE = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=CATEGORIES, default=list(CATEGORIES))
    parser.add_argument("--mvtec", help="folder of MVTec AD, for bottle and screw")
    parser.add_argument("--mtd", help="folder of Magnetic Tile Defects")
    parser.add_argument("--cache", help="folder for features; none by default")
    options = parser.parse_args()
    folders = {"elpv": "elpv", "bottle": options.mvtec, "screw": options.mvtec, "mtd": options.mtd}
    wanted = [name for name in options.sets if folders[name] and name not in _stored()["set"].to_list()]
    if (options.mvtec or options.mtd) and wanted:
        _run(wanted, folders, TensorCache(options.cache) if options.cache else None)
    print(gains(_stored()).round(1).to_string(index=False))


def _run(wanted: Sequence[str], folders: dict[str, str], cache: TensorCache | None) -> None:
    rendered = [render_class(number, seed, 128) for number in range(CLASSES) for seed in range(IMAGES)]
    maps = features(rendered, cache)
    mean, std = maps.mean((0, 2, 3))[:, None, None], maps.std((0, 2, 3))[:, None, None]
    taught = ((maps - mean) / std).unflatten(0, (CLASSES, IMAGES))
    networks = {seed: trained(taught, seed) for seed in progress(SEEDS, label="networks", unit="seed")}
    for name in wanted:
        dataset = load_dataset(folders[name], CATEGORIES[name])
        test, pool = test_images(dataset), dataset.train_good
        judged = (features([s.path for s in test], cache) - mean) / std
        rows = []
        for seed in SEEDS:
            order = np.random.default_rng(seed).permutation(len(pool))[: max(SHOTS)]
            shown = (features([pool[i].path for i in order], cache) - mean) / std
            for row in _rows(networks[seed], judged, shown, [s.label for s in test]):
                rows.append({"set": name, "seed": seed} | row)
        _store(pd.DataFrame(rows))


def features(images: Sequence[Any], cache: TensorCache | None) -> Tensor:
    """(N, C, h, w) maps of all layers on one grid."""
    spec, maps = FeatureSpec(DEEP_LAYERS[BACKBONE], Preprocess(SIZE, aspect="square")), []
    for item in extract(load_backbone(BACKBONE), images, spec, cache=cache, show_progress=True):
        patches, grid = patch_vectors(item.maps, neighbourhood=1)
        maps.append(patches.T.unflatten(1, grid))
    return torch.stack(maps)


def trained(taught: Tensor, seed: int) -> dict[str, nn.Module]:
    """The networks of one seed."""
    torch.manual_seed(seed)
    channels = taught.shape[2]
    networks = {
        "untrained": Registration(channels),
        "registration": Registration(channels),
        "prototypes": Prototypes(channels),
    }
    for name, network in networks.items():
        rate, steps = (0.0, 20) if name == "untrained" else (1e-3, STEPS)  # it gets its channels' statistics only
        train_in_episodes(network, taught, steps, classes=8, rate=rate, seed=seed)
    return {"frozen": nn.Identity(), **networks}


def nearest(test: Tensor, shots: Tensor) -> Tensor:
    """(N, patches) cosine distances to the nearest patch of the shots; both are maps (N, C, h, w)."""
    known = normalize(shots.flatten(2), dim=1).transpose(1, 2).flatten(0, 1)  # (k * patches, C)
    return 1 - (normalize(test.flatten(2), dim=1).transpose(1, 2) @ known.T).amax(dim=2)


def gaussian(test: Tensor, shots: Tensor) -> Tensor:
    """(N, patches) Mahalanobis distances: the mean of each place, one covariance; both are maps (N, C, h, w)."""
    known, seen = shots.flatten(2).transpose(1, 2), test.flatten(2).transpose(1, 2)  # (N, patches, C)
    covariance = known.flatten(0, 1).T.cov(correction=0)
    level = SHRINKAGE * covariance.diagonal().mean()
    precision = torch.linalg.inv(covariance * (1 - SHRINKAGE) + level * torch.eye(len(covariance)))
    gaps = seen - known.mean(dim=0)
    return ((gaps @ precision) * gaps).sum(dim=2).sqrt()


SCORES = {"nearest": nearest, "gaussian": gaussian}


def _rows(
    networks: dict[str, nn.Module], judged: Tensor, shown: Tensor, labels: Sequence[int]
) -> Iterator[dict[str, Any]]:
    for network, describe in networks.items():
        with torch.no_grad():
            test, references = describe(judged), describe(shown)
        for shots in SHOTS:
            for score, rule in SCORES.items():
                auroc = image_metrics(labels, rule(test, references[:shots]).amax(dim=1))["image_auroc"]
                yield {"shots": shots, "network": network, "score": score, "image_auroc": auroc}


def test_images(dataset: Dataset) -> list[Sample]:
    """At most TEST_OF_EACH good and defective test images, the same in every call."""
    chosen: list[Sample] = []
    for label in (0, 1):
        samples = [s for s in dataset.test if s.label == label]
        chosen += [samples[i] for i in sorted(np.random.default_rng(0).permutation(len(samples))[:TEST_OF_EACH])]
    return chosen


def gains(rows: pd.DataFrame) -> pd.DataFrame:
    """Percentage points of each network over the frozen features, same score and shots, and the 95% interval."""
    values = 100 * rows.set_index(["set", "shots", "score", "seed", "network"])["image_auroc"].unstack()
    table = []
    for cell, of_seeds in values.groupby(level=["set", "shots", "score"], sort=False):
        for network in of_seeds.columns.drop("frozen"):
            gain = draws_difference(of_seeds[network], of_seeds["frozen"])
            table.append([*cell, network, of_seeds["frozen"].mean(), gain.value, gain.low, gain.high])
    return pd.DataFrame(table, columns=["set", "shots", "score", "network", "frozen", "gain", "low", "high"])


def _stored() -> pd.DataFrame:
    return pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame({"set": []})


def _store(rows: pd.DataFrame) -> None:
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    table = pd.concat([_stored(), rows]) if TABLE.exists() else rows
    with atomic_write(TABLE) as file:
        table.to_csv(file, index=False, float_format="%.4f", lineterminator="\n")


if __name__ == "__main__":
    main()
