"""The chapters' schematics: what each method learns and how it judges, drawn in one style, as SVG.

    python -m tools.refresh schematics      writes them to notebooks/schematics/

Two rows: above, what happens once with good images; below, what happens to every image. Words are at least 20 units of
a width of 800, so that they can be read at half width.
"""

from collections.abc import Callable, Sequence
from math import cos, sin
from pathlib import Path

from adlib.files import atomic_write
from adlib.plots.style import DEFECTIVE, FAINT, GOOD, INK

WIDTH, HEIGHT = 800, 380
LEARN, JUDGE = 30, 215  # upper edges of the rows
SIZE = 92  # of a glyph
COLUMNS = (66, 212, 358, 506, 656)  # left edges of the glyphs
PALE = "#E9EEF3"
FONT = "Helvetica, Arial, sans-serif"

Mark = str  # an SVG element


def words(x: float, y: float, text: str, size: int = 22, colour: str = INK, anchor: str = "middle") -> Mark:
    """A line of text centred at x, its baseline at y."""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
        f'font-family="{FONT}">{text}</text>'
    )


def lines(x: float, y: float, text: str) -> list[Mark]:
    """Lines of text below a glyph, separated by '|', centred at x."""
    return [words(x, y + 24 * number, line) for number, line in enumerate(text.split("|"))]


def box(
    x: float, y: float, width: float, height: float, fill: str = "none", stroke: str = INK, extra: str = ""
) -> Mark:
    """A rectangle with slightly rounded corners."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4" fill="{fill}" stroke="{stroke}" '
        f'stroke-width="2" {extra}/>'
    )


def path(d: str, stroke: str = INK, fill: str = "none", width: float = 2, extra: str = "") -> Mark:
    """A path."""
    return f'<path d="{d}" stroke="{stroke}" fill="{fill}" stroke-width="{width:g}" {extra}/>'


def dot(x: float, y: float, radius: float = 4, fill: str = GOOD, stroke: str = "none") -> Mark:
    """A point."""
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" stroke="{stroke}" stroke-width="2"/>'


def arrow(x0: float, y0: float, x1: float, y1: float, colour: str = INK, dashed: bool = False) -> Mark:
    """A straight arrow."""
    return path(
        f"M{x0:g} {y0:g} L{x1:g} {y1:g}",
        colour,
        extra='marker-end="url(#tip)"' + (' stroke-dasharray="5 5"' if dashed else ""),
    )


# ---- glyphs: each fills SIZE x SIZE at (x, y)


def part(x: float, y: float, defect: bool = False) -> list[Mark]:
    """An image of a part, with a defect or without."""
    middle = SIZE / 2
    marks = [box(x, y, SIZE, SIZE, PALE), dot(x + middle, y + middle, 32, "#B8C4CF", INK)]
    marks.append(dot(x + middle, y + middle, 12, PALE, INK))
    if defect:
        marks.append(path(f"M{x + 60:g} {y + 22:g} l8 10 l-4 8 l9 10", DEFECTIVE, width=4))
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


def bank(x: float, y: float, kept: Sequence[int] = tuple(range(10)), far: bool = True) -> list[Mark]:
    """Vectors of good patches, those that are kept filled, and the distance of a strange one to its nearest."""
    marks = [dot(x + a, y + b, 5, GOOD if number in kept else "#FFFFFF", GOOD) for number, (a, b) in enumerate(CLOUD)]
    if far:
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


def minus(x: float, y: float) -> Mark:
    """The sign of a difference."""
    return path(f"M{x - 11:g} {y:g} h22", width=4)


# ---- schematics


def frame(marks: Sequence[Mark], height: int = HEIGHT) -> str:
    """A whole SVG."""
    tip = (
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0 L10 5 L0 10 z" fill="{INK}"/></marker></defs>'
    )
    ground = f'<rect width="{WIDTH}" height="{height}" fill="#FFFFFF"/>'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}">',
            tip,
            ground,
            *marks,
            "</svg>\n",
        ]
    )


Glyph = Callable[[float, float], list[Mark]]


def two_rows(memory: Glyph, memory_words: str, learned: str, judged: str, row: Sequence[str] = ("", "", "")) -> str:
    """Image, network, patches, what the method remembers, map; memory stands between learning and judging.

    memory: glyph of what is remembered.
    memory_words: its name, lines separated by '|'.
    learned: what happens to the good vectors on their way into the memory.
    judged: how a patch is compared with the memory.
    row: words below image, network and patches of the lower row.
    """
    image, net, patches, middle, result = COLUMNS
    centre = SIZE / 2
    between = (LEARN + JUDGE) / 2 + 14
    marks = rows_of_two()
    for y, first in ((LEARN, parts(image, LEARN)), (JUDGE, part(image, JUDGE, defect=True))):
        marks += [*first, *network(net, y), *grid(patches, y, HOT if y == JUDGE else ())]
        marks += [across(image, net, y), across(net, patches, y)]
    marks += [*memory(middle, between), box(middle - 8, between - 8, SIZE + 16, SIZE + 16, stroke=FAINT)]
    marks += lines(middle + centre, between + SIZE + 34, memory_words)
    marks += lines(middle + centre, between - 20 - 24 * learned.count("|"), learned)
    marks.append(arrow(patches + SIZE + 6, LEARN + centre, middle - 12, between + 20))
    marks.append(arrow(patches + SIZE + 6, JUDGE + centre, middle - 12, between + SIZE - 20))
    marks += [*heat(result, between), arrow(middle + SIZE + 14, between + centre, result - 8, between + centre)]
    marks += lines(result + centre, between + SIZE + 34, judged)
    for x, text in zip((image, net, patches), row, strict=True):
        marks += lines(x + centre, JUDGE + SIZE + 28, text)
    return frame(marks)


def rows_of_two() -> list[Mark]:
    """The words 'learn' and 'judge' at the left edge."""
    pairs = ((LEARN, "learn"), (JUDGE, "judge"))
    return [turned(words(30, y + SIZE / 2, text, 22, FAINT), 30, y + SIZE / 2) for y, text in pairs]


def across(left: float, right: float, y: float) -> Mark:
    """An arrow from one glyph of a row to the next."""
    return arrow(left + SIZE + 10, y + SIZE / 2, right - 8, y + SIZE / 2)


def turned(mark: Mark, x: float, y: float) -> Mark:
    """A mark turned to read upwards, about (x, y)."""
    return f'<g transform="rotate(-90 {x:g} {y:g})">{mark}</g>'


PLAIN_ROW = ("image", "network,|frozen", "one vector|a patch")


def memory_bank() -> str:
    """PatchCore: a coreset of good patches."""
    return two_rows(
        lambda x, y: bank(x, y, (0, 3, 5, 6, 9)),
        "memory bank",
        "keep 1%",
        "map: distance|to the nearest;|score: highest",
        PLAIN_ROW,
    )


def anomalydino() -> str:
    """AnomalyDINO: all patches of a few good images."""
    row = ("image", "DINOv2,|frozen", "one token|a patch")
    return two_rows(bank, "memory bank", "keep all,|length 1", "map: 1 - cosine;|score: mean of|the highest 1%", row)


def gaussian() -> str:
    """One Gaussian, or one at each position."""
    return two_rows(
        ellipses,
        "mean and|covariance",
        "one for all,|or one a place",
        "map: distance|in standard|deviations",
        PLAIN_ROW,
    )


def one_class() -> str:
    """Deep SVDD: a network that maps good images near a centre."""
    return two_rows(
        sphere,
        "centre",
        "pull all to|one point",
        "score: distance|from the centre",
        ("image", "network,|trained", "one vector|a patch"),
    )


def flow() -> str:
    """A normalizing flow on features."""
    return two_rows(
        bell,
        "flow to a|Gaussian",
        "raise the|likelihood",
        "map: how|unlikely",
        PLAIN_ROW,
    )


def beside(upper: str, lower: str, sign: str, judged: str) -> str:
    """Two networks on one image, and the difference of what they give; only the lower one learns."""
    image, net, patches, middle, result = COLUMNS
    centre, between = SIZE / 2, (LEARN + JUDGE) / 2 + 4
    marks = [*part(image, between, defect=True), *lines(image + centre, between + SIZE + 28, "image")]
    for y, fill, name in ((LEARN, PALE, upper), (JUDGE, "#CFE3F1", lower)):
        marks += [*network(net, y, fill), *lines(net + centre, y + SIZE + 26, name)]
        marks += [*grid(patches, y, HOT if y == LEARN else ()), across(net, patches, y)]
        marks.append(arrow(image + SIZE + 10, between + centre, net - 6, y + centre))
        marks.append(arrow(patches + SIZE + 8, y + centre, middle + 16, between + centre + (-12 if y == LEARN else 12)))
    marks += [dot(middle + centre, between + centre, 26, "#FFFFFF", INK), minus(middle + centre, between + centre)]
    marks += lines(middle + centre + 12, between + SIZE + 34, sign)
    marks += [*heat(result, between), arrow(middle + centre + 32, between + centre, result - 8, between + centre)]
    marks += lines(result + centre, between + SIZE + 34, judged)
    return frame(marks)


def teacher_student() -> str:
    """STFPM: a student that imitates a teacher on good images only."""
    return beside(
        "teacher, frozen",
        "student, trained|on good images",
        "difference",
        "map: where|they disagree",
    )


def reconstruction() -> str:
    """An autoencoder: an image through a bottleneck, minus the image."""
    image, net, back, middle, result = COLUMNS
    centre, y = SIZE / 2, 80
    marks = [
        *part(image, y, defect=True),
        *network(net, y, "#CFE3F1"),
        *mirrored(network(back - 40, y, "#CFE3F1"), back - 40),
    ]
    marks += [across(image, net, y), arrow(net + SIZE, y + centre, back - 40, y + centre)]
    marks += [*part(middle - 24, y), arrow(back - 40 + SIZE + 4, y + centre, middle - 32, y + centre)]
    marks += [*heat(result, y)]
    marks += [dot(middle + 118, y + centre, 22, "#FFFFFF", INK), minus(middle + 118, y + centre)]
    marks += [
        arrow(middle - 24 + SIZE + 4, y + centre, middle + 94, y + centre),
        arrow(middle + 141, y + centre, result - 4, y + centre),
    ]
    marks.append(
        path(f"M{image + centre:g} {y - 8:g} V{y - 56:g} H{middle + 118:g} V{y + 14:g}", extra='marker-end="url(#tip)"')
    )
    marks += lines(image + centre, y + SIZE + 28, "image")
    marks += lines((net + back - 40 + SIZE) / 2, y + SIZE + 28, "encoder, bottleneck, decoder,|trained on good images")
    marks += lines(middle - 24 + centre, y + SIZE + 28, "repaired") + lines(
        result + centre, y + SIZE + 28, "map: error"
    )
    return frame(marks, 250)


def mirrored(marks: Sequence[Mark], x: float) -> list[Mark]:
    """Glyph marks turned left to right within their column."""
    return [f'<g transform="translate({2 * x + SIZE:g} 0) scale(-1 1)">{mark}</g>' for mark in marks]


def steps(first: Sequence[tuple[Glyph | str, str]], height: int = 190) -> str:
    """A row of steps: a glyph, or words in a box, and lines below it, joined by arrows."""
    gap = (WIDTH - 100 - SIZE) / (len(first) - 1)
    marks: list[Mark] = []
    for number, (glyph, below) in enumerate(first):
        x, y = 50 + gap * number, 24
        if isinstance(glyph, str):
            inside = glyph.split("|")
            marks.append(box(x - 8, y, SIZE + 16, SIZE, PALE))
            marks += lines(x + SIZE / 2, y + SIZE / 2 + 7 - 12 * (len(inside) - 1), glyph)
        else:
            marks += glyph(x, y)
        marks += lines(x + SIZE / 2, y + SIZE + 28, below)
        if number:
            marks.append(arrow(x - gap + SIZE + 14, y + SIZE / 2, x - 14, y + SIZE / 2))
    return frame(marks, height)


def patchcore() -> str:
    """PatchCore with the shapes of WideResNet-50-2 on a crop of 224 pixels."""
    return steps(
        [
            (part, "image|3 x 224 x 224"),
            (network, "layers 2, 3|frozen"),
            (grid, "patches|784 x 1536"),
            (lambda x, y: bank(x, y, (0, 3, 5, 6, 9)), "coreset 1%|nearest entry"),
            (heat, "map, score|28 x 28"),
        ],
        210,
    )


def scores_and_threshold() -> str:
    """Two overlapping distributions of scores and a threshold between them."""
    hill = "M{0} 150 C{1} 150 {2} 40 {3} 40 C{4} 40 {5} 150 {6} 150"

    def curve(centre: float, half: float, colour: str) -> Mark:
        places = [centre + half * f for f in (-1, -0.55, -0.45, 0, 0.45, 0.55, 1)]
        return path(hill.format(*(f"{v:g}" for v in places)), colour, width=3)

    marks = [
        arrow(60, 150, 740, 150),
        words(700, 180, "image score"),
        curve(270, 170, GOOD),
        curve(470, 210, DEFECTIVE),
    ]
    marks += [
        path("M380 20 V160", width=3, extra='stroke-dasharray="7 5"'),
        words(392, 34, "threshold", anchor="start"),
    ]
    marks += [words(180, 66, "good", 22, GOOD), words(600, 66, "defective", 22, DEFECTIVE)]
    marks += [words(330, 205, "missed defects", 22, DEFECTIVE), words(520, 205, "false alarms", 22, GOOD)]
    marks += [arrow(330, 188, 355, 140, DEFECTIVE), arrow(480, 188, 400, 142, GOOD)]
    return frame(marks, 220)


def sweep() -> str:
    """A notebook executed once for each combination of parameters."""
    return steps(
        [
            ("4, 32, 256|shots", "parameters"),
            ("note-|book", "papermill"),
            ("result|files", "one a run"),
            ("mean,|spread", "over seeds"),
            (learning_curve, "curve"),
        ]
    )


def learning_curve(x: float, y: float) -> list[Mark]:
    """A rising curve."""
    return [
        box(x, y, SIZE, SIZE),
        path(
            f"M{x + 10:g} {y + 76:g} C{x + 26:g} {y + 26:g} {x + 50:g} {y + 22:g} {x + 84:g} {y + 18:g}", GOOD, width=3
        ),
    ]


def own_images() -> str:
    """From a folder of images to decisions."""
    return steps(
        [
            (parts, "a folder"),
            ("adlib|check", "what is in it?"),
            ("adlib|run", "learn, set a|threshold"),
            ("adlib|predict", "new images"),
            (heat, "map,|decision"),
        ],
        210,
    )


def comparison() -> str:
    """One protocol, many methods and data sets, ranks."""
    return steps(
        [
            ("one|protocol", "same images"),
            ("many|methods", "three seeds"),
            ("8 data|sets", "scores kept"),
            ("paired|draws", "one data set"),
            ("average|ranks", "all data sets"),
        ]
    )


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


def families() -> str:
    """The six families of methods that learn from good images alone, and what each remembers."""
    cells: list[tuple[Glyph, str, str, str, str]] = [
        (pair_of_networks, "02", "teacher-student", "a student that", "imitates"),
        (sphere, "03", "one-class", "one point that", "all lie near"),
        (ellipses, "04", "Gaussian", "a mean and", "a covariance"),
        (bell, "05", "normalizing flow", "a map to a", "round cloud"),
        (bank, "06", "memory bank", "the patches", "themselves"),
        (hourglass, "07", "reconstruction", "how to draw", "good parts"),
    ]
    marks: list[Mark] = []
    for number, (glyph, chapter, name, *what) in enumerate(cells):
        x, y = 16 + 262 * (number % 3), 14 + 172 * (number // 3)
        marks += [box(x, y, 246, 158, "#FFFFFF", FAINT), *glyph(x + 10, y + 52)]
        marks += [words(x + 14, y + 30, name, 24, anchor="start"), words(x + 220, y + 30, chapter, 22, FAINT)]
        marks += [words(x + 112, y + 92 + 26 * row, line, 20, anchor="start") for row, line in enumerate(what)]
    return frame(marks, 356)


SCHEMATICS: dict[str, Callable[[], str]] = {
    "00_families": families,
    "01_scores": scores_and_threshold,
    "02_teacher_student": teacher_student,
    "03_one_class": one_class,
    "04_gaussian": gaussian,
    "05_normalizing_flow": flow,
    "06_memory_bank": memory_bank,
    "07_reconstruction": reconstruction,
    "14_comparison": comparison,
    "20_patchcore": patchcore,
    "21_anomalydino": anomalydino,
    "22_sweep": sweep,
    "23_own_images": own_images,
}


def write_schematics(folder: Path) -> None:
    """Write every schematic as NAME.svg, atomically, into a folder that may be new."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in SCHEMATICS.items():
        with atomic_write(folder / f"{name}.svg") as file:
            file.write(draw())
