"""Time and memory of each method: results/costs/methods.csv, for chapter 14. Needs a machine without other work.

    python benchmarks/costs.py [--method NAME ...] [--good 100] [--judged 50]

Each method runs in its own process, at its default budget: it learns from --good good cells of ELPV and scores --judged
other cells, both from the image files, without a cache. fit_s, image_s: wall-clock seconds of the fit and of scoring
one image; fit_core_s, image_core_s: the same as processor time over all cores, which other work on the machine barely
changes; memory_mb: growth of the largest resident size of the process after the backbone was loaded; model_mb: size of
the saved detector, without the backbone. A row is replaced when its method is measured again. Linux and macOS.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from methods import LEFT_OUT

from adlib.data import load_dataset
from adlib.detectors.registry import DETECTORS, default_backbone, make_detector
from adlib.experiments.presets import method_options

TABLE = Path(__file__).parents[1] / "results/costs/methods.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--method",
        nargs="+",
        choices=DETECTORS,
        default=[m for m in DETECTORS if m not in LEFT_OUT],
        help="methods to measure (default: all)",
    )
    parser.add_argument("--good", type=int, default=100, help="number of good cells to learn from")
    parser.add_argument("--judged", type=int, default=50, help="number of cells to score")
    parser.add_argument("--here", action="store_true", help="measure in this process and print JSON")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(_measure(options.method[0], options.good, options.judged)))
        return
    for method in options.method:
        sizes = ["--good", str(options.good), "--judged", str(options.judged)]
        command = [sys.executable, __file__, "--here", "--method", method, *sizes]
        row = json.loads(
            subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout.splitlines()[-1]
        )
        print(row, flush=True)
        stored = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=list(row))
        stored = stored[stored["method"] != method]
        table = pd.DataFrame([*stored.to_dict("records"), row]).sort_values("method")
        table.to_csv(TABLE, index=False, lineterminator="\n")


def _measure(method: str, good: int, judged: int) -> dict[str, str | int | float]:
    cells = load_dataset("elpv", "mono")
    references = [s.path for s in cells.few_shot(good, 0, "random")]
    tested = [s.path for s in cells.test[:: max(1, len(cells.test) // judged)]][:judged]
    backbone = default_backbone(method)
    options = method_options(method, cells.name, "mono", backbone, preprocess="informed")
    detector = make_detector(method, backbone=backbone, **options)
    detector.network()
    before, clock, core = _largest_mb(), time.perf_counter(), time.process_time()
    detector.fit(references)
    fit, fit_core = time.perf_counter() - clock, time.process_time() - core
    clock, core = time.perf_counter(), time.process_time()
    detector.predict(tested)
    image, image_core = ((now - then) / len(tested) for now, then in zip(_now(), (clock, core), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        detector.save(path)
        model = path.stat().st_size / 1e6
    return {
        "method": method,
        "fit_s": round(fit, 1),
        "fit_core_s": round(fit_core, 1),
        "image_s": round(image, 4),
        "image_core_s": round(image_core, 4),
        "memory_mb": round(_largest_mb() - before),
        "model_mb": round(model, 2),
        "good": len(references),
        "judged": len(tested),
        "cores": os.cpu_count() or 1,
    }


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _largest_mb() -> float:
    """Largest resident size of this process so far. Linux counts in 1024 bytes, macOS in bytes."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest * (1 if sys.platform == "darwin" else 1024) / 1e6


if __name__ == "__main__":
    main()
