"""Features: the network's fraction of the extraction time, and what bfloat16 saves and costs.

    python benchmarks/features.py [--images 40]
    python benchmarks/features.py --data FOLDER --category bottle [--layout mtd] [--backbone resnet18 --weights FILE]

Without --data: time per image of `extract`, with reading and resizing, and of the forward passes alone on images in
memory, one image per core in both, in float32 and bfloat16. The networks have random weights, which do not affect the
time. With --data: metrics and time of PatchCore and AnomalyDINO in both precisions on one category.
The rounds alternate between the versions; the table shows the fastest time of each, since other programs can only slow
them.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch
from safetensors.torch import save_file

from adlib.data import Dataset, load_dataset
from adlib.data.images import read_image
from adlib.data.masks import read_mask
from adlib.detectors.registry import make_detector
from adlib.evaluation import image_metrics, pixel_metrics
from adlib.features.backbones import load_backbone
from adlib.features.extract import FeatureSpec, extract
from adlib.features.patches import Preprocess
from adlib.parallel import one_core_each

# Networks of the papers and of this library: backbone, timm's name, shorter side, interpolation.
NETWORKS = (
    ("efficientnet_lite0", "tf_efficientnet_lite0", 256, "bilinear"),
    ("resnet18", "resnet18", 256, "bilinear"),
    ("wide_resnet50_2", "wide_resnet50_2", 224, "bilinear"),
    ("vit_tiny_patch16", "vit_tiny_patch16_224", 448, "bicubic"),
    ("dinov2_vits14", "vit_small_patch14_dinov2", 448, "bicubic"),
)
PRECISIONS = ("float32", "bfloat16")
METHODS: dict[str, dict[str, Any]] = {
    "patchcore": {},
    "anomalydino": {"resize": 256, "rotate": False, "mask": "never"},
}
ANOMALYDINO_SHOTS = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=40, help="images of ELPV to time (default: 40)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds to take the fastest of")
    parser.add_argument("--data", help="folder of the data set whose metrics to compare")
    parser.add_argument("--category", help="where the data set has several")
    parser.add_argument("--layout", default="auto", help="layout of the data set")
    parser.add_argument("--backbone", default="efficientnet_lite0", help="with --data: name of the network")
    parser.add_argument("--weights", help="file of the backbone's weights")
    options = parser.parse_args()
    if options.data:
        dataset = load_dataset(options.data, options.category, options.layout)
        table = cost_of_precision(dataset, options.backbone, options.weights)
    else:
        paths = [s.path for s in load_dataset("elpv", "mono").test[: options.images]]
        table = network_time(paths, options.rounds)
    print(table.to_markdown(index=False))


def network_time(paths: list[Path], rounds: int) -> pd.DataFrame:
    """Milliseconds per image, and the fraction of extraction that the forward passes take."""
    rows = []
    for name, architecture, resize, interpolation in NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder) / "random.safetensors"
            save_file(timm.create_model(architecture, num_classes=0).state_dict(), weights)
            networks = {p: load_backbone(name, weights, "cpu", p) for p in PRECISIONS}
        network = networks["float32"]
        preprocess = Preprocess(resize, None, "keep", interpolation, network.patch_multiple)
        spec = FeatureSpec(network.default_layers, preprocess)
        ready = [preprocess(read_image(path))[0][None] for path in paths]
        best = {}
        for _ in range(rounds):
            for precision in PRECISIONS:
                whole = seconds(extract(networks[precision], paths, spec))
                alone = seconds(one_core_each(partial(networks[precision], layers=spec.layers), ready))
                for way, value in ((("extract", precision), whole), (("forward", precision), alone)):
                    best[way] = min(best.get(way, np.inf), 1000 * value / len(paths))
        for precision in PRECISIONS:
            whole, alone = best["extract", precision], best["forward", precision]
            rows.append(
                {
                    "network": name,
                    "side": resize,
                    "precision": precision,
                    "extract, ms": round(whole, 1),
                    "forward alone, ms": round(alone, 1),
                    "forward / extract": f"{alone / whole:.0%}",
                }
            )
    return pd.DataFrame(rows)


def cost_of_precision(dataset: Dataset, backbone: str, weights: str | None) -> pd.DataFrame:
    """Metrics of both precisions; nothing is cached, so the time is that of reading, network and search."""
    test = dataset.test
    rows = []
    for method, chosen in METHODS.items():
        shots = ANOMALYDINO_SHOTS if method == "anomalydino" else None
        references = [s.path for s in dataset.few_shot(shots, 0, "random")]
        for precision in PRECISIONS:
            detector = make_detector(method, backbone=backbone, weights=weights, precision=precision, **chosen)
            detector.fit(references, show_progress=True)
            begin = time.perf_counter()
            predictions = detector.predict([s.path for s in test], show_progress=True)
            took = time.perf_counter() - begin
            masks = (
                read_mask(s.mask) if s.label else np.zeros(frame.original, dtype=bool)
                for s, frame in zip(test, predictions.frames, strict=True)
            )
            maps = (predictions.anomaly_map(i) for i in range(len(test)))
            metrics = image_metrics(np.array([s.label for s in test]), predictions.scores)
            metrics |= pixel_metrics(maps, masks) if dataset.has_masks else {}
            rows.append(
                {"method": method, "precision": precision, "ms per image": round(1000 * took / len(test), 1)}
                | {n: round(metrics[n], 5) for n in ("image_auroc", "pixel_auroc", "aupro") if n in metrics}
            )
    return pd.DataFrame(rows)


def seconds(results: Any) -> float:
    begin = time.perf_counter()
    for _ in results:
        pass
    return time.perf_counter() - begin


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
