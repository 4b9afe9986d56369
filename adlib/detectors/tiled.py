"""An image of any size, scored whole or in tiles by a fitted detector."""

from dataclasses import dataclass
from itertools import islice

import numpy as np
from PIL import Image

from adlib.detectors.base import Detector
from adlib.errors import InputError
from adlib.features.tiles import OVERLAP, Blend, tile_boxes

AT_ONCE = 8  # tiles per pass of the network


@dataclass(frozen=True)
class Scored:
    """Score and map of one image.

    score: image score, the highest of all tiles.
    anomaly_map: (H, W) float32 in original pixels.
    tiles: number of tiles, 1 for an image scored whole.
    """

    score: float
    anomaly_map: np.ndarray
    tiles: int


def score_image(detector: Detector, image: Image.Image, tile: tuple[int, int] | None = None) -> Scored:
    """Score an image, in overlapping tiles where it is larger than a tile in either direction.

    The image score of a tiled image is its highest tile score: a mean over the patches of forty tiles would lose one
    pore, and the threshold was set on images of a tile's size. A guaranteed false-alarm rate then holds for each tile.
    Memory: the image, its map and AT_ONCE tiles.

    detector: fitted.
    image: as `read_image` returns it: the detector's `window` must have been applied.
    tile: (height, width) in pixels, None to score the image whole.
    Raises InputError where the detector masks the background, which needs whole images.
    """
    width, height = image.size
    if tile is None or (height <= tile[0] and width <= tile[1]):
        predictions = detector.predict([image])
        return Scored(float(predictions.scores[0]), predictions.anomaly_map(0), 1)
    if getattr(detector, "masked_", False):
        raise InputError("This detector masks the background, which needs whole images; predict without tiles.")
    overlap = _overlap(detector)
    blend, boxes, highest, count = Blend((height, width), overlap), tile_boxes((height, width), tile, overlap), [], 0
    while some := list(islice(boxes, AT_ONCE)):
        predictions = detector.predict([image.crop((b.left, b.top, b.right, b.bottom)) for b in some])
        for number, box in enumerate(some):
            blend.add(box, predictions.anomaly_map(number))
        highest.append(float(predictions.scores.max()))
        count += len(some)
    return Scored(max(highest), blend.result(), count)


def _overlap(detector: Detector) -> float:
    """Overlap of the tiles, larger with a centre crop: the crops must overlap, not only the tiles."""
    preprocess = detector.spec().preprocess
    hidden = 1 - preprocess.crop / preprocess.resize if preprocess.crop and preprocess.resize else 0.0
    return min(0.9, OVERLAP + hidden)
