"""What each switch of PatchCore changes: one at a time from the paper's setting, on one category (chapter 20).

    python benchmarks/patchcore_factors.py --data FOLDER [--category bottle] [--backbone resnet18] [--weights FILE]

Rows are stored one by one, so a run that was stopped goes on; without --data the table of what is stored is printed.
"""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from adlib.data import load_dataset
from adlib.experiments.protocol import Protocol
from adlib.experiments.run import Machine, plan, run
from adlib.experiments.store import Result, ResultStore
from adlib.features.cache import TensorCache
from adlib.progress import progress

RESULTS = Path(__file__).parents[1] / "results/bottle_patchcore"
# The equations of the paper, with the smallest of its three coresets; b of eq. 7 is not stated there.
PAPER: dict[str, Any] = {
    "resize": 256,
    "crop": 224,
    "pooling": "mean",
    "distance": "euclidean",
    "reweight": 9,
    "coreset": 0.01,
    "coreset_method": "greedy",
    "neighbourhood": 3,
}
# Another resolution keeps the share that the crop leaves, so that only the size of a pixel changes.
CHANGES: list[dict[str, Any]] = [
    {},
    {"pooling": "official"},
    {"distance": "squared"},
    {"reweight": 0},
    {"crop": None},
    {"neighbourhood": 1},
    {"neighbourhood": 5},
    {"layers": ("layer2",)},
    {"layers": ("layer3",)},
    {"resize": 224, "crop": 196},
    {"resize": 320, "crop": 280},
    {"coreset_method": "approximate"},
    {"coreset_method": "random"},
    {"coreset": 0.1, "coreset_method": "random"},
    {"coreset": 0.1, "coreset_method": "approximate"},
    {"coreset": 0.1},
    {"coreset": 1.0},
]
RESNET_ONLY = ("layers",)
SHOWN = ("image_auroc", "image_ap", "pixel_auroc", "pixel_ap", "pixel_f1max", "aupro")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder in MVTec layout")
    parser.add_argument("--category", default="bottle")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--weights", help="file of the backbone's weights")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the coreset's start")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    store = ResultStore(options.results)
    if options.data:
        dataset, machine = load_dataset(options.data, options.category), Machine(options.weights)
        changes = [c for c in CHANGES if options.backbone.startswith("resnet") or not set(c) & set(RESNET_ONLY)]
        cells = [(change, seed) for seed in options.seeds for change in changes]
        for change, seed in progress(cells, label="factors", unit="run"):
            chosen = {"backbone": options.backbone, "options": PAPER | change, "seed": seed, "map_frame": "network"}
            run(
                plan(dataset, "patchcore", machine=machine, **chosen),
                dataset,
                store,
                cache=TensorCache(),
                machine=machine,
            )
    print(table(store, options.category, options.backbone).to_string(index=False))


def table(store: ResultStore, category: str, backbone: str) -> pd.DataFrame:
    """What is stored of the factors, in their order: percent, a mean over seeds, and seconds."""
    found: dict[str, list[Result]] = {_words(change): [] for change in CHANGES}
    for result in store.results():
        protocol = result.protocol
        if (protocol.category, protocol.backbone, protocol.map_frame) == (category, backbone, "network"):
            for change in CHANGES:
                if _is(protocol, PAPER | change):
                    found[_words(change)].append(result)
    rows = []
    for words, results in found.items():
        numbers = {name: pd.Series([100 * r.metrics[name] for r in results], dtype=float) for name in SHOWN}
        row = {"change": words, "runs": len(results)} | {name: round(v.mean(), 2) for name, v in numbers.items()}
        for name in ("fit_s", "predict_s_per_image"):
            row[name] = round(pd.Series([r.row["timings"][name] for r in results], dtype=float).mean(), 2)
        rows.append(row)
    return pd.DataFrame(rows)


def _is(protocol: Protocol, options: dict[str, Any]) -> bool:
    return dict(protocol.options) == dict(Protocol(**_same(protocol) | {"options": options}).options)


def _same(protocol: Protocol) -> dict[str, Any]:
    return {name: value for name, value in protocol.as_dict().items() if name != "options"}


def _words(change: dict[str, Any]) -> str:
    said = ", ".join(f"{k} {'+'.join(v) if isinstance(v, tuple) else v}" for k, v in change.items())
    return said or "the paper's setting"


if __name__ == "__main__":
    main()
