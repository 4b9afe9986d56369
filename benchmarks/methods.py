"""Rows for the comparison of all methods (chapter 14), by method, data set and seed, in results/DATASET/methods.

    python benchmarks/methods.py --all [--mvtec DIR] [--mtd DIR] [--welds DIR] [--tire DIR] [--sets toy elpv ...]
        [--method NAME ...]
    python benchmarks/methods.py --method NAME --data elpv|toy|DIR [--category NAME] [--backbone NAME]
        [--weights FILE] [--set NAME=VALUE ...] [--seeds 0 1 2] [--store NAME]

The first form runs every cell of the table that has no row yet, cheap data sets first; a killed call resumes where it
stopped. A cell counts as done whatever the setting of its row, but not if its method has a new revision. The second
form runs one method with another setting: give --store as well, or first delete the row of the other setting, since two
rows of one method confuse the comparison. results/mtd/settings has such rows: `--set steps=300` of methods that train,
`--set aspect=keep` of the Gaussian, `--set nearest_images=1` and 5 of SPADE. Without --method and --all the tables of
the stored rows are printed. VALUE is read as JSON, or as text where it is not JSON. New rows are single files next to
the packed rows; pack them with tools/pack_results.py to commit them.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adlib.cli.arguments import settings
from adlib.data import Dataset, load_dataset
from adlib.detectors.registry import DETECTORS, default_backbone
from adlib.errors import InputError
from adlib.experiments.execution import run
from adlib.experiments.planning import Machine, plan
from adlib.experiments.presets import method_options
from adlib.experiments.store import ResultStore, as_frame
from adlib.features.cache import TensorCache

RESULTS = Path(__file__).parents[1] / "results"
FOLDERS = {"bottle": "mvtec"}  # part -> its folder, where the names differ
SHOWN = ["image_auroc", "image_ap", "pixel_auroc", "pixel_f1max", "aupro"]
# PatchCore with another index, which counted twice would shift every rank; MuSc and MAEDAY, which are given no good
# images; DevNet, which is given defects; and WinCLIP, whose weights no package has.
LEFT_OUT = {"patchcore_ivfpq", "musc", "maeday", "devnet", "winclip"}


@dataclass(frozen=True)
class Part:
    """A data set of the comparison, and what its protocol fixes for every method.

    categories: names.
    argument: the option that gives its folder; None where the data set is installed.
    shots: number of good images to learn from, the same images for all methods; None for all.
    seeds: of everything random, the selection of these images included.
    steps: training steps; None for each method's own.
    options: parameters of every method.
    methods: names of the methods that are run; () for all.
    """

    categories: tuple[str, ...]
    argument: str | None = None
    shots: int | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int | None = 300
    options: Mapping[str, Any] = field(default_factory=dict)
    methods: tuple[str, ...] = ()


# Methods of which `screw` and `tire` show whether they need aligned parts; AnomalyDINO learns from few images there
# (anomalydino_factors.py).
ASKED_FOR_ALIGNMENT = ("patchcore", "padim", "spade", "gaussian", "fastflow", "reverse_distillation", "stfpm")
# Cheap data sets first. Toy images are halved in size, so each of a method's 12 runs costs a quarter. 20 of their 40
# good images remain, enough to hold out for a threshold; with fewer, it would take one training per image. Weld tiles
# have 160 pixels; they overlap, so 200 of the 798 good tiles hold most of what there is to learn. Magnetic tiles have
# any shape, and methods that train need one shape; there are so many that 300 batches show each image three times, and
# 1,100 as often as 300 show a bottle.
PARTS = {
    "toy": Part(("weld", "tile", "nut", "fabric"), shots=20, options={"resize": 128}),
    "elpv": Part(("mono",)),
    "bottle": Part(("bottle",), "mvtec", steps=None),
    "welds": Part(("gdxray_weld",), "welds", shots=200, options={"resize": 160}),
    "mtd": Part(("mtd",), "mtd", steps=1100, options={"aspect": "square"}),
    "screw": Part(("screw",), "mvtec", steps=None, methods=ASKED_FOR_ALIGNMENT),
    "tire": Part(("tire",), "tire", steps=None, methods=ASKED_FOR_ALIGNMENT),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="run every cell without a row")
    parser.add_argument("--sets", nargs="+", choices=PARTS, default=list(PARTS), help="with --all: only these sets")
    parser.add_argument("--mvtec", help="with --all: folder of MVTec AD, for bottle and screw")
    parser.add_argument("--mtd", help="with --all: folder of Magnetic Tile Defects")
    parser.add_argument("--tire", help="with --all: folder of MVTec 3D-AD's tire, RGB images in MVTec's layout")
    parser.add_argument("--welds", help="with --all: folder of weld tiles from data_scripts/gdxray_welds.py")
    parser.add_argument("--method", nargs="+", choices=DETECTORS, default=[], help="methods; with --all: only these")
    parser.add_argument("--data", help="one method: folder of a data set, elpv or toy")
    parser.add_argument("--category", help="one method: where the data set has several")
    parser.add_argument("--backbone", help="default: the method's own")
    parser.add_argument("--weights", help="file of the backbone's weights")
    parser.add_argument("--device", help="cpu or cuda (default: whatever is available)")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="parameters of the method")
    parser.add_argument("--seeds", type=int, nargs="+", help="default: the seeds of the data set")
    parser.add_argument("--split-seed", type=int, default=0, help="seed of MTD's split")
    parser.add_argument("--store", help="one method: folder below results/ for its rows, not the comparison's")
    options = parser.parse_args()
    if options.all and options.store:
        parser.error("--all fills the folders of the comparison; use --store with --method and --data")
    failures = 0
    if options.all:
        failures = _run_missing(options)
    elif options.method:
        if not options.data:
            parser.error("--method needs --data (a folder, elpv or toy) or --all")
        category = options.category or ("mono" if options.data == "elpv" else None)
        dataset = load_dataset(options.data, category, split_seed=options.split_seed)
        name = next((name for name, part in PARTS.items() if dataset.categories[0] in part.categories), None)
        for method in options.method:
            for seed in options.seeds or [0]:
                _run(dataset, name, method, seed, options)
    _print_tables()
    return 1 if failures else 0


def _run_missing(options: argparse.Namespace) -> int:
    """Run every cell without a row; returns how many could not be run."""
    folders = {}
    for name in options.sets:
        argument = PARTS[name].argument
        folders[name] = getattr(options, argument) if argument else name
        if folders[name] is None:
            print(f"{name}: left out, since --{argument} is not given", flush=True)
            del folders[name]
    done = {
        (name, r.protocol.method, r.protocol.category, r.protocol.seed)
        for name in folders
        for r in store_of(name).results()
        if r.protocol.revision == DETECTORS[r.protocol.method].revision
    }
    failures = 0
    for name, method, category, seed in _cells(folders, options):
        if (name, method, category, seed) in done:
            continue
        print(f"{name}: {method}, {category}, seed {seed}", flush=True)
        try:
            _run(load_dataset(folders[name], category, split_seed=options.split_seed), name, method, seed, options)
        except InputError as error:
            failures += 1
            print(f"  could not be run: {error}", flush=True)
    return failures


def _cells(names: Iterable[str], options: argparse.Namespace) -> list[tuple[str, str, str, int]]:
    """Every cell, lowest seeds first: ranks need all methods on all data sets before a spread."""
    cells = [
        (name, method, category, seed)
        for name in names
        for method in options.method or PARTS[name].methods or [m for m in DETECTORS if m not in LEFT_OUT]
        for category in PARTS[name].categories
        for seed in options.seeds or PARTS[name].seeds
    ]
    return sorted(cells, key=lambda cell: cell[3])


def _run(dataset: Dataset, name: str | None, method: str, seed: int, options: argparse.Namespace) -> None:
    """Run one cell; name: the data set's name in the comparison, None for another data set."""
    part = PARTS.get(name, Part(dataset.categories))
    backbone = options.backbone or default_backbone(method)
    machine = Machine(options.weights, options.device)
    own = method_options(method, dataset.name, dataset.categories[0], backbone, preprocess="informed", shots=part.shots)
    if part.steps and "steps" in DETECTORS[method].parameter_defaults():
        own["steps"] = part.steps
    protocol = plan(
        dataset,
        method,
        backbone=backbone,
        shots=part.shots,
        selection="slice" if part.shots is None else "random",
        seed=seed,
        split_seed=options.split_seed,
        options=own | dict(part.options) | settings(options.set),
        machine=machine,
    )
    store = ResultStore(RESULTS / options.store) if options.store else store_of(name or dataset.categories[0])
    run(protocol, dataset, store, cache=TensorCache(), machine=machine)


def folder_of(name: str) -> Path:
    """The folder of the results on a data set of the comparison."""
    return RESULTS / FOLDERS.get(name, name)


def store_of(name: str) -> ResultStore:
    """The rows of a data set of the comparison."""
    return ResultStore(folder_of(name) / "methods")


def _print_tables() -> None:
    for name in PARTS:
        rows = as_frame(store_of(name).results())
        if len(rows):
            shown = rows.set_index(["category", "method", "backbone", "seed"])[SHOWN].astype(float)
            print(f"\n{name}\n{shown.sort_index().round(3).to_string()}")


if __name__ == "__main__":
    sys.exit(main())
