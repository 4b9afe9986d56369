"""Positions and labels of weld tiles on the ten GDXray radiographs W0001, and a relief in which defects stand out.

The figures of FILMS were read off the radiographs by eye. A film shows a bright bead between darker plates; tiles
follow the bead, so that no tile shows plate only. Film 10's bead has no visible edge: nearly all its height is taken.
Left out are film 2's lettering (W0002 marks it as a defect), the black ends of films 1 and 7, and the overexposed ends
of films 3, 9 and 10. Kept are fine bright vertical scratches: W0002 does not call them defects. W0002 also marks
barely visible things, most of all in the overexposed middle of film 1: its authors call it 'not perfect'.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import correlate

MARGIN = 16  # pixels on either side of a tile's border within which a defect makes the tile unclear
LEAST = 16  # defect pixels further inside that a defective tile needs at least


@dataclass(frozen=True)
class Film:
    """One radiograph.

    split: "train" or "test".
    size: (width, height) in pixels.
    columns: range of columns used, (first, end).
    bead: (x, upper edge, lower edge) of the bead at some columns.
    """

    split: str
    size: tuple[int, int]
    columns: tuple[int, int]
    bead: tuple[tuple[int, int, int], ...]


# No film is in both splits. The four training films are the ones with long clean stretches, film 10 among them because
# it alone shows the low contrast that film 2 (test) has; films 1, 4 and 9 have hardly a clean stretch. With tiles of
# 160 and half overlap: 798 good ones for training (132 + 125 + 144 + 397), 352 good and 535 defective ones for testing.
FILMS = {
    1: Film(
        "test",
        (3512, 366),
        (30, 3480),
        (
            (0, 75, 265),
            (900, 80, 270),
            (1500, 95, 275),
            (2000, 60, 290),
            (2600, 65, 290),
            (3100, 80, 310),
            (3511, 80, 320),
        ),
    ),
    2: Film("test", (4919, 835), (420, 4919), ((0, 280, 640), (2500, 290, 640), (4918, 275, 645))),
    3: Film(
        "train",
        (4992, 646),
        (0, 4930),
        ((0, 105, 475), (1500, 145, 470), (2500, 160, 470), (3500, 155, 485), (4991, 130, 515)),
    ),
    4: Film("test", (4968, 527), (0, 4968), ((0, 115, 375), (2500, 135, 380), (4967, 130, 400))),
    5: Film("test", (4973, 745), (0, 4973), ((0, 140, 560), (1000, 130, 590), (4972, 140, 615))),
    6: Film("train", (4964, 775), (0, 4964), ((0, 145, 570), (1000, 170, 580), (2000, 185, 580), (4963, 210, 590))),
    7: Film(
        "test",
        (4125, 686),
        (60, 4110),
        (
            (0, 170, 520),
            (300, 110, 560),
            (1000, 85, 572),
            (2000, 110, 589),
            (2500, 144, 538),
            (3300, 165, 525),
            (4124, 130, 510),
        ),
    ),
    8: Film(
        "train",
        (4968, 756),
        (0, 4968),
        ((0, 205, 500), (1000, 215, 520), (2000, 245, 555), (3000, 270, 575), (4000, 285, 590), (4967, 320, 620)),
    ),
    9: Film(
        "test",
        (4981, 494),
        (0, 4300),
        (
            (0, 130, 425),
            (1000, 170, 395),
            (2000, 140, 365),
            (2500, 130, 310),
            (3500, 90, 305),
            (4300, 75, 315),
            (4980, 70, 335),
        ),
    ),
    10: Film("train", (4953, 1091), (250, 4850), ((0, 190, 1000), (4952, 190, 1000))),
}

# Brightness of the lower right minus the upper left neighbours: a slope that rises to the lower right comes out light,
# one that falls comes out dark, an even area mid-grey.
EMBOSS = np.array([[-2, -1, 0], [-1, 0, 1], [0, 1, 2]])
GAIN = 2


def emboss(grey: np.ndarray) -> np.ndarray:
    """Relief of a radiograph, (H, W) uint8: 128 + GAIN * (EMBOSS correlated with it), clipped; borders are repeated.

    The kernel sums to 0, so slow changes of brightness along a film, which differ from film to film, vanish.
    """
    relief = correlate(grey.astype(np.int32), EMBOSS, mode="nearest")
    return np.clip(128 + GAIN * relief, 0, 255).astype(np.uint8)


def positions(film: Film, tile: int, overlap: float) -> Iterator[tuple[int, int]]:
    """Left upper corners (x, y) of the tiles along a film's bead.

    Columns are tile * (1 - overlap) apart, and so are rows: as few as cover the bead from edge to edge, centred on it.
    """
    step = max(1, round(tile * (1 - overlap)))
    along, upper, lower = np.array(film.bead).T
    for x in range(film.columns[0], film.columns[1] - tile + 1, step):
        top, bottom = np.interp(x + tile / 2, along, upper), np.interp(x + tile / 2, along, lower)
        rows = 1 + max(0, math.ceil((bottom - top - tile) / step))
        first = (top + bottom - tile - (rows - 1) * step) / 2
        for row in range(rows):
            yield x, int(np.clip(round(first) + row * step, 0, film.size[1] - tile))


def kind(mask: np.ndarray, x: int, y: int, tile: int) -> str | None:
    """The label of the tile at (x, y) of a film's mask, (H, W) bool.

    "defect" with LEAST or more defect pixels at least MARGIN pixels inside its border, "good" with no defect pixel
    within the tile or MARGIN pixels around it, otherwise None (unclear): the masks are drawn by hand, and a sliver of a
    defect is not recognisable.
    """
    if mask[y + MARGIN : y + tile - MARGIN, x + MARGIN : x + tile - MARGIN].sum() >= LEAST:
        return "defect"
    around = mask[max(0, y - MARGIN) : y + tile + MARGIN, max(0, x - MARGIN) : x + tile + MARGIN]
    return None if around.any() else "good"
