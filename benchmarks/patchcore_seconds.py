"""Seconds per image of PatchCore by bank and kind of search: results/costs/patchcore_seconds.csv, for chapter 20.

    python benchmarks/patchcore_seconds.py --data path/to/mvtec --weights FILE [--images 20] [--rounds 3]

ResNet-18 in the paper's setting on `bottle`. The features to learn from come from the cache; the scored images are read
from their files, cropped, and go through the network, on all cores. The rounds alternate between the banks, and the
fastest time of each counts, since other work can only slow it. Needs a machine without other work.
"""

import argparse
import os
import time
from pathlib import Path

import pandas as pd
from patchcore_factors import IVFPQ, PAPER

from adlib.data import load_dataset
from adlib.detectors.registry import make_detector
from adlib.features.cache import TensorCache
from adlib.progress import progress

TABLE = Path(__file__).parents[1] / "results/costs/patchcore_seconds.csv"
SHARES = (1.0, 0.25, 0.1, 0.01)
PROBES = (1, 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of MVTec AD with its category bottle")
    parser.add_argument("--weights", help="file of ResNet-18's weights")
    parser.add_argument("--images", type=int, default=20, help="number of images to score")
    parser.add_argument("--rounds", type=int, default=3, help="rounds to take the fastest of")
    options = parser.parse_args()
    bottle = load_dataset(options.data, "bottle")
    good = [s.path for s in bottle.few_shot(None)]
    judged = [s.path for s in bottle.test[:: max(1, len(bottle.test) // options.images)]][: options.images]
    ways = [("exact", share, dict(PAPER, coreset=share)) for share in SHARES]
    ways += [
        (f"IVFPQ, {n} probe(s)", share, PAPER | IVFPQ | {"coreset": share, "probes": n})
        for share in (1.0, 0.1)
        for n in PROBES
    ]
    detectors = []
    for search, share, chosen in progress(ways, label="fit", unit="bank"):
        chosen = {"method": "patchcore"} | chosen
        detector = make_detector(chosen.pop("method"), backbone="resnet18", weights=options.weights, **chosen)
        detectors.append(((search, share), detector.fit(good, TensorCache())))
    seconds: dict[tuple[str, float], float] = {}
    for _ in progress(range(options.rounds), label="rounds", unit="round"):
        for key, detector in detectors:
            begin = time.perf_counter()
            detector.predict(judged)
            took = (time.perf_counter() - begin) / len(judged)
            seconds[key] = min(took, seconds.get(key, took))
    rows = [
        {"search": search, "share": share, "image_s": round(value, 4), "images": len(judged), "cores": os.cpu_count()}
        for (search, share), value in seconds.items()
    ]
    table = pd.DataFrame(rows)
    table.to_csv(TABLE, index=False, lineterminator="\n")
    print(table.to_markdown(index=False))


if __name__ == "__main__":
    main()
