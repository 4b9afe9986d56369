"""Weld radiographs: a bright bead (thicker, so it darkens the film less) on base metal; gas and gaps show dark."""

import math
from dataclasses import dataclass

import numpy as np

from adlib.data.toy.texture import crack, grain, grey, grid, inside, log_uniform, noise, smoothstep, wave


@dataclass(frozen=True)
class Bead:
    """The bead's position in points; its edges are given per column."""

    top: np.ndarray
    bottom: np.ndarray
    size: int

    def row(self, x: float, across: float) -> float:
        """y at column `x` (points): `across` is -1 at the upper edge, 0 in the middle, 1 at the lower edge."""
        column = int(np.clip(x * self.size / 256, 0, self.size - 1))
        return float(self.top[column] + (across + 1) / 2 * (self.bottom[column] - self.top[column]))


def draw(
    size: int, part: np.random.Generator, defect: str | None, flaw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One radiograph (size, size, 3) in 0..1 and its defect's alpha (size, size); `part` ignores the defect."""
    y, x = grid(size)
    middle = part.uniform(110, 146) + part.uniform(-0.035, 0.035) * (x[0] - 128) + 2.5 * wave(part, size, 100)
    half, period = part.uniform(44, 68), part.uniform(11, 17)
    beat = 2 * np.pi * (x[0] + 0.25 * period * wave(part, size, 40)) / period
    ripple_height = part.uniform(0.2, 0.9)
    top = middle - half - 1.8 * wave(part, size, 55) - 0.6 * wave(part, size, 12) - ripple_height * np.sin(beat)
    bottom = middle + half + 1.8 * wave(part, size, 55) + 0.6 * wave(part, size, 12) + ripple_height * np.sin(beat)
    across = 2 * (y - top) / (bottom - top) - 1

    ramp = smoothstep((1 - np.abs(across)) * half / part.uniform(16, 34))
    bead = ramp * (1 - part.uniform(0.15, 0.4) * across**2)
    # ripples are crescents: the pool freezes last in the middle
    crescents = np.sin(beat[None, :] + 2 * np.pi * part.uniform(1.2, 2.0) * across**2)
    slope = part.uniform(-0.05, 0.05, 2).astype(np.float32)
    base = part.uniform(0.2, 0.3) + slope[0] * (x / 256 - 0.5) + slope[1] * (y / 256 - 0.5)
    value = base + 0.012 * noise(part, size, 110) + 0.006 * noise(part, size, 22)
    value = value + bead * (
        part.uniform(0.33, 0.48) + 0.022 * noise(part, size, 60) + 0.006 * noise(part, size, 18, 26)
    )
    value = value + part.uniform(0.005, 0.012) * ramp * np.clip(1 - across**2, 0, 1) * crescents
    film = part.uniform(0.011, 0.017) * grain(part, size, 0.6, 1.3)

    alpha = np.zeros((size, size), np.float32)
    if defect is not None:
        alpha, depth = DEFECTS[defect](Bead(top, bottom, size), flaw)
        value = value * (1 - depth * alpha)
    return grey(value + film), alpha


def pore(bead: Bead, flaw: np.random.Generator) -> tuple[np.ndarray, float]:
    """One to seven gas pores: darkness follows the path through a ball, sqrt(1 - r^2), slightly unsharp."""
    y, x = grid(bead.size)
    alpha = np.zeros((bead.size, bead.size), np.float32)
    clustered = flaw.random() < 0.45
    centre_x, centre_across = flaw.uniform(30, 226), flaw.uniform(-0.6, 0.6)
    radius = log_uniform(flaw, 2.0, 7.5)
    for index in range(int(flaw.integers(3, 8)) if clustered else 1):
        if index:
            radius = log_uniform(flaw, 1.6, 3.8)
        across = float(np.clip(centre_across + flaw.normal(0, 0.2) * (index > 0), -0.72, 0.72))
        pore_x = float(np.clip(centre_x + flaw.normal(0, 22) * (index > 0), 8, 248))
        angle, stretch = flaw.uniform(0, np.pi), flaw.uniform(1.0, 1.35)
        dx, dy = x - pore_x, y - bead.row(pore_x, across)
        along, aside = math.cos(angle) * dx + math.sin(angle) * dy, math.cos(angle) * dy - math.sin(angle) * dx
        distance = np.hypot(along / stretch, aside * stretch)
        ball = np.sqrt(np.clip(1 - (distance / (max(radius, 256 / bead.size) + 0.8)) ** 2, 0, 1))
        alpha = np.maximum(alpha, smoothstep(1.15 * ball) * flaw.uniform(0.8, 1))
    return alpha, log_uniform(flaw, 0.1, 0.45)


def undercut(bead: Bead, flaw: np.random.Generator) -> tuple[np.ndarray, float]:
    """A groove melted into the base metal along one edge of the bead, ragged and tapering."""
    y, x = grid(bead.size)
    length, centre = log_uniform(flaw, 35, 170), flaw.uniform(50, 206)
    width = log_uniform(flaw, 3.2, 8.0) * (1 + 0.25 * wave(flaw, bead.size, 18))
    sign, edge = (-1, bead.top) if flaw.random() < 0.5 else (1, bead.bottom)
    foot = edge - sign * (flaw.uniform(4, 12) + 1.2 * wave(flaw, bead.size, 14))
    profile = np.exp(-0.5 * ((y - foot) / (0.5 * width)) ** 2)
    taper = smoothstep((length / 2 - np.abs(x - centre)) / (0.22 * length))
    rough = np.clip(1 + 0.25 * wave(flaw, bead.size, 11), 0.5, 1.3)
    return np.clip(profile * taper * rough, 0, 1), log_uniform(flaw, 0.3, 0.75)


def weld_crack(bead: Bead, flaw: np.random.Generator) -> tuple[np.ndarray, float]:
    """A thin jagged line, mostly along the bead, sometimes across it."""
    length = log_uniform(flaw, 35, 150)
    along = flaw.random() < 0.65
    angle = flaw.normal(0, 0.12) if along else np.pi / 2 + flaw.normal(0, 0.3)
    length = length if along else min(length, 75)
    x = flaw.uniform(20, 236 - length) if along else flaw.uniform(40, 216)
    across = flaw.uniform(-0.5, 0.5) if along else flaw.uniform(-0.7, -0.4)
    alpha = crack(flaw, bead.size, (x, bead.row(x, across)), angle, length, log_uniform(flaw, 0.9, 2.4))
    return alpha, log_uniform(flaw, 0.16, 0.55)


def lack_of_fusion(bead: Bead, flaw: np.random.Generator) -> tuple[np.ndarray, float]:
    """A straight line along the bead where it never joined the groove's wall; one side of it is sharper."""
    y, x = grid(bead.size)
    length, centre = log_uniform(flaw, 45, 190), flaw.uniform(70, 186)
    across = float(flaw.choice([-1, 1]) * flaw.uniform(0.05, 0.6))
    left, right = max(centre - length / 2, 6), min(centre + length / 2, 250)
    y0, y1 = bead.row(left, across), bead.row(right, across)
    distance = y - (y0 + (y1 - y0) * (x - left) / (right - left)) - 0.3 * wave(flaw, bead.size, 20)
    width = log_uniform(flaw, 1.5, 3.6) * (1 + 0.2 * wave(flaw, bead.size, 25))
    sharp = float(flaw.choice([-1, 1]))
    line = inside(np.abs(distance) - width / 2, 1.2, bead.size)
    halo = inside(np.abs(distance - sharp * width / 2) - width / 2, 3.0, bead.size)
    ends = smoothstep((x - left) / 5) * smoothstep((right - x) / 5)
    broken = smoothstep(2.2 + 1.6 * wave(flaw, bead.size, 24))
    return np.clip(np.maximum(line, 0.5 * halo) * ends * broken, 0, 1), log_uniform(flaw, 0.12, 0.42)


DEFECTS = {"pore": pore, "undercut": undercut, "crack": weld_crack, "lack_of_fusion": lack_of_fusion}
