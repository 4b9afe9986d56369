"""Large images in overlapping tiles of the size that a detector was fitted to; maps blend without a seam (ch. 23).

A detector fitted to images of 256 pixels shrinks an image of 5,000 pixels to that size, and a pore disappears. In tiles
it sees every part at the scale it was fitted to. Each tile's map has the largest weight in its middle and fades towards
its borders, where the network saw the least context; as the weights are continuous, so is the sum.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from adlib.errors import InputError

OVERLAP = 0.25  # of a tile's side
# Where a network works at the image's own resolution, tiles that start on multiples of its coarsest stride have the
# same patches as the whole image.
ALIGNMENT = 32
SMALLEST_TILE = 32
_STRIP = 256  # rows of a large map divided by their weights at a time


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels.

    top, bottom: rows top:bottom.
    left, right: columns left:right.
    """

    top: int
    left: int
    bottom: int
    right: int


def tile_starts(length: int, tile: int, overlap: float = OVERLAP) -> list[int]:
    """First pixels of the tiles that cover 0..length; the last tile ends at `length`; [0] where one tile is enough.

    length: side of the image in pixels.
    tile: side of a tile in pixels.
    overlap: smallest fraction of a tile that overlaps the next tile, in [0, 1).
    Raises InputError for a tile below SMALLEST_TILE pixels and an overlap outside [0, 1).
    """
    if tile < SMALLEST_TILE:
        raise InputError(f"A tile must have at least {SMALLEST_TILE} pixels a side, not {tile}.")
    if not 0 <= overlap < 1:
        raise InputError(f"The overlap of tiles must be in [0, 1), not {overlap}.")
    if length <= tile:
        return [0]
    step = max(1, int(tile * (1 - overlap)))
    if step >= ALIGNMENT:
        step -= step % ALIGNMENT
    return [*range(0, length - tile, step), length - tile]


def tile_boxes(size: tuple[int, int], tile: tuple[int, int], overlap: float = OVERLAP) -> Iterator[Box]:
    """Yield the tiles of an image, row by row.

    size: (height, width) of the image.
    tile: (height, width) of a tile, which is cut where the image is smaller.
    overlap: as in `tile_starts`.
    """
    (height, width), (rows, columns) = size, tile
    for top in tile_starts(height, rows, overlap):
        for left in tile_starts(width, columns, overlap):
            yield Box(top, left, min(top + rows, height), min(left + columns, width))


class Blend:
    """The map of a whole image, blended from the maps of its tiles.

    Takes 8 bytes per pixel for any number of tiles.

    size: (height, width) of the image.
    overlap: the fraction by which the tiles overlap.
    """

    def __init__(self, size: tuple[int, int], overlap: float = OVERLAP) -> None:
        self.size = size
        self.overlap = overlap
        self._sum = np.zeros(size, dtype=np.float32)
        self._weight = np.zeros(size, dtype=np.float32)

    def add(self, box: Box, tile_map: np.ndarray) -> None:
        """Add the map (h, w) of one tile; NaN (hidden by a centre crop) is ignored."""
        if tile_map.shape != (box.bottom - box.top, box.right - box.left):
            raise InputError(
                f"A map of shape {tile_map.shape} does not fit the tile {box}; give one value per pixel of the tile."
            )
        seen = np.isfinite(tile_map)
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        if not rows.size:
            return
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        down = _ramp(bottom - top, self.overlap, box.top + top > 0, box.top + bottom < self.size[0])
        across = _ramp(right - left, self.overlap, box.left + left > 0, box.left + right < self.size[1])
        weight = down[:, None] * across[None, :]
        place = np.s_[box.top + top : box.top + bottom, box.left + left : box.left + right]
        self._sum[place] += weight * tile_map[top:bottom, left:right]
        self._weight[place] += weight

    def result(self) -> np.ndarray:
        """(height, width) float32, NaN in pixels that no tile covers. The blend cannot be used afterwards."""
        for start in range(0, self.size[0], _STRIP):
            part = np.s_[start : start + _STRIP]
            with np.errstate(invalid="ignore"):  # 0 / 0 gives the NaN of a pixel in no tile
                np.divide(self._sum[part], self._weight[part], out=self._sum[part])
        return self._sum


def _ramp(length: int, overlap: float, fades_in: bool, fades_out: bool) -> np.ndarray:
    """Weights along one side, (length,) float32 in (0, 1]: they fade over the overlap, but not at the image border."""
    reach = max(1.0, length * overlap)
    place = np.arange(length, dtype=np.float32) + 0.5
    weight = np.ones(length, dtype=np.float32)
    if fades_in:
        weight = np.minimum(weight, place / reach)
    if fades_out:
        weight = np.minimum(weight, place[::-1] / reach)
    # A raised cosine instead of a linear ramp has no kink. Never 0, so that a single tile counts in full.
    return np.maximum(0.5 - 0.5 * np.cos(np.pi * weight), 1e-4).astype(np.float32)
