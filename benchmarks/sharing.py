"""A shot sweep at the cost of one run: AnomalyDINO at 1, 2, 4, 8 and 16 shots x 3 draws, compared with one run.

    python benchmarks/sharing.py [--images 100]

The one run learns from every reference image of the sweep. The sweep shares distances (see
`AnomalyDINO.share_distances`), and its scores are compared, bit for bit, with runs that share nothing. The features of
all images are in the cache before the clock starts.
"""

import argparse
import tempfile
import time

import numpy as np
import pandas as pd

from adlib.data import load_dataset
from adlib.detectors.anomalydino import AnomalyDINO
from adlib.features.cache import TensorCache

SETTING = {"resize": 256, "rotate": False, "mask": "never", "layers": ("blocks3", "blocks4", "blocks5")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100, help="number of test images")
    dataset = load_dataset("elpv", "mono")
    test = [s.path for s in dataset.test][: parser.parse_args().images]
    draws = [[s.path for s in dataset.few_shot(k, seed, "random")] for k in (16, 8, 4, 2, 1) for seed in range(3)]
    union = list(dict.fromkeys(path for draw in draws for path in draw))
    with tempfile.TemporaryDirectory() as folder:
        cache = TensorCache(folder)
        whole = AnomalyDINO(**SETTING).fit(union, cache)
        whole.predict(test, cache)

        begin = time.perf_counter()
        AnomalyDINO(**SETTING).fit(union, cache).predict(test, cache)
        one = time.perf_counter() - begin

        begin = time.perf_counter()
        separate = [AnomalyDINO(**SETTING).fit(draw, cache).predict(test, cache).scores for draw in draws]
        apart = time.perf_counter() - begin

        begin = time.perf_counter()
        AnomalyDINO(**SETTING).share_distances(union, test, cache)
        shared = [AnomalyDINO(**SETTING).fit(draw, cache).predict(test, cache).scores for draw in draws]
        together = time.perf_counter() - begin
    assert all(np.array_equal(a, b) for a, b in zip(shared, separate, strict=True))
    rows = [
        (f"one run, all {len(union)} references", one, 1.0),
        (f"{len(draws)} runs, nothing shared", apart, apart / one),
        (f"{len(draws)} runs, distances shared", together, together / one),
    ]
    print(pd.DataFrame(rows, columns=["version", "seconds", "ratio"]).round(2).to_markdown(index=False))
    print("shared scores equal the separate ones bit for bit")


if __name__ == "__main__":
    main()
