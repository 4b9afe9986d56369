"""Grey noise as the surface of a part."""

import numpy as np


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Slightly smoothed grey noise, (height, width, 3) uint8."""
    noise = np.random.default_rng(seed).normal(size=(height + 2, width + 2))
    smooth = sum(noise[i : i + height, j : j + width] for i in range(3) for j in range(3)) / 3
    return np.repeat((127 + 18 * smooth).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
