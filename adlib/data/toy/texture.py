"""Noise, strokes and soft edges that all toy categories share.

Lengths are in points: an image is 256 points wide whatever its size in pixels.
Fields are float32 arrays (size, size), indexed [y, x].
"""

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

POINTS = 256
STROKE_OVERSAMPLING = 4


def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres in points: two (size, size) fields, y and x, in (0, 256)."""
    steps = ((np.arange(size) + 0.5) * (POINTS / size)).astype(np.float32)
    return np.meshgrid(steps, steps, indexing="ij")


def _lattice(rng: np.random.Generator, shape: tuple[int, int], spans: tuple[float, float]) -> np.ndarray:
    """Normal values on a lattice of `spans` cells, bicubically resized to `shape`; the lattice starts anywhere."""
    cells = [int(np.ceil(span)) + 4 for span in spans]
    values = rng.standard_normal(cells, dtype=np.float32)
    top, left = rng.uniform(1, 2, 2)
    box = (left, top, left + spans[1], top + spans[0])
    return np.asarray(Image.fromarray(values).resize(shape[::-1], Image.Resampling.BICUBIC, box=box))


def noise(rng: np.random.Generator, size: int, cell_y: float, cell_x: float | None = None) -> np.ndarray:
    """Smooth noise (size, size), mean 0, deviation 0.6 to 1, whose bumps are about `cell_y` x `cell_x` points."""
    cell_x = cell_y if cell_x is None else cell_x
    return _lattice(rng, (size, size), (POINTS / cell_y, POINTS / cell_x))


def wave(rng: np.random.Generator, size: int, cell: float) -> np.ndarray:
    """Smooth noise (size,) along one direction: the one-dimensional `noise`."""
    return _lattice(rng, (1, size), (1, POINTS / cell))[0]


def grain(rng: np.random.Generator, size: int, *sigmas: float) -> np.ndarray:
    """Correlated grain (size, size), mean 0, deviation 1: equal parts of white noise blurred by each sigma (points)."""
    total = np.zeros((size, size), np.float32)
    for sigma in sigmas:
        layer = ndimage.gaussian_filter(
            rng.standard_normal((size, size), dtype=np.float32), sigma * size / POINTS, mode="wrap", truncate=3
        )
        total += layer / layer.std()
    return total / total.std()


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number in [low, high] whose logarithm is uniform: small ones are as frequent as large ones."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def smoothstep(value: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, a smooth cubic between."""
    value = np.clip(value, 0, 1)
    return value * value * (3 - 2 * value)


def inside(distance: np.ndarray, softness: float, size: int) -> np.ndarray:
    """Coverage 0..1 of the region where the signed `distance` (points) is negative; never sharper than a pixel."""
    return smoothstep(0.5 - distance / max(softness, POINTS / size))


def walk(
    rng: np.random.Generator, start: tuple[float, float], angle: float, length: float, step: float, roughness: float
) -> np.ndarray:
    """Points (n, 2) as (x, y) of a jagged path: each step of about `step` points deviates from `angle` (radians).

    roughness: deviation in radians of a step's direction; the path keeps its main direction, so it spans `length`.
    """
    count = max(2, int(round(length / step)))
    turns = angle + roughness * rng.standard_normal(count) + 0.3 * roughness * np.cumsum(rng.standard_normal(count)) / 3
    steps = step * rng.uniform(0.6, 1.4, count)[:, None] * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    return np.concatenate([np.array([start]), np.array(start) + np.cumsum(steps, axis=0)])


def stroke(size: int, points: np.ndarray, widths: np.ndarray | float) -> np.ndarray:
    """Coverage 0..1 (size, size) of a polyline through `points` (n, 2; x, y in points). widths: one width, or n."""
    scale = size * STROKE_OVERSAMPLING / POINTS
    canvas = Image.new("L", (size * STROKE_OVERSAMPLING, size * STROKE_OVERSAMPLING))
    pen = ImageDraw.Draw(canvas)
    widths = np.broadcast_to(np.asarray(widths, float), len(points)) * scale
    scaled = np.asarray(points) * scale
    for (x0, y0), (x1, y1), width in zip(scaled[:-1], scaled[1:], widths[1:], strict=True):
        pen.line((x0, y0, x1, y1), fill=255, width=max(1, round(width)))
        if width > 3:  # round joints: without them a bend shows wedges
            pen.ellipse((x1 - width / 2, y1 - width / 2, x1 + width / 2, y1 + width / 2), fill=255)
    return np.asarray(canvas.reduce(STROKE_OVERSAMPLING), np.float32) / 255


def crack(
    rng: np.random.Generator, size: int, start: tuple[float, float], angle: float, length: float, width: float
) -> np.ndarray:
    """Coverage 0..1, peak 1, of a thin jagged line that tapers at both ends and sometimes branches."""
    path = walk(rng, start, angle, length, 4.0, 0.5)
    taper = np.sin(np.linspace(0.12, np.pi - 0.12, len(path))) ** 0.6
    field = stroke(size, path, width * taper * rng.uniform(0.6, 1.3, len(path)))
    if len(path) > 8 and rng.random() < 0.5:
        fork = int(rng.integers(3, len(path) - 3))
        side = angle + rng.choice([-1, 1]) * rng.uniform(0.5, 1.0)
        twig = walk(rng, tuple(path[fork]), side, length * rng.uniform(0.15, 0.35), 4.0, 0.55)
        field = np.maximum(field, stroke(size, twig, width * np.linspace(0.8, 0.3, len(twig))))
    return peak_one(blur(field, 0.5))


def blur(field: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of a field by `sigma` points."""
    return ndimage.gaussian_filter(field, sigma * len(field) / POINTS, truncate=3)


def peak_one(field: np.ndarray) -> np.ndarray:
    """The field divided by its maximum; a field of zeros stays as it is."""
    return field / max(float(field.max()), 1e-6)


def grey(field: np.ndarray) -> np.ndarray:
    """A grey image (size, size, 3) of one field."""
    return np.repeat(field[:, :, None], 3, axis=2)


def mix(image: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """An image (h, w, 3) covered by `colour` (3,) or (h, w, 3) to the degree `alpha` (h, w) in 0..1."""
    return image + alpha[:, :, None] * (np.asarray(colour, np.float32) - image)


def soft_shadow(field: np.ndarray, sigma: float, shift_y: float, shift_x: float) -> np.ndarray:
    """A strongly blurred and moved copy of a field (points), computed on 64 x 64 cells: blur hides the difference."""
    cell = POINTS / 64
    small = np.asarray(Image.fromarray(field).resize((64, 64), Image.Resampling.BOX))
    small = ndimage.gaussian_filter(ndimage.shift(small, (shift_y / cell, shift_x / cell), order=1), sigma / cell)
    return np.asarray(Image.fromarray(small).resize(field.shape[::-1], Image.Resampling.BICUBIC))
