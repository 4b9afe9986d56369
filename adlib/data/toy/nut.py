"""Hexagon nuts seen from above at any angle: a turned face, sloping corners, a threaded hole, a soft shadow."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from adlib.data.toy.texture import (
    blur,
    grain,
    grid,
    inside,
    log_uniform,
    mix,
    noise,
    smoothstep,
    soft_shadow,
    stroke,
    walk,
    wave,
)

ANGLES, RADII = 4096, 1024  # lengths of the lookup tables over a whole turn and over 128 points


@dataclass(frozen=True)
class Nut:
    """Everything a nut's image depends on; lengths in points, angles in radians, fields (size, size)."""

    size: int
    centre: np.ndarray  # x, y
    turn: float
    apothem: float  # from the middle to a flat side
    hole: float  # fraction of the apothem
    light: float  # direction the light comes from
    tint: np.ndarray  # (3,)
    bright: float
    glints: np.ndarray  # brightness over the angle, (ANGLES,)
    rings: np.ndarray  # turning marks over the radius, (RADII,)
    thread: float  # phase
    table: np.ndarray  # (size, size, 3)
    mottle: np.ndarray
    film: np.ndarray


def draw(
    size: int, part: np.random.Generator, defect: str | None, flaw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One nut (size, size, 3) in 0..1 and its defect's alpha (size, size); `part` does not depend on the defect."""
    nut = _nut(size, part)
    image, alpha = (_paint(nut), np.zeros((size, size), np.float32)) if defect is None else DEFECTS[defect](nut, flaw)
    return image + nut.film, alpha


def _nut(size: int, part: np.random.Generator) -> Nut:
    """Sample a nut's parameters."""
    angles = np.arange(ANGLES) * (2 * np.pi / ANGLES)
    glints = np.zeros(ANGLES)
    light = part.uniform(-0.9, -0.2) - np.pi / 4
    for height, spread, offset in ((1.0, 0.30, 0.0), (0.75, 0.26, np.pi), (0.35, 0.2, part.uniform(0.8, 1.9))):
        bend = np.angle(np.exp(1j * (angles - light - offset - part.normal(0, 0.12))))
        glints += height * np.exp(-0.5 * (bend / (spread * part.uniform(0.8, 1.25))) ** 2)
    rings = ndimage.gaussian_filter1d(part.standard_normal(RADII), 1.6) * 1.8
    rings += ndimage.gaussian_filter1d(part.standard_normal(RADII), 9) * 3
    cloth = 0.010 * noise(part, size, 60) + 0.006 * noise(part, size, 5) + 0.008 * grain(part, size, 0.9)
    lit = 0.15 + part.uniform(-0.02, 0.03) + part.uniform(0.02, 0.06) * (1 - grid(size)[0] / 256)
    return Nut(
        size=size,
        centre=(128 + part.uniform(-11, 11, 2)).astype(np.float32),
        turn=part.uniform(0, np.pi / 3),
        apothem=part.uniform(76, 84),
        hole=part.uniform(0.53, 0.57),
        light=light,
        tint=np.array([1.0, 0.985, 0.95]) + part.uniform(-0.012, 0.012, 3),
        bright=part.uniform(0.9, 1.08),
        glints=glints.astype(np.float32),
        rings=rings.astype(np.float32),
        thread=part.uniform(0, 2 * np.pi),
        table=((lit + cloth)[:, :, None] * np.array([0.92, 1.0, 1.1], np.float32)),
        mottle=0.022 * noise(part, size, 30) + 0.022 * noise(part, size, 7) + 0.02 * noise(part, size, 2.2),
        film=(0.010 * grain(part, size, 0.5, 0.8))[:, :, None],
    )


def _frame(nut: Nut) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (points) from the nut's middle, not turned."""
    y, x = grid(nut.size)
    return x - nut.centre[0], y - nut.centre[1]


def _outline(nut: Nut, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Signed distance (points) to the outline: a hexagon whose corners the chamfer rounds."""
    turns = [nut.turn + k * math.pi / 3 for k in range(3)]
    sides = [np.abs(math.cos(turn) * dx + math.sin(turn) * dy) for turn in turns]
    hexagon = np.maximum(np.maximum(sides[0], sides[1]), sides[2]) - nut.apothem
    return np.maximum(hexagon, np.hypot(dx, dy) - 1.118 * nut.apothem)


def _paint(
    nut: Nut, push: tuple[np.ndarray, np.ndarray] | None = None, gone: np.ndarray | None = None, crease: float = 0.0
) -> np.ndarray:
    """The nut on its table (size, size, 3), without film grain.

    push: displacement of the metal in x and y, in points.
    gone: signed distance to a cut, negative where metal is missing.
    crease: relief of the pushed metal, as a fraction of brightness.
    """
    dx, dy = _frame(nut)
    if push is not None:
        dx, dy = dx - push[0], dy - push[1]
    outline = _outline(nut, dx, dy)
    if gone is not None:
        outline = np.maximum(outline, -gone)
    radius, theta = np.hypot(dx, dy), np.arctan2(dy, dx)
    size, a, bore = nut.size, nut.apothem, nut.apothem * nut.hole

    glint = nut.glints[(theta * (ANGLES / (2 * np.pi))).astype(int) % ANGLES]
    rings = nut.rings[np.minimum(radius * (RADII / 128), RADII - 1).astype(int)]
    lambert = np.cos(theta - nut.light)  # of a surface that slopes outwards

    face = 0.47 + 0.3 * glint + rings * (0.025 + 0.035 * glint) + nut.mottle * (1 + glint)
    corner = 0.40 + 0.20 * lambert - 0.004 * np.clip(radius - a, 0, 40) + 1.3 * nut.mottle
    on_corner = inside(0.96 * a - radius, 2.0, size)
    metal = face + on_corner * (corner - face)
    metal = metal + 0.16 * np.exp(-(((radius - 0.96 * a) / 1.0) ** 2)) * np.clip(0.4 + lambert, 0, 1.4)
    metal = metal * (1 - 0.45 * smoothstep(1 + outline / 4.5)) + 0.1 * smoothstep(1 + outline / 3) * np.clip(
        lambert, 0, 1
    )

    # countersink, then the thread: turns of a helix, then the dark table seen through the bore
    sink = 0.36 - 0.26 * lambert + 0.5 * nut.mottle
    metal = metal + inside(radius - bore - 5.5, 1.6, size) * (sink - metal)
    pitch = 3.6
    turns = 0.5 + 0.5 * np.cos(2 * np.pi * (radius / pitch) - theta + nut.thread)
    depth = np.clip((bore - radius) / 11, 0, 1)
    thread = (0.12 + 0.42 * turns * (0.62 - 0.38 * lambert)) * (1 - 0.75 * depth) + 0.4 * nut.mottle
    metal = metal + inside(radius - bore, 1.4, size) * (thread - metal)
    if push is not None:
        across = np.gradient(push[0], axis=1) + np.gradient(push[1], axis=0)
        metal = metal + crease * across * (size / 256)
    if gone is not None:  # the fresh break is a rough, granular band
        band = inside(gone - 6.5, 5.0, size) * (1 - inside(gone, 1.0, size))
        metal = metal + band * (0.34 + 3.2 * nut.mottle - metal)

    image = nut.table.copy()
    through = inside(radius - (bore - 11), 1.8, size)
    body = inside(outline, 1.4, size)
    shadow = soft_shadow(body, 5.0, -7 * np.sin(nut.light), -7 * np.cos(nut.light))
    image *= (1 - 0.62 * shadow - 0.1 * through)[:, :, None]
    colour = np.clip(metal, 0.02, None)[:, :, None] * (nut.bright * nut.tint).astype(np.float32)
    return mix(image, colour, body * (1 - through)).astype(np.float32)


def _changed(before: np.ndarray, after: np.ndarray, size: int) -> np.ndarray:
    """Alpha of a changed shape: where the images differ, and the holes where both happen to be alike."""
    spots = np.abs(after[:, :, 1] - before[:, :, 1]) > 0.035
    if not spots.any():
        return spots.astype(np.float32)
    box = ndimage.find_objects(spots.astype(int))[0]  # work on the changed part alone: closing is slow
    reach = max(1, round(2 * size / 256))
    closed = ndimage.binary_closing(np.pad(spots[box], 2 * reach), iterations=reach)
    filled = ndimage.binary_fill_holes(closed)[2 * reach : -2 * reach, 2 * reach : -2 * reach]
    labels, count = ndimage.label(filled)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    areas[0] = 0
    alpha = np.zeros(spots.shape, np.float32)
    alpha[box] = areas[labels] > 0.04 * areas.max()  # specks away from the change are not the defect
    return alpha


def scratch(nut: Nut, flaw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One to three scores across the face: bright metal with a dark furrow next to it."""
    clean = _paint(nut)
    dx, dy = _frame(nut)
    bore = nut.apothem * nut.hole
    metal = inside(_outline(nut, dx, dy) + 3, 2.0, nut.size) * inside(bore + 8 - np.hypot(dx, dy), 2.0, nut.size)
    place, reach = flaw.uniform(0, 2 * np.pi), flaw.uniform(0.74, 0.88) * nut.apothem
    middle = nut.centre + reach * np.array([np.cos(place), np.sin(place)])
    angle, length = place + np.pi / 2 + flaw.normal(0, 0.5), log_uniform(flaw, 22, 90)
    width, light = log_uniform(flaw, 0.9, 2.6), log_uniform(flaw, 0.12, 0.42)
    along, aside = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    ridge, furrow = np.zeros((2, nut.size, nut.size), np.float32)
    for index in range(int(flaw.integers(1, 4))):
        start = middle - along * length / 2 + aside * index * flaw.uniform(3, 6) + along * flaw.normal(0, 4) * index
        path = walk(flaw, tuple(start), angle, length * flaw.uniform(0.7, 1), 6.0, 0.05)
        widths = width * np.sin(np.linspace(0.25, np.pi - 0.15, len(path))) ** 0.5
        ridge = np.maximum(ridge, stroke(nut.size, path, widths))
        furrow = np.maximum(furrow, stroke(nut.size, path + aside * width, widths))
    ridge, furrow = blur(ridge, 0.35) * metal, blur(furrow, 0.35) * metal
    ridge = ridge / ridge.max()
    scored = clean + light * ridge[:, :, None]
    return mix(scored, 0.35 * clean, 0.9 * light / 0.42 * furrow * (1 - ridge)), np.maximum(ridge, 0.8 * furrow)


def bent(nut: Nut, flaw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A blow has pushed a part of the rim in, out or aside; the metal around it is creased."""
    dx, dy = _frame(nut)
    place = flaw.uniform(0, 2 * np.pi)
    hit = nut.apothem * flaw.uniform(1.0, 1.1) * np.array([np.cos(place), np.sin(place)], np.float32)
    near = np.clip(1 - ((dx - hit[0]) ** 2 + (dy - hit[1]) ** 2) / flaw.uniform(24, 46) ** 2, 0, 1) ** 2
    force = log_uniform(flaw, 5, 15)
    heading = place + (np.pi if flaw.random() < 0.7 else 0) + flaw.normal(0, 0.45)
    push = force * math.cos(heading) * near, force * math.sin(heading) * near
    clean, after = _paint(nut), _paint(nut, push=push, crease=flaw.uniform(0.15, 0.4))
    return after, _changed(clean, after, nut.size)


def missing_part(nut: Nut, flaw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A corner has broken off along a rough edge; the break shows its grain."""
    dx, dy = _frame(nut)
    corner = nut.turn + np.pi / 6 + np.pi / 3 * flaw.integers(6)
    lean = corner + flaw.normal(0, 0.22)
    bite = log_uniform(flaw, 7, 30)
    rough = 2.4 * wave(flaw, nut.size, 34) + 0.9 * wave(flaw, nut.size, 11) + 0.3 * wave(flaw, nut.size, 3)
    aside = math.cos(lean) * dy - math.sin(lean) * dx
    ragged = np.interp(aside, np.linspace(-128, 128, nut.size), rough).astype(np.float32)
    tip = 1.118 * nut.apothem * math.cos(lean - corner)
    gone = (tip - bite) + ragged + 0.004 * aside**2 - (math.cos(lean) * dx + math.sin(lean) * dy)
    clean, after = _paint(nut), _paint(nut, gone=gone)
    return after, _changed(clean, after, nut.size)


DEFECTS = {"scratch": scratch, "bent": bent, "missing_part": missing_part}
