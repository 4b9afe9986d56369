"""Plain-woven cloth: uneven warp and weft threads that pass over and under each other."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from adlib.data.toy.texture import (
    blur,
    grain,
    grid,
    inside,
    log_uniform,
    mix,
    noise,
    peak_one,
    smoothstep,
    stroke,
    walk,
)

WARP = np.array([0.36, 0.45, 0.56], np.float32)
WEFT = np.array([0.66, 0.655, 0.63], np.float32)
THREADS = 64  # more than an image shows; thread numbers wrap around
TABLE = np.array([0.06, 0.055, 0.05], np.float32)


@dataclass(frozen=True)
class Cloth:
    """One piece of cloth, as fields (size, size); u counts warp and v weft threads, integer in a thread's middle."""

    size: int
    u: np.ndarray
    v: np.ndarray
    warp_colour: np.ndarray  # (size, size, 3)
    weft_colour: np.ndarray
    fibres: np.ndarray  # brightness of single fibres, warp and weft: (2, size, size)
    width: np.ndarray  # thickness of the threads, warp and weft: (2, size, size)
    pitch: float  # points from thread to thread
    light: np.ndarray


def draw(
    size: int, part: np.random.Generator, defect: str | None, flaw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One cloth (size, size, 3) in 0..1 and its defect's alpha (size, size); `part` does not depend on the defect."""
    cloth = _cloth(size, part)
    film = (0.012 * grain(part, size, 0.5, 0.8))[:, :, None]
    image, alpha = (
        (weave(cloth), np.zeros((size, size), np.float32)) if defect is None else DEFECTS[defect](cloth, flaw)
    )
    return image + film, alpha


def _cloth(size: int, part: np.random.Generator) -> Cloth:
    """Sample the parameters of a piece of cloth."""
    y, x = grid(size)
    pitch, turn = part.uniform(8.6, 9.8), part.normal(0, 0.025)
    along, aside = math.cos(turn), math.sin(turn)
    u = (x * along + y * aside) / pitch + part.uniform(0, 1) + 0.18 * noise(part, size, 120)
    v = (y * along - x * aside) / pitch + part.uniform(0, 1) + 0.18 * noise(part, size, 120)
    # each thread wanders a little by itself: noise that is stretched along it
    u = u + 0.085 * noise(part, size, 50, 9)
    v = v + 0.085 * noise(part, size, 9, 50)
    shade = part.normal(0, 0.02)
    tints = []
    for colour, count in ((WARP, u), (WEFT, v)):
        dyed = colour * (1 + shade + part.normal(0, 0.045, (THREADS, 1)) + part.normal(0, 0.008, 3))  # unevenly
        tints.append(dyed.astype(np.float32)[np.rint(count).astype(int) % THREADS])
    fibres = np.stack([noise(part, size, 7, 1.0), noise(part, size, 1.0, 7)])
    width = np.stack([1 + 0.10 * noise(part, size, 30, 9), 1 + 0.10 * noise(part, size, 9, 30)])
    slope = part.uniform(-0.1, 0.1, 2).astype(np.float32)
    light = 1 + slope[0] * (x / 256 - 0.5) + slope[1] * (y / 256 - 0.5) + 0.03 * noise(part, size, 90)
    return Cloth(size, u, v, tints[0], tints[1], fibres, width, pitch, light)


def weave(cloth: Cloth, lift: np.ndarray | None = None) -> np.ndarray:
    """The image (size, size, 3) of the cloth, without film grain.

    lift: (2, size, size), added to the heights of warp and weft, in thread radii; a thread far below is missing.
    """
    i, j = np.rint(cloth.u), np.rint(cloth.v)
    du, dv = 2 * (cloth.u - i) / cloth.width[0], 2 * (cloth.v - j) / cloth.width[1]  # -1..1 across a thread
    wave_warp = np.cos(np.pi * (cloth.v + i))  # 1 where the warp thread is on top
    wave_weft = -np.cos(np.pi * (cloth.u + j))
    round_warp, round_weft = np.sqrt(np.clip(1 - du**2, 0, 1)), np.sqrt(np.clip(1 - dv**2, 0, 1))
    warp = round_warp + 0.75 * wave_warp - 3.0 * (np.abs(du) > 1)
    weft = round_weft + 0.75 * wave_weft - 3.0 * (np.abs(dv) > 1)
    if lift is not None:
        warp, weft = warp + lift[0], weft + lift[1]
    on_top = smoothstep(0.5 + (warp - weft) / 0.35)
    height = np.maximum(np.maximum(warp, weft), -1.2)

    twist = np.sin(2 * np.pi * (cloth.v * 2.6 + 0.9 * du)), np.sin(2 * np.pi * (cloth.u * 2.6 + 0.9 * dv))
    tone_warp = 0.55 + 0.45 * round_warp - 0.10 * du + 0.05 * twist[0] + 0.09 * cloth.fibres[0] + 0.10 * wave_warp
    tone_weft = 0.55 + 0.45 * round_weft - 0.14 * dv + 0.05 * twist[1] + 0.09 * cloth.fibres[1] + 0.10 * wave_weft
    image = mix(cloth.weft_colour * tone_weft[:, :, None], cloth.warp_colour * tone_warp[:, :, None], on_top)
    # crevices are dark
    sunk = np.clip(blur(height, 0.22 * cloth.pitch) - height, 0, 1.5)
    empty = smoothstep((-0.35 - height) / 0.5)
    image = mix(image, TABLE + 0.06, 0.7 * empty)
    return (image * (cloth.light * (1 - 0.42 * sunk))[:, :, None]).astype(np.float32)


def thread(cloth: Cloth, flaw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A loose thread on the cloth, or one thread missing over some length."""
    size = cloth.size
    y, x = grid(size)
    if flaw.random() < 0.5:
        which = int(flaw.integers(2))
        count, run = ((cloth.u, y), (cloth.v, x))[which]
        row = round(float(flaw.uniform(5, 20)))
        length = log_uniform(flaw, 60, 256)
        centre = flaw.uniform(length / 2, 256 - length / 2) if length < 256 else 128
        missing = inside(np.abs(run - centre) - length / 2, 5, size) * (np.rint(count) == row)
        lift = np.zeros((2, size, size), np.float32)
        lift[which] = -3.5 * missing
        return weave(cloth, lift), missing.astype(np.float32)
    start, heading = tuple(flaw.uniform(50, 206, 2)), flaw.uniform(0, 2 * np.pi)
    path = gaussian_filter1d(walk(flaw, start, heading, log_uniform(flaw, 40, 150), 3.0, 0.7), 2.5, axis=0)
    width = log_uniform(flaw, 1.6, 4.2)
    colour = (WEFT, WARP * 0.75, np.array([0.55, 0.2, 0.18]))[int(flaw.integers(3))]
    body = blur(stroke(size, path, width), 0.4)
    light = blur(stroke(size, path - 0.22 * width, 0.45 * width), 0.5)
    shadow = blur(stroke(size, path + 0.45 * width + 0.6, width), 1.3)
    image = weave(cloth) * (1 - 0.45 * shadow)[:, :, None]
    tone = (0.72 + 0.3 * light + 0.1 * noise(flaw, size, 1.6))[:, :, None]
    return mix(image, colour * tone, body), np.maximum(body, 0.5 * shadow)


def hole(cloth: Cloth, flaw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Torn threads around a hole: each thread ends where it broke, so the rim is ragged."""
    size = cloth.size
    y, x = grid(size)
    centre, radius = flaw.uniform(45, 211, 2).astype(np.float32), log_uniform(flaw, 5, 24)
    stretch = flaw.uniform(0.75, 1.3)
    reach = np.hypot((x - centre[0]) * stretch, (y - centre[1]) / stretch) - radius * (1 + 0.25 * noise(flaw, size, 28))
    ends = np.minimum(flaw.normal(0, 0.42 * min(radius, 12), (2, THREADS)), 0.5 * radius).astype(np.float32)
    lift = np.stack(
        [
            -4 * inside(reach + ends[k][np.rint(count).astype(int) % THREADS] + 0.8 * noise(flaw, size, 2.5), 1.2, size)
            for k, count in enumerate((cloth.u, cloth.v))
        ]
    )
    torn = weave(cloth, lift)
    bare = np.min(-lift / 4, axis=0)
    image = mix(torn, TABLE + 0.02 * noise(flaw, size, 4)[:, :, None], 0.9 * smoothstep(1.6 * bare - 0.3))
    loose = np.max(-lift / 4, axis=0)
    return image, peak_one(np.maximum(bare, 0.9 * loose))


def stain(cloth: Cloth, flaw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A spilled drop: it darkens and colours the threads, more so at its rim."""
    size = cloth.size
    y, x = grid(size)
    centre, radius = flaw.uniform(45, 211, 2).astype(np.float32), log_uniform(flaw, 8, 42)
    wobble = 0.2 * noise(flaw, size, 34) + 0.1 * noise(flaw, size, 12) + 0.05 * noise(flaw, size, 4)
    reach = np.hypot(x - centre[0], (y - centre[1]) * flaw.uniform(0.8, 1.3)) / radius + wobble
    alpha = peak_one(smoothstep((1.1 - reach) / flaw.uniform(0.15, 0.5)))
    rim = np.exp(-(((reach - 0.85) / 0.14) ** 2)) * alpha
    strength = log_uniform(flaw, 0.1, 0.5)
    liquid = np.array([(0.75, 1.2, 1.7), (1.0, 1.0, 0.95), (0.8, 1.1, 1.2)], np.float32)[flaw.integers(3)]
    soak = strength * alpha * (0.85 + 0.12 * noise(flaw, size, 16)) + 0.35 * strength * rim
    return weave(cloth) * np.clip(1 - soak[:, :, None] * liquid, 0.08, 1), alpha


DEFECTS = {"thread": thread, "hole": hole, "stain": stain}
