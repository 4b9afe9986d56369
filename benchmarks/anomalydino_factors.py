"""What AnomalyDINO's shots, rotations, resolution, mask, layer and network change, on six categories (chapter 21).

    python benchmarks/anomalydino_factors.py bottle --data FOLDER --backbone vit_tiny_patch16 --weights FILE
    python benchmarks/anomalydino_factors.py elpv --backbone efficientnet_lite0
    python benchmarks/anomalydino_factors.py tire --data FOLDER --backbone dinov2_vits14_saliency
    python benchmarks/anomalydino_factors.py bottle

Rows are stored one by one in results/DATASET/anomalydino, those of dinov2_vits14_saliency in results/DATASET/saliency;
a stopped call resumes, and tools/pack_results.py packs them for a commit. Without --backbone the tables of the stored
rows are printed.
"""

import argparse
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from adlib.data import Dataset, load_dataset
from adlib.experiments.execution import run
from adlib.experiments.planning import Machine, plan
from adlib.experiments.presets import DEEP_LAYERS
from adlib.experiments.protocol import Protocol
from adlib.experiments.shared_work import share_distances
from adlib.experiments.store import ResultStore
from adlib.features.cache import TensorCache
from adlib.papers.compare import own_rows
from adlib.progress import progress

RESULTS = Path(__file__).parents[1] / "results"
FOLDERS = {"bottle": "mvtec", "poly": "elpv"}  # study -> folder of its rows, where the names differ
SALIENCY = "dinov2_vits14_saliency"
SEEDS = (0, 1, 2)
ONE_DRAW = (0, None)  # shots without random selection: batched zero-shot and full-shot
TURNED, UPRIGHT = {"rotate": True}, {"rotate": False}
FINE = {"resize": 672}
WHOLE = {"resize": 448, "aspect": "keep"}
# Block 6 has short tokens: no component reaches the threshold of 10, and 0 separates part from background.
MASKED = {"mask": "test", "mask_threshold": 0.0}
FEW = (1, 2, 4, 8, 16)
LATER = ({"rotate": False, "layers": ("block9",)}, (1, 4))
DEPTHS = [({"rotate": False, "layers": (layer,)}, (1,)) for layer in (*(f"block{n}" for n in range(5, 13)), "norm")]
# The mask's threshold is in units of DINOv2's tokens, so no mask is the default here; with other tokens it is a
# factor.
COMMON: dict[str, Any] = {"mask": "never"}
OWN: dict[str, dict[str, Any]] = {
    "vit_tiny_patch16": {"resize": 448},
    "efficientnet_lite0": {"resize": 256, "layers": DEEP_LAYERS["efficientnet_lite0"]},
    "resnet18": {"resize": 256},
    SALIENCY: {"resize": 448, "layers": ("block6",)},
}


@dataclass(frozen=True)
class Study:
    """Settings, networks and shots on one data set.

    category: name of the category.
    selection: as in `Protocol`.
    factors: network -> pairs of changed options and shots (0: batched zero-shot, None: all images).
    common: options of all runs.
    """

    category: str
    selection: str
    factors: dict[str, list[tuple[dict[str, Any], tuple[int | None, ...]]]]
    common: dict[str, Any] = field(default_factory=dict)


STUDIES = {
    "bottle": Study(
        "bottle",
        "slice",
        {
            "vit_tiny_patch16": [
                (UPRIGHT, (0, 1, 2, 4, 8, 16)),
                (UPRIGHT | {"top_share": 0.0}, (4,)),
                (UPRIGHT | {"top_share": 0.1}, (4,)),
                (UPRIGHT | {"top_share": 1.0}, (4,)),
                (UPRIGHT | {"mask": "always"}, (4,)),
                (UPRIGHT | FINE, (1, 4)),
                (TURNED | FINE, (1,)),
                (UPRIGHT | {"layers": ("block9",)}, (4,)),
                (TURNED, (1, 2, 4, 8, 16)),
                (UPRIGHT, (None,)),
            ],
            "efficientnet_lite0": [(UPRIGHT, (0, 1, 4, 16)), (TURNED, (1, 4, 16)), (UPRIGHT, (None,))],
            "resnet18": [(UPRIGHT, (0, 1, 4)), (TURNED, (1, 4))],
            SALIENCY: [
                *DEPTHS,
                (UPRIGHT, (0, *FEW)),
                (TURNED, (1, 4)),
                (UPRIGHT | MASKED, (1,)),
                (UPRIGHT | FINE, (1,)),
            ],
        },
    ),
    "screw": Study(
        "screw",
        "slice",
        {
            "efficientnet_lite0": [(UPRIGHT, FEW), (TURNED, FEW)],
            SALIENCY: [(UPRIGHT, FEW), (TURNED, (1, 4)), (UPRIGHT | MASKED, (1,)), (UPRIGHT | FINE, (1,))],
        },
    ),
    "tire": Study(
        "tire",
        "slice",
        {
            "efficientnet_lite0": [(UPRIGHT, FEW), (TURNED, FEW)],
            SALIENCY: [
                (UPRIGHT, (0, *FEW)),
                (TURNED, (1, 4)),
                (UPRIGHT | MASKED, (1, 4)),
                (UPRIGHT | FINE, (1, 4)),
                LATER,
            ],
        },
    ),
    # The layer was chosen on `bottle` and here; `mono` and the other categories were not looked at for it.
    "poly": Study("poly", "random", {SALIENCY: DEPTHS}),
    "elpv": Study(
        "mono",
        "random",
        {
            SALIENCY: [(UPRIGHT, (1, 4, 32)), (TURNED, (1,)), (UPRIGHT | MASKED, (1, 4))],
            "efficientnet_lite0": [
                (TURNED, (1, 4)),
                (UPRIGHT, (0,)),  # with shots: results/elpv/sweep, shown in the README
                (UPRIGHT | {"resize": 448}, (1, 4)),
            ],
            "vit_tiny_patch16": [(UPRIGHT, (1, 4, 32)), (TURNED, (1, 4)), (UPRIGHT | FINE, (1, 4))],
        },
    ),
    # Tiles as in chapter 06 and in the tables of the README, squares of 320 pixels; whole ones for the largest network.
    "mtd": Study(
        "mtd",
        "slice",
        {
            "vit_tiny_patch16": [(UPRIGHT, (1, 4)), (TURNED, (1, 4))],
            "efficientnet_lite0": [(UPRIGHT, (1, 4)), (TURNED, (1, 4))],
            SALIENCY: [
                (UPRIGHT | WHOLE, (1, 4, 32)),
                (TURNED | WHOLE, (1,)),
                (UPRIGHT | WHOLE | MASKED, (1, 4)),
            ],
        },
        {"resize": 320, "aspect": "square"},
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=STUDIES, help="data set")
    parser.add_argument("--data", help="folder of the data set; elpv comes with its package")
    parser.add_argument("--backbone", choices=OWN, help="network to run; without it the table is printed")
    parser.add_argument("--weights", help="file of the backbone's weights")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of results (default: results/)")
    options = parser.parse_args()
    study = STUDIES[options.study]
    folder = options.results / FOLDERS.get(options.study, options.study)
    store = ResultStore(folder / ("saliency" if options.backbone == SALIENCY else "anomalydino"))
    if options.backbone:
        source = "elpv" if options.study in ("elpv", "poly") else options.data
        if not source:
            parser.error(f"{options.study} is read from a folder: give --data.")
        dataset, machine, cache = load_dataset(source, study.category), Machine(options.weights), TensorCache()
        settings = [
            _protocols(study, dataset, options.backbone, *cell, machine) for cell in study.factors[options.backbone]
        ]
        for protocols in progress(settings, label="settings", unit="setting"):
            waiting = [protocol for protocol in protocols if protocol not in store]
            share_distances(waiting, dataset, cache, machine)
            for protocol in waiting:
                run(protocol, dataset, store, cache=cache, machine=machine)
    stores = [store] if options.backbone else [store, ResultStore(folder / "saliency")]
    print(own_rows("anomalydino", [r for one in stores for r in one.results()]).round(4).to_string(index=False))


def _protocols(
    study: Study,
    dataset: Dataset,
    backbone: str,
    change: dict[str, Any],
    shots: tuple[int | None, ...],
    machine: Machine,
) -> list[Protocol]:
    """The protocols of one setting, most shots first."""
    own = COMMON | OWN[backbone] | study.common | change
    first = plan(dataset, "anomalydino", backbone=backbone, selection=study.selection, options=own, machine=machine)
    counts = sorted(shots, key=lambda count: -(count if count is not None else 10**9))
    return [replace(first, shots=k, seed=seed) for k in counts for seed in (SEEDS[:1] if k in ONE_DRAW else SEEDS)]


if __name__ == "__main__":
    main()
