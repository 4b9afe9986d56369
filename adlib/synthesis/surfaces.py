"""Random surfaces of hills, steps and edges, on which a network can learn what shapes there are (chapter 13)."""

import numpy as np

from adlib.errors import check_whole

FEATURES = 14  # hills, steps and edges of one surface


def random_surface(rng: np.random.Generator, side: int = 32, spacing: float = 2.0, noise: float = 0.06) -> np.ndarray:
    """Points (side * side, 3) of a surface that looks like no part: z over a square grid, at random a sum of features.

    rng: random generator.
    side: points in x and in y, at least 2.
    spacing: distance of neighbouring points in x and y; heights and widths are multiples of it.
    noise: standard deviation of z, in the unit of `spacing`.
    Raises InputError for a side below 2.
    """
    check_whole("side", side, 2)
    y, x = np.mgrid[:side, :side] * spacing
    z = noise * rng.standard_normal((side, side))
    for _ in range(FEATURES):
        z += _feature(rng, x - rng.uniform(0, side) * spacing, y - rng.uniform(0, side) * spacing, spacing)
    return np.stack([x, y, z], axis=2).reshape(-1, 3)


def _feature(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, spacing: float) -> np.ndarray:
    """A hill, a round step or a short straight edge about the origin; heights may be negative."""
    width, sharp = rng.uniform(0.75, 4) * spacing, 0.35 * spacing
    height, angle, distance = 0.6 * width * rng.standard_normal(), rng.uniform(0, 2 * np.pi), np.hypot(x, y)
    kind = rng.integers(3)
    if kind == 0:
        return height * np.exp(-((distance / width) ** 2) / 2)
    if kind == 1:
        return height / 2 * np.tanh((distance - width) / sharp)
    return (
        height / 2 * np.tanh((x * np.cos(angle) + y * np.sin(angle)) / sharp) * np.exp(-((distance / width) ** 2) / 8)
    )
