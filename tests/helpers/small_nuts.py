"""Nuts for detectors that reconstruct images, and settings that train such detectors in a moment."""

import numpy as np
import torch
from PIL import Image

from adlib.data.toy import render

GOOD = [render("nut", seed=seed, size=64)[0] for seed in range(12)]
BAD = render("nut", "missing_part", seed=900, size=64)[0]
SMALL = {"resize": 32, "width": 4, "depth": 2, "batch": 4, "steps": 6, "device": "cpu"}


def pixels_of(image: np.ndarray, side: int = 32) -> torch.Tensor:
    resized = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(resized, dtype=np.float32) / 255).permute(2, 0, 1)[None]
