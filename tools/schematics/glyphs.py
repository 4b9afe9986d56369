"""The glyphs of the schematics: images, networks, patches, and what a method remembers. Each fills SIZE x SIZE."""

from collections.abc import Sequence
from math import cos, sin

from adlib.plots.style import DEFECTIVE, GOOD, INK
from tools.schematics.marks import PALE, Mark, box, dot, path

SIZE = 92


CRACK = "M{0:g} {1:g} l8 10 l-4 8 l9 10"


def part(x: float, y: float, defect: bool = False) -> list[Mark]:
    """An image of a part, with a defect or without."""
    middle = SIZE / 2
    marks = [box(x, y, SIZE, SIZE, PALE), dot(x + middle, y + middle, 32, "#B8C4CF", INK)]
    marks.append(dot(x + middle, y + middle, 12, PALE, INK))
    if defect:
        marks.append(path(CRACK.format(x + 60, y + 22), DEFECTIVE, width=4))
    return marks


def parts(x: float, y: float) -> list[Mark]:
    """Several images of good parts."""
    return [box(x + 12, y - 10, SIZE, SIZE, "#FFFFFF"), box(x + 6, y - 5, SIZE, SIZE, "#FFFFFF"), *part(x, y)]


def network(x: float, y: float, fill: str = PALE) -> list[Mark]:
    """A network that makes maps smaller and deeper."""
    heights = (88, 66, 48, 34)
    return [
        box(x + 4 + 23 * number, y + (SIZE - height) / 2, 15, height, fill) for number, height in enumerate(heights)
    ]


def mirrored(marks: Sequence[Mark], x: float) -> list[Mark]:
    """Glyph marks turned left to right within their column."""
    return [f'<g transform="translate({2 * x + SIZE:g} 0) scale(-1 1)">{mark}</g>' for mark in marks]


def grid(x: float, y: float, hot: Sequence[tuple[int, int]] = (), shades: Sequence[str] = ()) -> list[Mark]:
    """A grid of 4 x 4 patches, some of them marked; shades: colours of the 16 cells."""
    cell = SIZE / 4
    marks = []
    for row in range(4):
        for column in range(4):
            fill = shades[row * 4 + column] if shades else DEFECTIVE if (row, column) in hot else "#FFFFFF"
            marks.append(box(x + column * cell, y + row * cell, cell, cell, fill, INK))
    return marks


HOT = ((0, 2), (1, 2), (1, 3))  # where the defect of `part` is
HEAT = [
    {(0, 2): "#E8803A", (1, 2): DEFECTIVE, (1, 3): "#E8803A", (0, 1): "#F6CDB0", (0, 3): "#F6CDB0"}.get(
        (row, column), "#FDF3EC"
    )
    for row in range(4)
    for column in range(4)
]


def heat(x: float, y: float) -> list[Mark]:
    """An anomaly map."""
    return grid(x, y, shades=HEAT)


CLOUD = [(16, 24), (30, 14), (26, 36), (44, 26), (38, 44), (18, 50), (54, 40), (30, 58), (48, 60), (64, 54)]
FAR = (78, 82)


def bank(x: float, y: float, kept: Sequence[int] = tuple(range(10))) -> list[Mark]:
    """Vectors of good patches, those that are kept filled, and the distance of a strange one to its nearest."""
    marks = [dot(x + a, y + b, 5, GOOD if number in kept else "#FFFFFF", GOOD) for number, (a, b) in enumerate(CLOUD)]
    near = min((CLOUD[n] for n in kept), key=lambda p: (p[0] - FAR[0]) ** 2 + (p[1] - FAR[1]) ** 2)
    marks.append(path(f"M{x + near[0]:g} {y + near[1]:g} L{x + FAR[0]:g} {y + FAR[1]:g}", DEFECTIVE, width=2.5))
    marks.append(dot(x + FAR[0], y + FAR[1], 6, DEFECTIVE))
    return marks


def ellipses(x: float, y: float) -> list[Mark]:
    """A Gaussian of the good vectors, and a strange vector outside of it."""
    around = "".join(
        f'<ellipse cx="{x + 38:g}" cy="{y + 38:g}" rx="{16 * k}" ry="{9.5 * k}" fill="none" stroke="{GOOD}" '
        f'stroke-width="2" transform="rotate(32 {x + 38:g} {y + 38:g})"/>'
        for k in (1, 2, 3)
    )
    return [around, dot(x + 38, y + 38, 4), dot(x + 84, y + 84, 6, DEFECTIVE)]


def sphere(x: float, y: float) -> list[Mark]:
    """A small ball around good vectors, and a strange vector outside."""
    near = [(30, 34), (44, 28), (52, 44), (36, 50), (44, 40)]
    marks = [dot(x + 42, y + 40, 30, PALE, GOOD), *(dot(x + a, y + b, 5) for a, b in near)]
    return [
        *marks,
        path(f"M{x + 42:g} {y + 40:g} L{x + 86:g} {y + 86:g}", DEFECTIVE, width=2.5),
        dot(x + 86, y + 86, 6, DEFECTIVE),
    ]


def bell(x: float, y: float) -> list[Mark]:
    """A bent cloud that becomes a round one."""
    arc = [(10 + 40 * cos(t) + 34, 58 - 40 * sin(t)) for t in (0.2, 0.7, 1.2, 1.7, 2.2, 2.7)]
    return [*(dot(x + a, y + b, 5) for a, b in arc), path(f"M{x + 8:g} {y + 86:g} q36 -66 76 0", GOOD, width=2.5)]


def learning_curve(x: float, y: float) -> list[Mark]:
    """A rising curve."""
    return [
        box(x, y, SIZE, SIZE),
        path(
            f"M{x + 10:g} {y + 76:g} C{x + 26:g} {y + 26:g} {x + 50:g} {y + 22:g} {x + 84:g} {y + 18:g}", GOOD, width=3
        ),
    ]


def pair_of_networks(x: float, y: float) -> list[Mark]:
    """Teacher above student, small."""
    upper, lower = network(0, 0), network(0, 0, "#CFE3F1")
    small = '<g transform="translate({x:g} {y:g}) scale(0.5)">{marks}</g>'
    return [
        small.format(x=x + 22, y=y, marks="".join(upper)),
        small.format(x=x + 22, y=y + 48, marks="".join(lower)),
    ]


def hourglass(x: float, y: float) -> list[Mark]:
    """Encoder and decoder, small."""
    both = network(0, 0, "#CFE3F1") + mirrored(network(96, 0, "#CFE3F1"), 96)
    return [f'<g transform="translate({x:g} {y + 22:g}) scale(0.49)">{"".join(both)}</g>']


def unet(x: float, y: float) -> list[Mark]:
    """Encoder and decoder with skip connections between them, small."""
    across = [path(f"M{x + left:g} {y + up:g} H{x + SIZE - left:g}", GOOD, width=2) for left, up in ((5, 18), (17, 10))]
    stubs = [
        path(f"M{x + side:g} {y + up:g} V{y + end:g}", GOOD, width=2)
        for left, up, end in ((5, 18, 25), (17, 10, 31))
        for side in (left, SIZE - left)
    ]
    return [*hourglass(x, y), *across, *stubs]


BLOB = "M{0:g} {1:g} c10 -12 26 -4 24 8 c12 4 10 22 -4 20 c-6 12 -26 4 -20 -8 c-10 -4 -8 -16 0 -20 z"


def blob_mask(x: float, y: float) -> list[Mark]:
    """The mask of a synthetic defect."""
    return [box(x, y, SIZE, SIZE, INK), path(BLOB.format(x + 50, y + 18), "#FFFFFF", "#FFFFFF")]


def crack_mask(x: float, y: float) -> list[Mark]:
    """The mask of the defect of `part`."""
    return [box(x, y, SIZE, SIZE, INK), path(CRACK.format(x + 60, y + 22), "#FFFFFF", width=5)]


def moved_crack(x: float, y: float) -> list[Mark]:
    """A good part that got the defect of `part`, mirrored, at another place."""
    return [*part(x, y), path(f"M{x + 29:g} {y + 30:g} l-8 10 l4 8 l-7 9", DEFECTIVE, width=4)]


def texture(x: float, y: float) -> list[Mark]:
    """A foreign texture, that of `pasted`."""
    starts = [(0, b) for b in (0, 23, 46, 69)] + [(a, 0) for a in (23, 46, 69)]
    stripes = [path(f"M{x + a:g} {y + b:g} l{SIZE - max(a, b):g} {SIZE - max(a, b):g}", INK) for a, b in starts]
    return [box(x, y, SIZE, SIZE, "#F6CDB0"), *stripes]


def pasted(x: float, y: float) -> list[Mark]:
    """A good part with a foreign texture pasted on the mask of `blob_mask`."""
    stripes = [
        path(f"M{x + a:g} {y + b:g} l{d:g} {d:g}", INK, width=2)
        for a, b, d in ((49, 22, 22), (55, 16, 24), (63, 13, 12), (49, 33, 9))
    ]
    return [*part(x, y), path(BLOB.format(x + 50, y + 18), DEFECTIVE, "#F6CDB0", 3), *stripes]


def moved(x: float, y: float, scar: bool = False) -> list[Mark]:
    """A good part with a rectangle of itself pasted elsewhere: a large patch, or a thin and turned scar."""
    if scar:
        return [
            *part(x, y),
            f'<g transform="rotate(35 {x + 62:g} {y + 34:g})">{box(x + 59, y + 22, 6, 24, "#F6CDB0", DEFECTIVE)}</g>',
        ]
    return [*part(x, y), box(x + 44, y + 14, 40, 26, "#F6CDB0", DEFECTIVE)]


def minus(x: float, y: float) -> Mark:
    """The sign of a difference."""
    return path(f"M{x - 11:g} {y:g} h22", width=4)
