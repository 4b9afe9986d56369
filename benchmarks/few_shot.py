"""SubspaceAD next to AnomalyDINO and PatchCore at few shots, on the same draws (rows in results/DATASET/few_shot).

    python benchmarks/few_shot.py bottle --data FOLDER
    python benchmarks/few_shot.py screw --data FOLDER [--shots 1 2 4] [--seeds 0 1 2]
    python benchmarks/few_shot.py mono --data elpv          (likewise tire and mtd)
    python benchmarks/few_shot.py bottle

EfficientNet-Lite0 at 256 pixels; references are rotated on `screw` alone, in the methods that can. SubspaceAD and
AnomalyDINO take the same layers, and so does RAD. MTD's tiles become squares; there and on `tire` no mask is read, so
that the rows are of images alone. Further lines, on `bottle` and `screw` alone, change
SubspaceAD: PatchCore's layers and window, AnomalyDINO's image score, 95% of the variance, the other choice of rotation.
Rows are stored one by one, so a stopped call resumes;
tools/pack_results.py packs them for a commit. The tables give percent, mean and standard deviation over seeds, of each
metric and of its differences from AnomalyDINO and PatchCore on the same draws. Without --data they are printed from the
stored rows.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from adlib.data import Dataset, load_dataset
from adlib.experiments.execution import run
from adlib.experiments.planning import plan
from adlib.experiments.presets import method_options
from adlib.experiments.protocol import Protocol
from adlib.experiments.store import Result, ResultStore
from adlib.features.cache import TensorCache
from adlib.progress import progress
from adlib.reports.titles import titled

RESULTS = Path(__file__).parents[1] / "results"
FOLDERS = {
    "bottle": "mvtec",
    "screw": "screw",
    "tire": "tire",
    "mtd": "mtd",
    "mono": "elpv",
}  # category -> folder of its rows
BACKBONE = "efficientnet_lite0"
METRICS = ("image_auroc", "pixel_auroc", "aupro")
REFERENCES = ("anomalydino", "patchcore")
Lines = tuple[tuple[str, dict[str, Any]], ...]  # method and changed options of each line
COMPARED: Lines = (("subspacead", {}), ("anomalydino", {}), ("patchcore", {}), ("rad", {}))
SETTINGS: Lines = (
    ("subspacead", {"layers": ("blocks2", "blocks4"), "neighbourhood": 3}),
    ("subspacead", {"score_over": "patches"}),
    ("subspacead", {"explained": 0.95}),
)
IMAGE_LEVEL = ("tire", "mtd")  # pixel metrics would take most of the time
OWN_SETTINGS = ("bottle", "screw")  # where SETTINGS ran
SQUARE = {"mtd": {"aspect": "square"}}  # tiles have any shape
SHOTS, SEEDS = (1, 2, 4), (0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("category", choices=FOLDERS)
    parser.add_argument("--data", help="folder of MVTec AD; without it the tables are printed")
    parser.add_argument("--shots", type=int, nargs="+", default=SHOTS)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = parser.parse_args()
    store = ResultStore(RESULTS / FOLDERS[options.category] / "few_shot")
    if options.data:
        dataset = load_dataset(options.data, options.category)
        if options.category in IMAGE_LEVEL:
            dataset = replace(dataset, samples=tuple(replace(s, mask=None) for s in dataset.samples))
        _run_missing(dataset, store, options.shots, options.seeds)
    for name, shown in tables(list(store.results())).items():
        print(f"\n{options.category}: {name}, percent\n{shown.to_string()}")


def tables(results: list[Result]) -> dict[str, pd.DataFrame]:
    """Metric -> a row per line and a column per number of shots and entry; a metric without values is left out."""
    rows = titled(results).set_index(["shots", "seed", "method"])
    return {name: _table(100 * rows[name].astype(float).unstack()) for name in METRICS if rows[name].notna().any()}


def _table(values: pd.DataFrame) -> pd.DataFrame:
    """Mean and deviation over seeds, of the metric and of its differences from each of REFERENCES on the same draws.

    values: (shots, seed) x line, percent.
    """
    entries = {"value": values} | {f"- {name}": values.sub(_of_method(values, name), axis=0) for name in REFERENCES}
    columns = {
        (k, entry): _spread(of_draws.loc[k]) for k in values.index.unique(0) for entry, of_draws in entries.items()
    }
    return pd.DataFrame(columns)


def _spread(of_draws: pd.DataFrame) -> pd.Series:
    mean, deviation = of_draws.mean().map("{:.1f}".format), of_draws.std().map("{:.1f}".format)
    return mean + " ± " + deviation


def _of_method(values: pd.DataFrame, method: str) -> pd.Series:
    (line,) = [name for name in values if name.split()[0] == method]
    return values[line]


def _run_missing(dataset: Dataset, store: ResultStore, shots: list[int], seeds: list[int]) -> None:
    cells = [replace(first, shots=k, seed=seed) for first in _settings(dataset) for k in shots for seed in seeds]
    cache = TensorCache()
    for protocol in progress([cell for cell in cells if cell not in store], label="few shots", unit="run"):
        run(protocol, dataset, store, cache=cache)


def _settings(dataset: Dataset) -> list[Protocol]:
    """The protocols of all lines of the table, at one shot."""
    category = dataset.categories[0]
    protocols = []
    own_settings = (*SETTINGS, ("subspacead", {"rotate": category != "screw"})) if category in OWN_SETTINGS else ()
    for method, changed in (*COMPARED, *own_settings):
        own = method_options(method, dataset.name, category, BACKBONE, preprocess="informed", shots=1)
        own |= SQUARE.get(category, {}) | changed
        protocols.append(plan(dataset, method, backbone=BACKBONE, shots=1, options=own))
    return protocols


if __name__ == "__main__":
    main()
