"""One picture of any size, scored whole or in tiles by a fitted detector (chapter 23)."""

from dataclasses import dataclass
from itertools import islice

import numpy as np
from PIL import Image

from adlib.detectors.base import Detector
from adlib.errors import InputError
from adlib.features.tiles import OVERLAP, Blend, tile_boxes

AT_ONCE = 8  # tiles a pass of the network


@dataclass(frozen=True)
class Scored:
    """score: image score, of the worst tile; anomaly_map: (H, W) float32 in original pixels; tiles: how many."""

    score: float
    anomaly_map: np.ndarray
    tiles: int


def score_picture(detector: Detector, picture: Image.Image, tile: tuple[int, int] | None = None) -> Scored:
    """Score a picture; in overlapping tiles (height, width) where it is larger than one of them in either direction.

    The image score of a tiled picture is its highest tile score: a mean over the patches of forty tiles would lose one
    pore, and the threshold was set on pictures of a tile's size. A promised false-alarm rate then holds for each tile.
    Memory: the picture, its map and AT_ONCE tiles. The picture counts as read: a `window` of the detector must be
    applied before, see `read_image`.
    Raises InputError where the detector masks the background, which it can tell from a whole picture only.
    """
    width, height = picture.size
    if tile is None or (height <= tile[0] and width <= tile[1]):
        predictions = detector.predict([picture])
        return Scored(float(predictions.scores[0]), predictions.anomaly_map(0), 1)
    if getattr(detector, "masked_", False):
        raise InputError(
            "This detector masks the background, which shows in whole pictures only; predict without tiles."
        )
    overlap = _overlap(detector)
    blend, boxes, highest, count = Blend((height, width), overlap), tile_boxes((height, width), tile, overlap), [], 0
    while some := list(islice(boxes, AT_ONCE)):
        predictions = detector.predict([picture.crop((b.left, b.top, b.right, b.bottom)) for b in some])
        for number, box in enumerate(some):
            blend.add(box, predictions.anomaly_map(number))
        highest.append(float(predictions.scores.max()))
        count += len(some)
    return Scored(max(highest), blend.result(), count)


def _overlap(detector: Detector) -> float:
    """More overlap where a centre crop hides the border of every tile: the crops must overlap, not only the tiles."""
    preprocess = detector.spec().preprocess
    hidden = 1 - preprocess.crop / preprocess.resize if preprocess.crop and preprocess.resize else 0.0
    return min(0.9, OVERLAP + hidden)
