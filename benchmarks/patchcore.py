"""PatchCore from image files to maps: `adlib` and anomalib in turn, each run in its own process.

    python benchmarks/patchcore.py --data path/to/mvtec --weights FILE [--anomalib FOLDER] [--coreset 0.01 0.1]

ResNet-18, layers 2 and 3, 256 pixels cropped to 224, on `bottle`: fit on all good images, then score test images one
by one. The weights are the same file for both. anomalib's data module, engine and coreset do its fit; its scores and
maps come from its preprocessor and model, called image by image, without writing images or metrics. Its defaults are
otherwise kept: 9 neighbours reweight its image score, which adlib is told to do, too; its coreset works on a random
projection. FOLDER: where anomalib was installed beside this environment, such as by `pip install --target`.
fit: seconds from the files to the bank; the network is loaded before, in both. image: milliseconds from a file to score
and map. Both also as processor time over all cores. memory: largest resident size of the process. Needs a machine
without other work, and Linux or macOS.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pandas as pd

SIDE, CROP = 256, 224


def adlib_patchcore(data: str, weights: str, coreset: float) -> tuple[Callable, Callable]:
    from adlib.data import load_dataset
    from adlib.detectors import PatchCore

    good = [s.path for s in load_dataset(data, "bottle").few_shot(None)]
    detector = PatchCore(
        backbone="resnet18",
        weights=weights,
        layers=("layer2", "layer3"),
        resize=SIDE,
        crop=CROP,
        coreset=coreset,
        reweight=9,
    )
    detector.network()

    def score(path: Path) -> tuple:
        predictions = detector.predict([path])
        return predictions.scores[0], predictions.network_map(0)

    return lambda: detector.fit(good), score


def anomalib_patchcore(data: str, weights: str, coreset: float) -> tuple[Callable, Callable]:
    import torch
    from anomalib.data import Folder
    from anomalib.engine import Engine
    from anomalib.models import Patchcore
    from PIL import Image
    from torchvision.transforms.v2.functional import to_dtype, to_image

    prepare = Patchcore.configure_pre_processor(image_size=(SIDE, SIDE), center_crop_size=(CROP, CROP))
    model = Patchcore(
        backbone="resnet18",
        layers=["layer2", "layer3"],
        pre_trained=False,
        coreset_sampling_ratio=coreset,
        pre_processor=prepare,
        evaluator=False,
        visualizer=False,
    )
    network = model.model.feature_extractor.feature_extractor
    missing = network.load_state_dict(torch.load(weights, weights_only=True), strict=False).missing_keys
    assert not missing, missing
    folders = {"root": Path(data, "bottle"), "normal_dir": "train/good"}
    images = Folder("bottle", **folders, test_split_mode="none", val_split_mode="none", num_workers=0)
    quiet = {"logger": False, "enable_progress_bar": False, "limit_val_batches": 0}
    os.chdir(tempfile.mkdtemp())  # the engine writes a folder of results
    engine = Engine(accelerator="cpu", devices=1, **quiet)

    def score(path: Path) -> tuple:
        model.eval()
        image = to_dtype(to_image(Image.open(path).convert("RGB")), torch.float32, scale=True)
        with torch.inference_mode():
            found = model.model(prepare.transform(image[None]))
        return float(found.pred_score), found.anomaly_map

    return lambda: engine.fit(model=model, datamodule=images), score


VERSIONS = {"adlib": adlib_patchcore, "anomalib": anomalib_patchcore}


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and seconds of processor time over all cores."""
    begin, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin, time.process_time() - processor


def measure(version: str, data: str, weights: str, coreset: float, count: int) -> dict[str, float]:
    fit, score = VERSIONS[version](data, weights, coreset)
    fit_s, fit_core_s = timed(fit)
    tests = sorted(Path(data, "bottle", "test").glob("*/*.*"))
    tests = tests[:: max(1, len(tests) // count)][:count]
    score(tests[0])  # what is made on first use
    image_s, image_core_s = timed(lambda: [score(path) for path in tests])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    each = {"image_ms": 1e3 * image_s / len(tests), "image_core_ms": 1e3 * image_core_s / len(tests)}
    return {
        "version": version,
        "coreset": coreset,
        "fit_s": fit_s,
        "fit_core_s": fit_core_s,
        **each,
        "memory_mb": peak / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", required=True, type=os.path.abspath, help="folder of MVTec AD with its category bottle"
    )
    parser.add_argument("--weights", required=True, type=os.path.abspath, help="file of ResNet-18's weights")
    parser.add_argument("--anomalib", type=os.path.abspath, help="folder where anomalib is installed")
    parser.add_argument(
        "--coreset", type=float, nargs="+", default=[0.01, 0.1], help="fractions of the patches to keep"
    )
    parser.add_argument("--images", type=int, default=20, help="number of test images to score")
    parser.add_argument("--only", choices=VERSIONS, help="one version, in this process, printed as JSON")
    options = parser.parse_args()
    if options.anomalib:
        sys.path.append(options.anomalib)
    if options.only:
        warnings.simplefilter("ignore")
        args = (options.data, options.weights, options.coreset[0], options.images)
        print(json.dumps(measure(options.only, *args)))
        return
    rows = []
    for coreset in options.coreset:
        for version in VERSIONS:
            command = [sys.executable, __file__, *sys.argv[1:], "--only", version, "--coreset", str(coreset)]
            answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
            rows.append(json.loads(answer.splitlines()[-1]))
            print(rows[-1], file=sys.stderr, flush=True)
    print(pd.DataFrame(rows).astype({"coreset": str}).round(1).to_markdown(index=False))


if __name__ == "__main__":
    main()
