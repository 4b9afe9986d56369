"""A small, complete data set of noise, for tests that damage it."""

from pathlib import Path

import numpy as np
from PIL import Image

RANDOM = np.random.default_rng(0)


def picture(path: Path, size: tuple[int, int] = (20, 16), high: int = 256, kind=np.uint8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RANDOM.integers(0, high, size[::-1], dtype=kind)).save(path)
    return path


def whole(root: Path) -> Path:
    """A small data set with good and defective images and masks."""
    for i in range(6):
        picture(root / f"nut/train/good/{i}.png")
    for i in range(3):
        picture(root / f"nut/test/good/{i}.png")
        picture(root / f"nut/test/crack/{i}.png")
        picture(root / f"nut/ground_truth/crack/{i}_mask.png")
    return root
