"""ViT-Tiny's patch tokens of chapter 21's images, in results/toy/vit_tiny_tokens: no package includes its weights.

    python benchmarks/vit_tokens.py --weights vit_tiny_patch16_224.pth

The network was trained with labels on ImageNet; it is not DINOv2.
"""

import argparse
from pathlib import Path

import numpy as np

from adlib.data import load_dataset, read_image
from adlib.data.toy import render
from adlib.features.backbones import load_backbone
from adlib.features.extract import FeatureSpec, extract
from adlib.features.patches import Preprocess

FILE = Path(__file__).parents[1] / "results/toy/vit_tiny_tokens/tokens.npz"
RESOLUTION = 448


def images() -> dict[str, np.ndarray]:
    """Name -> image: two solar cells, a toy nut, its middle half as a close-up, and a toy fabric."""
    cells = load_dataset("elpv", "mono")
    good, defective = ([s for s in cells.test if s.label == label] for label in (0, 1))
    nut = render("nut", None, seed=3)[0]
    height, width = nut.shape[:2]
    return {
        "good cell": read_image(good[0].path),
        "defective cell": read_image(defective[3].path),
        "nut": nut,
        "close-up": nut[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4],
        "fabric": render("fabric", None, seed=3)[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", help="file of the network's weights")
    network = load_backbone("vit_tiny_patch16", weights=parser.parse_args().weights)
    spec = FeatureSpec(("norm",), Preprocess(RESOLUTION, None, "keep", "bicubic", network.patch_multiple))
    shown = images()
    features = extract(network, list(shown.values()), spec)
    tokens = {name: f.maps["norm"].numpy().astype(np.float16) for name, f in zip(shown, features, strict=True)}
    FILE.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(FILE, **tokens)
    print({name: values.shape for name, values in tokens.items()}, f"{FILE.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
