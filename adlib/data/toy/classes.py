"""Any number of rendered classes of good images, for training in episodes (chapter 10): parts and textures in turn.

A class is a number. It settles outline, holes, colours and surface, or the waves of a texture; the seed settles what
differs between two images of one class: place, turn, light and grain. No image has a defect.
"""

import numpy as np

from adlib.data.toy.texture import blur, grain, grid, inside, noise, smoothstep
from adlib.errors import InputError

OUTLINE, MEMBER = 10, 11  # first numbers of the random streams of a class and of an image


def render_class(number: int, seed: int = 0, size: int = 128) -> np.ndarray:
    """One image (size, size, 3) uint8 of a class; the same arguments always give the same image.

    number: the class, 0 or more; even numbers are parts, odd numbers are textures. Every fourth part lies turned.
    seed: which image of the class, 0 or more.
    size: side in pixels, at least 64.
    Raises InputError for negative numbers and seeds, and for a size below 64.
    """
    if number < 0 or seed < 0 or size < 64:
        raise InputError(f"class {number}, seed {seed}, size {size}: give a class and a seed of at least 0, size 64.")
    kind, member = np.random.default_rng([OUTLINE, number]), np.random.default_rng([MEMBER, number, seed])
    image = _texture(kind, member, size) if number % 2 else _part(kind, member, size, turned=number % 8 == 0)
    image = image * member.uniform(0.92, 1.08) + 0.015 * grain(member, size, 0.6)[:, :, None]
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def _colour(kind: np.random.Generator) -> np.ndarray:
    """(3,) a muted colour of any brightness."""
    return (kind.uniform(0.12, 0.85) * kind.uniform(0.75, 1.1, 3)).astype(np.float32)


def _waves(kind: np.random.Generator, x: np.ndarray, y: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """One to three stripe patterns (size, size) in -1..1; shift: (2,) where the pattern begins, in points."""
    total, count = np.zeros_like(x), int(kind.integers(1, 4))
    for _ in range(count):
        angle, length, sharp = kind.uniform(0, np.pi), kind.uniform(10, 60), kind.uniform(0.5, 4)
        phase = (np.cos(angle) * (x - shift[0]) + np.sin(angle) * (y - shift[1])) * (2 * np.pi / length)
        total += np.tanh(sharp * np.sin(phase)) / np.tanh(sharp)
    return total / count


def _texture(kind: np.random.Generator, member: np.random.Generator, size: int) -> np.ndarray:
    """Stripes and patches of two colours; each image shows another piece."""
    y, x = grid(size)
    dark, bright = _colour(kind), _colour(kind)
    bend, cell, rough = kind.uniform(0, 6), kind.uniform(4, 40), kind.uniform(0.1, 0.9)
    x, y = x + bend * noise(member, size, 50), y + bend * noise(member, size, 50)
    pattern = (1 - rough) * _waves(kind, x, y, member.uniform(0, 256, 2)) + rough * noise(member, size, cell)
    return dark + smoothstep(0.5 + 0.5 * pattern)[:, :, None] * (bright - dark)


def _part(kind: np.random.Generator, member: np.random.Generator, size: int, turned: bool) -> np.ndarray:
    """A part with holes and a striped face on a plain table."""
    y, x = grid(size)
    x, y = x - 128 - member.uniform(-6, 6), y - 128 - member.uniform(-6, 6)
    turn = member.uniform(0, 2 * np.pi) if turned else member.normal(0, 0.03)
    x, y = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    table, face, hole = _colour(kind), _colour(kind), _colour(kind)
    radius, theta, edge = np.hypot(x, y), np.arctan2(y, x), np.full_like(x, kind.uniform(65, 95))
    for lobes in range(2, 7):
        edge *= 1 + kind.normal(0, 0.25) / lobes * np.cos(lobes * theta + kind.uniform(0, 2 * np.pi))
    surface = kind.uniform(0, 0.25) * _waves(kind, x, y, np.zeros(2)) + 0.04 * noise(member, size, kind.uniform(4, 40))
    image = table * (1 + 0.05 * noise(member, size, 30))[:, :, None]
    body = inside(radius - edge, 2.0, size)[:, :, None]
    image = image * (1 - 0.4 * blur(body[:, :, 0], 6.0))[:, :, None]
    image += body * (face * (1 + surface)[:, :, None] - image)
    for _ in range(int(kind.integers(1, 5))):
        place, far, wide = kind.uniform(0, 2 * np.pi), kind.uniform(0, 45), kind.uniform(6, 22)
        away = np.hypot(x - far * np.cos(place), y - far * np.sin(place))
        image += inside(away - wide, 2.0, size)[:, :, None] * (hole - image)
    return image
