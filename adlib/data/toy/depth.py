"""Moulded covers scanned by an RGB-D camera: height, colour, and holes where the scanner sees nothing (chapter 13).

The camera is at the origin and looks along +z at a table 500 mm away; x points right, y down, as in the pixel grid. A
cover, its defect and the scanner's noise come from separate random streams, so the same cover exists with and without
its defect. A defect of colour changes no point; a defect of shape changes the colour only through shading.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from adlib.data.toy.texture import grain, log_uniform, mix, noise, smoothstep
from adlib.errors import check_choice, check_whole

KINDS = ("good", "dent", "bump", "missing", "colour")
MIN_SIZE = 48
TABLE = 500.0  # mm from the camera
FIELD = 100.0  # mm of the table that the image is wide
SIDE, CORNER, EDGE, HEIGHT = 30.0, 10.0, 6.0, 14.0  # mm: half a side, radii of corners and of the upper edge, height
RING, BOSS = 15.0, 19.0  # mm from the middle: the groove, and in x and y the four screw bosses
_MASK_FRACTION = 0.3  # the mask holds pixels with more than this fraction of the defect's full strength
_LIGHT = np.array([-0.25, -0.35, -0.9]) / np.linalg.norm([-0.25, -0.35, -0.9])  # from a point to the lamp

Change = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # (x, y, height) in the cover's frame -> height


@dataclass(frozen=True, eq=False)
class DepthSample:
    """One organised RGB-D scan.

    xyz: (H, W, 3) float32 points in mm in the camera's frame, NaN where the scanner saw nothing.
    rgb: (H, W, 3) uint8 colours of the same pixels, without holes.
    mask: (H, W) bool, True on the defect, holes included.
    kind: one of `KINDS`.
    """

    xyz: np.ndarray
    rgb: np.ndarray
    mask: np.ndarray
    kind: str


@dataclass(frozen=True)
class _Cover:
    """Place and shape of a cover; lengths in mm, angles in radians."""

    centre: np.ndarray  # x, y on the table
    turn: float
    tilt: np.ndarray  # slopes in x and y of a cover that lies on a crumb
    boss: float  # height of the screw bosses
    groove: float  # depth of the ring
    warp: np.ndarray  # (size, size), of the cooling plastic


def depth_part(rng: np.random.Generator, kind: str | None = None, size: int = 96) -> DepthSample:
    """Scan one cover, slightly turned, moved and tilted. Equal generators give the same cover, whatever the kind.

    rng: random generator; every kind takes the same amount from it.
    kind: one of `KINDS`; None for "good".
    size: side of the image in pixels, at least 48; it shows about 100 mm.
    Raises InputError for an unknown kind and a size below 48.
    """
    kind = "good" if kind is None else kind
    check_choice("kind of toy scan", kind, KINDS)
    check_whole("size", size, MIN_SIZE)
    part, flaw, sensor = (np.random.default_rng(seed) for seed in rng.integers(2**63, size=3))
    cover, paint = _sample(part, size), _paint(part, size)
    change = _SHAPES[kind](flaw) if kind in _SHAPES else None
    xyz, on_cover, strength = _look(cover, size, change)
    if kind == "colour":
        paint, strength = _stain(paint, _to_cover(cover, xyz[..., 0], xyz[..., 1]), flaw)
        strength = strength * on_cover
    mask = (strength > _MASK_FRACTION * strength.max()) & (strength > 0)
    return DepthSample(_scanned(xyz, sensor), _shaded(xyz, on_cover, paint, sensor), mask, kind)


def toy_depth(
    train: int = 20, test: int = 6, seed: int = 0, size: int = 96
) -> tuple[list[DepthSample], list[DepthSample]]:
    """Good scans to learn from, and scans of every kind to test on; no cover occurs twice.

    train: number of good scans.
    test: number of test scans per kind, good ones included.
    seed: another seed gives other covers; a scan depends only on seed, size, kind and number.
    size: see `depth_part`.
    Returns training scans, and test scans in the order of `KINDS`. Raises InputError for invalid counts.
    """
    for name, value in {"train": train, "test": test, "seed": seed}.items():
        check_whole(name, value, 0)
    good = [depth_part(np.random.default_rng([seed, 0, i]), "good", size) for i in range(train)]
    mixed = [
        depth_part(np.random.default_rng([seed, block, i]), kind, size)
        for block, kind in enumerate(KINDS, start=1)
        for i in range(test)
    ]
    return good, mixed


def _sample(part: np.random.Generator, size: int) -> _Cover:
    return _Cover(
        centre=part.uniform(-4, 4, 2),
        turn=part.uniform(-0.26, 0.26),
        tilt=part.uniform(-0.035, 0.035, 2),
        boss=part.uniform(1.3, 1.7),
        groove=part.uniform(1.4, 1.8),
        warp=0.15 * noise(part, size, 90),
    )


def _paint(part: np.random.Generator, size: int) -> np.ndarray:
    """Colour of the cover's plastic (size, size, 3) in 0..1: recycled, so it is mottled."""
    base = np.array([0.60, 0.52, 0.40]) + part.uniform(-0.02, 0.02, 3)
    mottle = 0.05 * noise(part, size, 24) + 0.05 * noise(part, size, 8) + 0.03 * grain(part, size, 1.0)
    return (base * (1 + mottle[:, :, None])).astype(np.float32)


def _to_cover(cover: _Cover, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in the cover's own frame (mm) of points on the table."""
    dx, dy = x - cover.centre[0], y - cover.centre[1]
    cos, sin = np.cos(cover.turn), np.sin(cover.turn)
    return cos * dx + sin * dy, cos * dy - sin * dx


def _outline(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Signed distance (mm) to the outline, a rounded square; negative inside."""
    ax, ay = np.abs(x) - SIDE + CORNER, np.abs(y) - SIDE + CORNER
    return np.hypot(np.maximum(ax, 0), np.maximum(ay, 0)) + np.minimum(np.maximum(ax, ay), 0) - CORNER


def _height(cover: _Cover, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height (mm) of a good cover at points of its own frame, 0 outside."""
    outline = _outline(x, y)
    edge = np.sqrt(np.clip(1 - np.clip(1 + outline / EDGE, 0, 1) ** 2, 0, 1))  # a quarter of a circle
    groove = cover.groove * np.exp(-(((np.hypot(x, y) - RING) / 1.8) ** 2))
    bosses = cover.boss * smoothstep((4.5 - np.hypot(np.abs(x) - BOSS, np.abs(y) - BOSS)) / 2)
    return np.where(outline < 0, HEIGHT - EDGE * (1 - edge) - groove + bosses, 0)


def _look(cover: _Cover, size: int, change: Change | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exact points (size, size, 3), where the cover is (size, size), and by how much (mm) its shape is changed."""
    steps = ((np.arange(size) + 0.5) / size - 0.5) * FIELD / TABLE  # of a ray, per mm of depth
    across, down = np.meshgrid(steps, steps)
    depth = np.full((size, size), TABLE - HEIGHT)
    for _ in range(4):  # where the ray meets the surface: a fixed point, as rays are steeper than slopes
        x, y = across * depth, down * depth
        own = _to_cover(cover, x, y)
        good = _height(cover, *own)
        height = good if change is None else np.where(good > 0, np.maximum(change(*own, good), 0), 0)
        tilted = height + (SIDE * np.abs(cover.tilt).sum() + cover.tilt[0] * own[0] + cover.tilt[1] * own[1])
        depth = TABLE - np.where(good > 0, tilted + cover.warp, 0)
    xyz = np.stack([across * depth, down * depth, depth], axis=2)
    return xyz, good > 0, np.abs(height - good)


def dent(flaw: np.random.Generator) -> Change:
    """A blow has pressed the upper face in."""
    return _push(flaw, -1)


def bump(flaw: np.random.Generator) -> Change:
    """A blister or a chip under the skin lifts the upper face."""
    return _push(flaw, 1)


def _push(flaw: np.random.Generator, sign: int) -> Change:
    centre, (long, short) = flaw.uniform(-20, 20, 2), flaw.uniform(2.5, 5, 2)
    depth, angle = sign * log_uniform(flaw, 0.8, 2.5), flaw.uniform(0, np.pi)

    def change(x: np.ndarray, y: np.ndarray, height: np.ndarray) -> np.ndarray:
        dx, dy = x - centre[0], y - centre[1]
        u, v = np.cos(angle) * dx + np.sin(angle) * dy, np.cos(angle) * dy - np.sin(angle) * dx
        return height + depth * np.exp(-((u / long) ** 2 + (v / short) ** 2) / 2)

    return change


def missing(flaw: np.random.Generator) -> Change:
    """A piece of the rim has not been filled: the surface falls to a low, sloping floor."""
    place, reach = flaw.uniform(0, 2 * np.pi), log_uniform(flaw, 8, 15)
    middle = SIDE * np.array([np.cos(place), np.sin(place)]) / np.abs([np.cos(place), np.sin(place)]).max()
    floor, waves = flaw.uniform(4, 9), flaw.uniform(0, 2 * np.pi, 2)

    def change(x: np.ndarray, y: np.ndarray, height: np.ndarray) -> np.ndarray:
        dx, dy = x - middle[0], y - middle[1]
        angle = np.arctan2(dy, dx)
        ragged = reach * (1 + 0.12 * np.sin(3 * angle + waves[0]) + 0.06 * np.sin(7 * angle + waves[1]))
        share = smoothstep((ragged - np.hypot(dx, dy)) / 2)
        return height + share * (np.minimum(height, floor) - height)

    return change


_SHAPES: dict[str, Callable[[np.random.Generator], Change]] = {"dent": dent, "bump": bump, "missing": missing}


def _stain(
    paint: np.ndarray, own: tuple[np.ndarray, np.ndarray], flaw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The plastic with a stain or a bleached spot, and the spot's alpha (size, size): colour without shape."""
    size, centre, reach = len(paint), flaw.uniform(-19, 19, 2), log_uniform(flaw, 3, 8)
    tints = ([0.30, 0.24, 0.18], [0.62, 0.30, 0.22], [0.36, 0.46, 0.40], [0.86, 0.82, 0.74])
    tint, cover = np.array(tints[flaw.integers(len(tints))]), flaw.uniform(0.5, 0.9)
    distance = np.hypot(own[0] - centre[0], own[1] - centre[1]) / reach + 0.25 * noise(flaw, size, 16)
    alpha = (cover * smoothstep((1.1 - distance) / 0.3)).astype(np.float32)
    return mix(paint, tint, alpha), alpha


def _slope_normals(xyz: np.ndarray) -> np.ndarray:
    """Unit normals (size, size, 3) towards the camera, from differences along the grid."""
    normal = np.cross(np.gradient(xyz, axis=0), np.gradient(xyz, axis=1))  # down x right: towards -z
    return normal / np.linalg.norm(normal, axis=2, keepdims=True)


def _scanned(xyz: np.ndarray, sensor: np.random.Generator) -> np.ndarray:
    """What the scanner measures: noise along the ray, and holes on steep walls, in blots and in single pixels."""
    size = len(xyz)
    noisy = xyz * (
        1 + (0.06 * sensor.standard_normal((size, size, 1)) + 0.03 * noise(sensor, size, 12)[..., None]) / TABLE
    )
    steepness = 1 - np.abs(_slope_normals(xyz)[..., 2])
    hole = sensor.random((size, size)) < smoothstep((steepness - 0.45) / 0.35)
    hole |= sensor.random((size, size)) < 0.004
    hole |= noise(sensor, size, 14) > 2.3  # glints
    noisy[hole] = np.nan
    return noisy.astype(np.float32)


def _shaded(xyz: np.ndarray, on_cover: np.ndarray, paint: np.ndarray, sensor: np.random.Generator) -> np.ndarray:
    """The camera's image (size, size, 3) uint8 under a wide, soft lamp, in which shapes show faintly."""
    size = len(xyz)
    light = 0.45 + 0.55 * np.clip(_slope_normals(xyz) @ _LIGHT, 0, 1)
    table = np.full(3, 0.16, np.float32) * (1 + 0.06 * noise(sensor, size, 20)[..., None])
    image = np.where(on_cover[..., None], paint, table) * light[..., None]
    image = image + 0.008 * sensor.standard_normal((size, size, 1))
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
