"""Memory: AnomalyDINO with 512 references at 8 rotations, 4.2 million patches of 384 values, in 8 GB.

    python benchmarks/memory.py [--shots 512] [--images 20]

EfficientNet-Lite0's blocks 3 to 5 at 512 pixels give 1,024 patches of 384 values per image, as many as DINOv2-S at 448.
The script prints the bytes of the bank and the largest resident size of the whole process (Linux, macOS).
"""

import argparse
import resource
import sys
import time

from adlib.data import load_dataset
from adlib.detectors.anomalydino import AnomalyDINO

SETTING = {"resize": 512, "rotate": True, "mask": "never", "layers": ("blocks3", "blocks4", "blocks5")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shots", type=int, default=512, help="number of references")
    parser.add_argument("--images", type=int, default=20, help="test images to score")
    options = parser.parse_args()
    dataset = load_dataset("elpv", "mono")
    # There are fewer than 512 good cells to learn from, so some are repeated in place of other images.
    good = [s.path for s in dataset.train_good]
    references = [good[i % len(good)] for i in range(options.shots)]
    detector = AnomalyDINO(**SETTING)
    begin = time.perf_counter()
    detector.fit(references, show_progress=True)
    fitted = time.perf_counter()
    predictions = detector.predict([s.path for s in dataset.test[: options.images]], show_progress=True)
    ended = time.perf_counter()
    rows, values = detector.bank_.shape
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(f"bank: {rows:,} patches of {values} values, {4 * rows * values / 1e9:.2f} GB")
    print(f"largest resident size: {peak / 1e9:.2f} GB")
    print(f"fit {fitted - begin:.0f} s, predict {(ended - fitted) / options.images:.2f} s per image")
    print(f"{len(predictions)} finite scores: {bool((predictions.scores > 0).all())}")


if __name__ == "__main__":
    main()
