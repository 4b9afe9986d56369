"""Choose AnomalyDINO's layers, resolution and rotation, and PatchCore's bank and score, for the few-shot sweep on ELPV.

Only the category `poly` is used; `mono`, which the README reports, is not looked at here.

    python benchmarks/choose_few_shot.py [--shots 32] [--draws 3]
"""

import argparse

import pandas as pd

from adlib.data import load_dataset
from adlib.experiments.execution import run
from adlib.experiments.planning import plan
from adlib.features.cache import TensorCache
from adlib.progress import progress

DEEP = ("blocks3", "blocks4", "blocks5")
SETTINGS = [
    ("anomalydino", {"layers": ("blocks3",)}),
    ("anomalydino", {"layers": ("blocks4",)}),
    ("anomalydino", {"layers": ("blocks5",)}),
    ("anomalydino", {"layers": ("blocks2", "blocks4")}),
    ("anomalydino", {"layers": ("blocks3", "blocks4")}),
    ("anomalydino", {"layers": ("blocks4", "blocks5")}),
    ("anomalydino", {"layers": DEEP}),
    ("anomalydino", {"layers": (*DEEP, "blocks6")}),
    ("anomalydino", {"layers": DEEP, "neighbourhood": 3}),
    ("anomalydino", {"layers": DEEP, "resize": 192}),
    ("anomalydino", {"layers": DEEP, "resize": 320}),
    ("anomalydino", {"layers": DEEP, "top_share": 0.03}),
    ("anomalydino", {"layers": DEEP, "rotate": True}),
    ("patchcore", {"coreset": 1000, "top_share": 0.0}),
    ("patchcore", {"coreset": 1000}),
    ("patchcore", {"coreset": 2500}),
    ("patchcore", {"coreset": 8192, "coreset_method": "random"}),
    ("patchcore", {"coreset": 1.0}),
]
COMMON = {
    "anomalydino": {"resize": 256, "rotate": False, "mask": "never", "top_share": 0.01},
    "patchcore": {"resize": 256, "top_share": 0.01},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shots", type=int, default=32, help="good images to learn from")
    parser.add_argument("--draws", type=int, default=3, help="number of seeds")
    options = parser.parse_args()
    dataset, cache, rows = load_dataset("elpv", "poly"), TensorCache(), []
    for method, setting in progress(SETTINGS, label="settings", unit="setting"):
        aurocs = []
        for seed in range(options.draws):
            chosen = COMMON[method] | setting
            protocol = plan(dataset, method, shots=options.shots, selection="random", seed=seed, options=chosen)
            result = run(protocol, dataset, cache=cache)
            aurocs.append(result.metrics["image_auroc"])
        words = ", ".join(f"{k} {'+'.join(v) if isinstance(v, tuple) else v}" for k, v in setting.items())
        over_seeds = pd.Series(aurocs)
        seconds = result.row["timings"]["predict_s_per_image"]
        rows.append((method, words, f"{over_seeds.mean():.3f} ± {over_seeds.std():.3f}", f"{1000 * seconds:.0f}"))
    columns = ["method", "setting", "image AUROC", "ms per image"]
    print(pd.DataFrame(rows, columns=columns).to_markdown(index=False))


if __name__ == "__main__":
    main()
