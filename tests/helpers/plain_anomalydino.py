"""What AnomalyDINO's official code computes otherwise, stated again from its definition, one pixel and patch at a time.

    python tests/helpers/plain_anomalydino.py

writes small inputs and what follows from them to `tests/detectors/anomalydino_official.json`, which the library's own,
fast versions are compared with. Nothing of the library is used here.
"""

import json
import math
import random
from pathlib import Path

STORED = Path(__file__).parents[1] / "detectors/anomalydino_official.json"
ANGLES = (30, 45, 90, 135, 180, 315)


def mirrored(position: int, length: int) -> int:
    """A position outside 0 .. length - 1 reflected at the first and the last element, which are not repeated."""
    while not 0 <= position < length:
        position = -position if position < 0 else 2 * (length - 1) - position
        position = 0 if length == 1 else position
    return position


def turned(image: list, angle: float) -> list:
    """Rows of RGB pixels turned counter-clockwise about (width / 2, height / 2), pixel (x, y) lying at (x, y)."""
    height, width = len(image), len(image[0])
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    out = []
    for y in range(height):
        out.append([])
        for x in range(width):
            right, down = x - width / 2, y - height / 2
            # rounded: 90 degrees must not read between pixels because of a cosine of 6e-17
            from_x = round(width / 2 + cos * right - sin * down, 9)
            from_y = round(height / 2 + sin * right + cos * down, 9)
            out[-1].append([round(between(image, from_x, from_y, channel)) for channel in range(3)])
    return out


def between(image: list, x: float, y: float, channel: int) -> float:
    """The value at (x, y), linear between the four pixels around it."""
    height, width = len(image), len(image[0])
    left, top = math.floor(x), math.floor(y)
    value = 0.0
    for column, row in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
        weight = (1 - abs(x - column)) * (1 - abs(y - row))
        value += weight * image[mirrored(row, height)][mirrored(column, width)][channel]
    return value


def grown_column(mask: list) -> list:
    """A mask's patches as one column, row after row: a dilation and a closing over three patches, reshaped."""
    width = len(mask[0])
    column = [patch for row in mask for patch in row]
    for every in (False, False, True):  # dilation; the closing's dilation and erosion
        around = [column[max(0, place - 1) : place + 2] for place in range(len(column))]
        column = [int(all(window) if every else any(window)) for window in around]
    return [column[start : start + width] for start in range(0, len(column), width)]


def stretched(grid: list, height: int, width: int) -> list:
    """Patch scores laid over all height x width pixels, linear between the patches' centres."""
    rows, columns = len(grid), len(grid[0])
    out = []
    for y in range(height):
        out.append([])
        for x in range(width):
            at_y, at_x = max(0.0, (y + 0.5) * rows / height - 0.5), max(0.0, (x + 0.5) * columns / width - 0.5)
            top, left = int(at_y), int(at_x)
            below, beside = min(top + 1, rows - 1), min(left + 1, columns - 1)
            down, right = at_y - top, at_x - left
            upper = (1 - right) * grid[top][left] + right * grid[top][beside]
            lower = (1 - right) * grid[below][left] + right * grid[below][beside]
            out[-1].append(round((1 - down) * upper + down * lower, 8))
    return out


def batch_distances(images: list, share: float) -> list:
    """Images of patches of values -> for each patch the mean of the smallest share of 1 - cosine to other images."""
    out = []
    for image in images:
        others = [patch for other in images if other is not image for patch in other]
        count = max(1, int(share * len(others)))
        out.append([sum(sorted(1 - cosine(patch, other) for other in others)[:count]) / count for patch in image])
    return out


def cosine(a: list, b: list) -> float:
    """Cosine of the angle between two vectors."""
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def cases() -> dict:
    """Inputs and results, by the name of the switch."""
    chance = random.Random(0)
    image = [[[chance.randrange(256) for _ in range(3)] for _ in range(12)] for _ in range(8)]
    mask = [[int(chance.random() < 0.2) for _ in range(11)] for _ in range(9)]
    grid = [[round(chance.random(), 3) for _ in range(3)] for _ in range(2)]
    batch = [[[chance.randrange(1, 256) for _ in range(3)] for _ in range(20)] for _ in range(3)]
    return {
        "rotation": {"image": image, "turned": {str(angle): turned(image, angle) for angle in ANGLES}},
        "mask_growth": {"mask": mask, "grown": grown_column(mask)},
        "stretch_maps": {"grid": grid, "map": stretched(grid, 31, 45)},
        "batch_share": {"images": batch, "share": 0.1, "distances": batch_distances(batch, 0.1)},
    }


def main() -> None:
    STORED.write_text(json.dumps(cases()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
