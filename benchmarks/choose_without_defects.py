"""Choose resolution, aspect and aggregation of PatchCore without real defects.

Good training images are split in two parts: PatchCore learns from the first part; the second part is scored unchanged
and with a synthetic defect (a small rotated crop of another good image, its brightness shifted, as in CutPaste: Li et
al., CVPR 2021). The chosen setting separates the two best; the test set is never looked at.

    python benchmarks/choose_without_defects.py --data path/to/mtd --backbone resnet18 --weights FILE
"""

import argparse
import itertools

import numpy as np
import pandas as pd
from PIL import Image

from adlib.data import load_dataset, read_image
from adlib.detectors.patchcore import PatchCore
from adlib.evaluation import image_metrics

SETTINGS = ["224:square", "256:square", "320:square", "224:keep"]
SHARES = (0.0, 0.01)


def with_made_up_defect(image: Image.Image, source: Image.Image, random: np.random.Generator) -> Image.Image:
    """`image` with a crop of `source` pasted in: 0.2 to 2% of the area, rotated, 10 to 35% brighter or darker."""
    width, height = image.size
    area, ratio = random.uniform(0.002, 0.02) * width * height, np.exp(random.uniform(-1.5, 1.5))
    w, h = (max(3, int(side)) for side in (np.sqrt(area * ratio), np.sqrt(area / ratio)))
    w, h = min(w, source.width - 1), min(h, source.height - 1)
    left, top = random.integers(source.width - w), random.integers(source.height - h)
    scrap = source.crop((left, top, left + w, top + h))
    shift = random.choice([-1, 1]) * random.uniform(0.1, 0.35)
    scrap = scrap.point([int(np.clip(value * (1 + shift), 0, 255)) for value in range(256)] * 3)
    stencil = Image.new("L", scrap.size, 255)
    angle = random.uniform(0, 360)
    scrap, stencil = scrap.rotate(angle, expand=True), stencil.rotate(angle, expand=True)
    place = (int(random.integers(-w // 2, width - w // 2)), int(random.integers(-h // 2, height - h // 2)))
    copy = image.copy()
    copy.paste(scrap, place, stencil)
    return copy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--category", help="where the data set has several")
    parser.add_argument("--backbone", default="efficientnet_lite0", help="name of the network")
    parser.add_argument("--weights", help="file of the backbone's weights")
    parser.add_argument("--train", type=int, default=250, help="good images to learn from")
    parser.add_argument(
        "--held-out", type=int, default=120, help="good images to score, each with and without a defect"
    )
    parser.add_argument("--settings", nargs="+", default=SETTINGS, metavar="PIXELS:ASPECT", help="settings to try")
    parser.add_argument("--layers", nargs="+", default=[""], help="layers to try, such as block6 or block4,block8")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    good = [s.path for s in load_dataset(options.data, options.category).train_good]
    order = random.permutation(len(good))[: options.train + options.held_out]
    train, held_out = [good[i] for i in order[: options.train]], [good[i] for i in order[options.train :]]
    images = [read_image(path) for path in held_out]
    sources = [read_image(train[random.integers(len(train))]) for _ in images]
    defective = [with_made_up_defect(i, s, random) for i, s in zip(images, sources, strict=True)]
    labels = [0] * len(images) + [1] * len(defective)
    rows = []
    for setting, layers, share in itertools.product(options.settings, options.layers, SHARES):
        resize, aspect = setting.split(":")
        chosen = {"resize": int(resize), "aspect": aspect, "top_share": share}
        chosen["layers"] = tuple(layers.split(",")) if layers else None
        detector = PatchCore(backbone=options.backbone, weights=options.weights, **chosen)
        scores = detector.fit(train).predict(images + defective).scores
        rows.append(chosen | image_metrics(labels, scores))
        print(pd.DataFrame(rows[-1:]).round(4).to_string(index=False, header=len(rows) == 1), flush=True)
    best = max(rows, key=lambda row: row["image_auroc"])
    print("chosen: " + ", ".join(f"{name} {best[name]}" for name in ("resize", "aspect", "top_share", "layers")))


if __name__ == "__main__":
    main()
