"""What the switches between AnomalyDINO's paper and its official code change, each alone and all of them.

    python benchmarks/anomalydino_switches.py --data FOLDER --category bottle --backbone dinov2_vits14 --weights FILE
    python benchmarks/anomalydino_switches.py --data toy --category nut --backbone efficientnet_lite0 --shots 0 4
    python benchmarks/anomalydino_switches.py --data FOLDER --category bottle --set mask=always mask_threshold=4

Rows are stored one by one, so a stopped call resumes. The table gives percent, means over seeds, and the rank
correlation of the image scores with those of the default. Batched zero-shot (0 shots) has one draw, and `batch_share`
has an effect there alone. A network other than DINOv2 is not masked unless --set says so.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import spearmanr

from adlib.cli.arguments import settings
from adlib.data import Dataset, load_dataset
from adlib.detectors.anomalydino import OFFICIAL
from adlib.experiments.execution import run
from adlib.experiments.planning import Machine, plan
from adlib.experiments.presets import method_options
from adlib.experiments.protocol import Protocol
from adlib.experiments.shared_work import share_distances
from adlib.experiments.store import Result, ResultStore
from adlib.features.cache import TensorCache
from adlib.progress import progress

RESULTS = Path(__file__).parents[1] / "results"
DEFAULT, ALL = "default", "all of them"
CHANGES: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    **{f"{name}={value}": {name: value} for name, value in OFFICIAL.items()},
    ALL: OFFICIAL,
}
METRICS = ("image_auroc", "pixel_auroc", "aupro")


def main() -> None:
    options = _arguments()
    dataset = load_dataset(options.data, options.category)
    machine, cache = Machine(options.weights, options.device), TensorCache()
    store = ResultStore(options.results or RESULTS / dataset.name / "anomalydino_switches")
    cells = {(shots, name): _protocols(options, dataset, machine, shots, name) for shots, name in _cells(options.shots)}
    waiting = [protocol for protocols in cells.values() for protocol in protocols if protocol not in store]
    share_distances(waiting, dataset, cache, machine, show_progress=True)
    for protocol in progress(waiting, label="switches", unit="run"):
        run(protocol, dataset, store, machine=machine, cache=cache)
    results = {cell: [store.get(protocol) for protocol in protocols] for cell, protocols in cells.items()}
    print(table(results).to_string())


def table(results: dict[tuple[int, str], list[Result]]) -> pd.DataFrame:
    """One row per number of shots and switch; results: (shots, name of a change) -> one result per seed."""
    rows = {}
    for (shots, name), of_seeds in results.items():
        metrics = pd.DataFrame([result.metrics for result in of_seeds])[list(METRICS)].astype(float)
        row = (100 * metrics.mean()).round(2)
        pairs = zip(of_seeds, results[shots, DEFAULT], strict=True)
        row["rank correlation"] = round(sum(_rank_correlation(*pair) for pair in pairs) / len(of_seeds), 4)
        rows[shots, name] = row
    frame = pd.DataFrame(rows).T
    frame.index.names = ["shots", "switch"]
    return frame


def _rank_correlation(one: Result, other: Result) -> float:
    both = one.scores.merge(other.scores, on="image", validate="one_to_one")
    return spearmanr(both["score_x"], both["score_y"]).statistic


def _cells(shots: list[int]) -> Iterator[tuple[int, str]]:
    for count in shots:
        yield from ((count, name) for name, change in CHANGES.items() if count == 0 or list(change) != ["batch_share"])


def _protocols(
    options: argparse.Namespace, dataset: Dataset, machine: Machine, shots: int, name: str
) -> list[Protocol]:
    """The protocols of one cell, one for each seed."""
    common = method_options(
        "anomalydino",
        dataset.name,
        options.category,
        options.backbone,
        resolution=options.resolution,
        preprocess=options.preprocess,
    )
    changed = common | settings(options.set) | CHANGES[name]
    first = plan(dataset, "anomalydino", backbone=options.backbone, shots=shots, options=changed, machine=machine)
    return [replace(first, seed=seed) for seed in (options.seeds if shots else options.seeds[:1])]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="toy, elpv or a folder")
    parser.add_argument("--category", required=True)
    parser.add_argument("--backbone", default="dinov2_vits14")
    parser.add_argument("--weights", help="file of the backbone's weights")
    parser.add_argument("--device", help="cpu, cuda, ... (default: a GPU if available)")
    parser.add_argument("--resolution", type=int, help="shorter side in pixels (default: the method's)")
    parser.add_argument("--preprocess", default="agnostic", help="rotation and masking, as in `adlib run`")
    parser.add_argument("--shots", type=int, nargs="+", default=[0, 1, 4], help="0: batched zero-shot")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="other parameters of AnomalyDINO")
    parser.add_argument("--results", type=Path, help="folder of results (default: below results/)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
