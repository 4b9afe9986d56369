"""Schematics of what all methods share: families, scores, thresholds, comparisons (chapters 00, 01, 14 to 16)."""

from adlib.plots.style import DEFECTIVE, FAINT, GOOD, INK
from tools.schematics.glyphs import (
    SIZE,
    bank,
    bell,
    ellipses,
    hourglass,
    network,
    pair_of_networks,
    part,
    parts,
    sphere,
)
from tools.schematics.layouts import COLUMNS, JUDGE, LEARN, Glyph, across
from tools.schematics.marks import PALE, Mark, arrow, box, dot, frame, lines, path, turned, words


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


def threshold_by_rank() -> str:
    """Held-out good scores, sorted; the score at one rank is the threshold for every new image."""
    image, net, start, centre = COLUMNS[0], COLUMNS[1], 350, SIZE / 2
    scores, threshold = (372, 392, 404, 424, 438, 460, 476, 498, 534, 566), 534
    marks = [turned(words(30, LEARN + centre, "once", 22, FAINT), 30, LEARN + centre)]
    marks.append(turned(words(30, JUDGE + centre, "always", 22, FAINT), 30, JUDGE + centre))
    for y, first, name in (
        (LEARN, parts(image, LEARN), "good images,|held out"),
        (JUDGE, part(image, JUDGE, defect=True), "new image"),
    ):
        marks += [
            *first,
            *network(net, y),
            across(image, net, y),
            arrow(net + SIZE + 10, y + centre, start, y + centre),
        ]
        marks += [arrow(start + 8, y + centre + 10, 632, y + centre + 10), *lines(image + centre, y + SIZE + 28, name)]
        marks += lines(net + centre, y + SIZE + 28, "detector")
    marks += [dot(x, LEARN + centre, 6) for x in scores]
    marks += [dot(threshold, LEARN + centre, 9, "none", INK), words(threshold, LEARN + 22, "rank k")]
    marks += [dot(602, JUDGE + centre, 7, DEFECTIVE), words(602, JUDGE + 26, "score")]
    marks += lines(430, LEARN + SIZE + 6, "scores, sorted")
    marks.append(path(f"M{threshold} {LEARN + 60} V{JUDGE + SIZE}", width=3, extra='stroke-dasharray="7 5"'))
    marks.append(words(threshold + 10, LEARN + SIZE + 48, "threshold", anchor="start"))
    marks += [
        words(440, JUDGE + SIZE + 28, "below: good", 22, GOOD),
        words(640, JUDGE + SIZE + 28, "above: defective", 22, DEFECTIVE),
    ]
    marks += lines(716, LEARN + 34, "false alarms:|on average|at most α")
    return frame(marks, 350)


def comparison() -> str:
    """What all methods share, the one thing that differs, and the three comparisons."""
    shared = ("images to learn from", "images to judge", "backbone, image size", "training budget", "metrics")
    marks: list[Mark] = [box(24, 60, 250, 246, PALE), words(149, 44, "held equal", 24)]
    marks += [words(149, 104 + 42 * row, text) for row, text in enumerate(shared)]
    marks += [box(338, 130, 140, 106, "#CFE3F1", GOOD), words(408, 44, "differs", 24)]
    marks += [*lines(408, 176, "the method,|14 of them"), arrow(284, 183, 328, 183)]
    marks.append(words(658, 44, "compared", 24))
    for y, what, how in (
        (60, "one data set", "paired resamples"),
        (146, "eight data sets", "average ranks"),
        (232, "one machine", "ms, MB, core seconds"),
    ):
        marks += [box(540, y, 236, 74, "#FFFFFF", FAINT), *lines(658, y + 32, f"{what}|{how}")]
        marks.append(arrow(488, 183, 532, y + 37))
    return frame(marks, 330)


def three_intervals() -> str:
    """What varies (test images, draws of shots or seeds, data sets), and the interval that it asks for."""
    marks: list[Mark] = [words(24, 30, "what varies", 22, FAINT, "start"), words(410, 30, "interval", 22, FAINT)]
    marks.append(words(680, 30, "difference", 22, FAINT))
    rows = (
        ("test images", ("\u00d7 1", "\u00d7 0", "\u00d7 2", "\u00d7 1"), "paired bootstrap|(or DeLong)"),
        ("shots or seeds", ("1", "2", "3"), "paired t interval|over the draws"),
        ("data sets", ("A", "B", "C", "D"), "ranks: Friedman,|Nemenyi"),
    )
    for number, (name, units, how) in enumerate(rows):
        y = 94 + 106 * number
        marks.append(words(24, y - 20, name, 22, INK, "start"))
        for place, unit in enumerate(units):
            marks += [box(26 + 54 * place, y - 8, 44, 28, PALE, GOOD), words(48 + 54 * place, y + 13, unit, 20)]
        marks += [arrow(256, y + 6, 304, y + 6), *lines(410, y, how), arrow(516, y + 6, 564, y + 6)]
    marks.append(path("M620 62 V252", FAINT, width=3, extra='stroke-dasharray="7 5"'))
    marks.append(words(620, 56, "0", 22, FAINT))
    for y, (low, middle, high), verdict in (
        (94, (646, 692, 738), "beyond chance"),
        (200, (590, 656, 722), "within chance"),
    ):
        marks += [path(f"M{low} {y} H{high}", GOOD, width=4), dot(middle, y, 8)]
        marks.append(words(634, y + 32, verdict, 20, INK, "start"))
    marks += [dot(x, 300, 8) for x in (600, 640, 752)]
    marks += [path("M592 322 H700", INK, width=4), words(650, 348, "critical difference", 20)]
    return frame(marks, 370)
