"""What each switch of PatchCore changes, one at a time from the paper's setting, and how many images it needs.

    python benchmarks/patchcore_factors.py --data FOLDER|elpv [--category NAME] [--backbone resnet18] [--weights FILE]

Rows are stored one by one in results/DATASET/patchcore, so a stopped call resumes; tools/pack_results.py packs them for
a commit. Without --data the tables of the stored rows are printed. Chapter 20 reads the same rows.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from adlib.data import load_dataset
from adlib.detectors.patchcore import OFFICIAL
from adlib.experiments.execution import run
from adlib.experiments.planning import Machine, plan
from adlib.experiments.protocol import Protocol
from adlib.experiments.store import Result, ResultStore
from adlib.features.cache import TensorCache
from adlib.progress import progress

RESULTS = Path(__file__).parents[1] / "results"
FOLDERS = {"bottle": "mvtec/patchcore", "mtd": "mtd/patchcore", "mono": "elpv/patchcore"}
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
# Another resolution keeps the fraction that the crop leaves, so that only the size of a pixel changes; the whole image
# resized to the crop's 224 x 224 keeps the number of patches, so that only the visible area changes.
# IVFPQ has the lists, pieces and bits of the official code's approximate search, whose default is 1 probe.
IVFPQ = {"method": "patchcore_ivfpq", "lists": 512, "subquantizers": 64, "bits": 8}
CODE: dict[str, Any] = {name: value for name, value in OFFICIAL.items() if name not in ("resize", "crop")}
CHANGES: list[dict[str, Any]] = [
    {},
    {"pooling": "official"},
    {"distance": "squared"},
    {"reweight": 0},
    CODE,
    CODE | {"coreset": 0.1},  # with the bank size of the paper for tiles
    {"crop": None},
    {"resize": 224, "crop": None, "aspect": "square"},
    {"resize": 224, "crop": None, "aspect": "square", "coreset": 0.1},  # the changes that help tiles most, together
    {"neighbourhood": 1},
    {"neighbourhood": 5},
    {"layers": ("layer2",)},
    {"layers": ("layer3",)},
    {"resize": 224, "crop": 196},
    {"resize": 320, "crop": 280},
    {"coreset_method": "approximate"},
    {"coreset_method": "random"},
    {"coreset": 0.1},
    {"coreset": 0.1, "coreset_method": "random"},
    {"coreset": 0.1, "coreset_method": "approximate"},
    {"coreset": 0.25},
    {"coreset": 1.0},
    IVFPQ | {"probes": 1, "coreset": 0.1},
    IVFPQ | {"probes": 16, "coreset": 0.1},
    IVFPQ | {"probes": 1, "coreset": 1.0},
    IVFPQ | {"probes": 16, "coreset": 1.0},
]
RESNET_ONLY = ("layers",)
# The paper's setting is run with several starts of the coreset: their differences are chance.
START_SEEDS = (0, 1, 2)
# 1% of one image would be seven patches, so 10% at all shots.
FEW_SHOTS = PAPER | {"coreset": 0.1}
SHOTS = (1, 2, 4, 5, 8, 10, 16, 20, 50)
SHOWN = ("image_auroc", "image_ap", "pixel_auroc", "pixel_ap", "pixel_f1max", "aupro")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of a data set (MVTec layout, or MTD), or elpv")
    parser.add_argument("--category", help="where the data set has several; of elpv: mono")
    parser.add_argument("--backbone", default="resnet18", help="name of the network")
    parser.add_argument("--weights", help="file of the backbone's weights")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of the coreset's start")
    parser.add_argument("--shots", type=int, nargs="*", default=[], help="instead: few-shot runs, three seeds each")
    parser.add_argument("--largest", type=float, default=1.0, help="leave out larger coresets (fraction)")
    options = parser.parse_args()
    if options.data:
        category = options.category or ("mono" if options.data == "elpv" else None)
        dataset, machine = load_dataset(options.data, category), Machine(options.weights)
        store = ResultStore(RESULTS / FOLDERS.get(dataset.categories[0], f"{dataset.categories[0]}/patchcore"))
        for chosen in progress(list(_cells(options)), label=dataset.categories[0], unit="run"):
            protocol = plan(dataset, machine=machine, backbone=options.backbone, map_frame="network", **chosen)
            run(protocol, dataset, store, cache=TensorCache(), machine=machine)
    for category, folder in FOLDERS.items():
        results = list(ResultStore(RESULTS / folder).results())
        print(f"\n{category}, {options.backbone}, from the paper's setting\n")
        print(factors(results, options.backbone).to_string(index=False))
        print(few_shots(results, options.backbone).to_string(index=False))


def _cells(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Arguments of `plan`, in the order in which they are run."""
    if options.shots:
        for shots in options.shots:
            for seed in (0, 1, 2):
                references = {"shots": shots, "selection": "random", "seed": seed}
                yield {"method": "patchcore"} | references | {"options": FEW_SHOTS}
        return
    for change in CHANGES:
        needs_resnet = set(change) & set(RESNET_ONLY)
        too_large = change.get("coreset", 0) > options.largest
        if not too_large and (options.backbone.startswith("resnet") or not needs_resnet):
            for seed in sorted({*options.seeds, *(() if change else START_SEEDS)}):
                yield {"seed": seed} | _setting(change)


def _setting(change: dict[str, Any]) -> dict[str, Any]:
    """Method and options of a change from the paper's setting."""
    options = {name: value for name, value in change.items() if name != "method"}
    return {"method": change.get("method", "patchcore"), "options": PAPER | options}


def factors(results: list[Result], backbone: str) -> pd.DataFrame:
    """Stored rows of the factors, in their order: percent, a mean over seeds, and seconds."""
    rows = []
    for change in CHANGES:
        runs = [r for r in results if r.protocol.shots is None and _is(r.protocol, backbone, **_setting(change))]
        rows.append({"change": _words(change)} | _means(runs))
    return pd.DataFrame(rows)


def few_shots(results: list[Result], backbone: str) -> pd.DataFrame:
    """Stored few-shot rows: percent, a mean over seeds, and seconds."""
    runs = [r for r in results if _is(r.protocol, backbone, "patchcore", FEW_SHOTS)]
    return pd.DataFrame([{"shots": shots} | _means([r for r in runs if r.protocol.shots == shots]) for shots in SHOTS])


def _means(results: list[Result]) -> dict[str, Any]:
    numbers = {name: [r.metrics[name] for r in results] for name in SHOWN}
    row = {name: round(100 * pd.Series(values, dtype=float).mean(), 2) for name, values in numbers.items()}
    for name in ("fit_s", "predict_s_per_image"):
        row[name] = round(pd.Series([r.row["timings"][name] for r in results], dtype=float).mean(), 2)
    return {"runs": len(results)} | row


def _is(protocol: Protocol, backbone: str, method: str, options: dict[str, Any]) -> bool:
    if (protocol.method, protocol.backbone, protocol.map_frame) != (method, backbone, "network"):
        return False
    same = {name: value for name, value in protocol.as_dict().items() if name != "options"}
    return dict(protocol.options) == dict(Protocol(**same | {"options": options}).options)


def _words(change: dict[str, Any]) -> str:
    if change.get("pooling") == "official" and len(change) > 1:
        return "all switches of the official code" + (f", coreset {change['coreset']:g}" if "coreset" in change else "")
    if "method" in change:
        return f"IVFPQ, {change['probes']} probe(s), coreset {change['coreset']:g}"
    words = ", ".join(f"{k} {'+'.join(v) if isinstance(v, tuple) else v}" for k, v in change.items())
    return words or "the paper's setting"


if __name__ == "__main__":
    main()
