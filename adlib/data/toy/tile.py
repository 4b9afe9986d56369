"""Magnetic tiles: ground grey metal with brush marks from top to bottom, curved, so that its sides darken."""

import numpy as np

from adlib.data.toy.texture import (
    blur,
    crack,
    grain,
    grey,
    grid,
    inside,
    log_uniform,
    noise,
    peak_one,
    smoothstep,
    wave,
)


def draw(
    size: int, part: np.random.Generator, defect: str | None, flaw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One tile (size, size, 3) in 0..1 and its defect's alpha (size, size); `part` does not depend on the defect."""
    y, x = grid(size)
    # brush marks: fine ones that run far, shorter ones, and single scores that shine
    fine = 0.75 * noise(part, size, 260, 1.0) + 0.45 * noise(part, size, 60, 1.1) + 0.5 * noise(part, size, 5, 1.0)
    broad = 0.6 * noise(part, size, 400, 6) + 0.3 * noise(part, size, 160, 22)
    scores = np.clip(noise(part, size, 200, 1.1) - 1.35, 0, 1.5)
    mottle = noise(part, size, 26) + 0.7 * noise(part, size, 11)

    # the curved surface: a broad highlight off the middle, sides that turn away from the light
    light, spread = part.uniform(70, 186), part.uniform(70, 130)
    lean = part.uniform(-0.035, 0.035) * (y - 128)
    shade = part.uniform(0.24, 0.34) + part.uniform(0.1, 0.2) * np.exp(-(((x + lean - light) / spread) ** 2))
    shade = shade * (1 + part.uniform(-0.18, 0.18) * (y / 256 - 0.5) + 0.1 * noise(part, size, 90))
    glint = np.clip(noise(part, size, 80, 30) - 0.4, 0, 2) * part.uniform(0.1, 0.6)
    margin = part.uniform(-1, 8, 2).astype(np.float32)
    left = x - margin[0] + lean - 0.7 * wave(part, size, 60)[:, None]
    right = 256 - margin[1] - x - lean - 0.7 * wave(part, size, 60)[:, None]
    edge = np.minimum(left, right)
    roll = part.uniform(0.25, 0.55) * np.exp(-np.clip(edge, 0, None) / part.uniform(12, 26))
    vignette = 1 - 0.22 * ((x / 128 - 1) ** 2 + (y / 128 - 1) ** 2) / 2

    strength = part.uniform(0.10, 0.15)
    value = shade * vignette * (1 - roll) * (1 + strength * (1 + glint) * fine + 0.07 * broad + 0.03 * mottle)
    value = value + (0.16 + 0.25 * glint) * scores * shade + 0.05 * glint
    rim = np.exp(-(((edge - 2.5) / 1.6) ** 2)) * np.clip(0.6 + 0.6 * wave(part, size, 30), 0, 1.4)[:, None]
    value = value + part.uniform(0, 0.1) * rim
    film = 0.014 * grain(part, size, 0.5, 0.9)

    alpha = np.zeros((size, size), np.float32)
    if defect is not None:
        value, alpha = DEFECTS[defect](value, shade, flaw)
    table = inside(edge, 1.5, size)  # beyond the tile's sides is the dark table
    value = value + table * (0.045 - value)
    return grey(value + film), alpha * (1 - table)


def blowhole(value: np.ndarray, shade: np.ndarray, flaw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A cavity: an irregular dark spot with a thin bright lip on the side away from the light."""
    size = len(value)
    y, x = grid(size)
    alpha, lip = np.zeros_like(value), np.zeros_like(value)
    dark = log_uniform(flaw, 0.28, 0.8)
    centre = flaw.uniform(28, 228, 2)
    for index in range(1 if flaw.random() < 0.7 else 2):
        radius = log_uniform(flaw, 2.2, 8.0)
        spot = centre if index == 0 else np.clip(centre + flaw.normal(0, 25, 2), 24, 232)
        spot = spot.astype(np.float32)
        stretch = flaw.uniform(1.0, 1.4)
        dx, dy = x - spot[0], y - spot[1]
        distance = np.hypot(dx * stretch, dy / stretch) - radius * (1 + 0.22 * noise(flaw, size, 5.0))
        alpha = np.maximum(alpha, inside(distance, 2.2, size))
        lip = np.maximum(lip, np.exp(-(((distance - 1.4) / 0.9) ** 2)) * np.clip((dx + dy) / (2 * radius), 0, 1))
    value = value * (1 - dark * alpha) + 0.3 * dark * lip * shade
    return value, alpha


def tile_crack(value: np.ndarray, shade: np.ndarray, flaw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A thin jagged dark line that often starts at the upper or lower end, with a light edge where it opens."""
    size = len(value)
    length = log_uniform(flaw, 40, 170)
    angle = flaw.normal(np.pi / 2, 0.5)
    start = (flaw.uniform(40, 216), flaw.uniform(-2, 2) if flaw.random() < 0.5 else flaw.uniform(25, 230 - length))
    alpha = crack(flaw, size, start, angle, length, log_uniform(flaw, 0.9, 2.6))
    light = np.roll(blur(alpha, 0.6), max(1, round(1.5 * size / 256)), axis=1) * (1 - alpha)
    dark = log_uniform(flaw, 0.35, 0.85)
    return value * (1 - dark * alpha) + 0.12 * dark * light * shade, alpha


def fray(value: np.ndarray, shade: np.ndarray, flaw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A worn patch, longer along the brush marks, duller and rougher than they are."""
    size = len(value)
    y, x = grid(size)
    length, width = log_uniform(flaw, 22, 85), log_uniform(flaw, 10, 34)
    centre = flaw.uniform(45, 211, 2).astype(np.float32)
    wobble = 0.2 * noise(flaw, size, 34) + 0.05 * noise(flaw, size, 8) + 0.03 * noise(flaw, size, 2.5)
    reach = np.hypot((x - centre[0]) / width, (y - centre[1]) / length) + wobble
    alpha = peak_one(smoothstep((1.06 - reach) / 0.12))
    rough = 0.055 * noise(flaw, size, 2.2) + 0.05 * noise(flaw, size, 8) + 0.1 * noise(flaw, size, 25)
    dull = shade * (1 - log_uniform(flaw, 0.15, 0.55)) * (1 + rough) + 0.25 * (value - shade)
    return value + alpha * (dull - value), alpha


DEFECTS = {"blowhole": blowhole, "crack": tile_crack, "fray": fray}
