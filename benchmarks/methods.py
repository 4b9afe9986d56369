"""One row a method and setting for the comparison of all methods (chapter 14).

    python benchmarks/methods.py --method gaussian --data elpv|FOLDER [--backbone NAME] [--weights FILE] \
        [--set NAME=VALUE ...] [--seeds 0 1 2]

FOLDER holds a data set in MVTec's layout (with --category where there are several) or MTD's. A row goes to
results/NAME_methods; one that is there already is not run again. Without --method the tables of what is stored are
printed. VALUE is read as JSON, and as text where it is none.
"""

import argparse
from pathlib import Path

from adlib.cli.arguments import settings
from adlib.data import load_dataset
from adlib.experiments.run import Machine, plan, run
from adlib.experiments.store import ResultStore, as_frame
from adlib.features.cache import TensorCache

RESULTS = Path(__file__).parents[1] / "results"
FOLDERS = {"bottle": "bottle_methods", "mtd": "mtd_methods", "mono": "elpv_methods"}
SHOWN = ["image_auroc", "image_ap", "pixel_auroc", "pixel_f1max", "aupro", "time.fit_s", "time.predict_s_per_image"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", help="a name from adlib/detectors/registry.py")
    parser.add_argument("--data", help="folder of a data set, or elpv")
    parser.add_argument("--category", help="where the data set has several; of elpv: mono")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--weights", help="file of the backbone's weights")
    parser.add_argument("--device", help="cpu or cuda; without it, whatever there is")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="parameters of the method")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of whatever is random in the method")
    parser.add_argument("--split-seed", type=int, default=0, help="of MTD's split")
    options = parser.parse_args()
    if options.method and not options.data:
        parser.error("--method needs --data, a folder or elpv")
    if options.method:
        _run(options)
    for name, folder in FOLDERS.items():
        rows = as_frame(ResultStore(RESULTS / folder).results())
        if len(rows):
            shown = rows.set_index(["method", "backbone", "seed"])[SHOWN].astype(float)
            print(f"\n{name}\n{shown.round(3).to_string()}")


def _run(options: argparse.Namespace) -> None:
    category = options.category or ("mono" if options.data == "elpv" else None)
    dataset = load_dataset(options.data, category, split_seed=options.split_seed)
    machine = Machine(options.weights, options.device)
    store = ResultStore(RESULTS / FOLDERS.get(dataset.categories[0], f"{dataset.categories[0]}_methods"))
    for seed in options.seeds:
        protocol = plan(
            dataset,
            options.method,
            backbone=options.backbone,
            seed=seed,
            split_seed=options.split_seed,
            options=settings(options.set),
            machine=machine,
        )
        run(protocol, dataset, store, cache=TensorCache(), machine=machine, show_progress=True)


if __name__ == "__main__":
    main()
