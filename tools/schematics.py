"""The chapters' schematics: what each method learns and how it judges, drawn in one style, as SVG.

    python -m tools.refresh schematics      writes them to notebooks/schematics/

Words are at least 20 units of a width of 800, so that they can be read at half width.
"""

from collections.abc import Callable
from pathlib import Path

from adlib.files import atomic_write
from adlib.plots.style import DEFECTIVE, FAINT, GOOD, INK
from tools.glyphs import (
    BLOB,
    SIZE,
    bank,
    bell,
    blob_mask,
    ellipses,
    grid,
    heat,
    hourglass,
    learning_curve,
    minus,
    mirrored,
    network,
    pair_of_networks,
    part,
    parts,
    pasted,
    sphere,
    texture,
    unet,
)
from tools.layouts import COLUMNS, JUDGE, LEARN, Glyph, across, beside, steps, two_rows
from tools.marks import PALE, WIDTH, Mark, arrow, box, dot, frame, lines, path, turned, words

PLAIN_ROW = ("image", "network,|frozen", "one vector|a patch")


def memory_bank() -> str:
    """PatchCore: a coreset of good patches."""
    return two_rows(
        lambda x, y: bank(x, y, (0, 3, 5, 6, 9)),
        "memory bank",
        "kept:|filled",
        "map: distance|to the nearest;|score: highest",
        ("image", "network,|frozen", "one vector|per patch"),
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
    image, net, back, middle, result = (*COLUMNS[:-1], COLUMNS[-1] + 34)
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
        arrow(middle - 24 + SIZE + 4, y + centre, middle + 89, y + centre),
        arrow(middle + 145, y + centre, result - 6, y + centre),
    ]
    marks.append(
        path(f"M{image + centre:g} {y - 8:g} V{y - 56:g} H{middle + 118:g} V{y + 17:g}", extra='marker-end="url(#tip)"')
    )
    marks += lines(image + centre, y + SIZE + 28, "image")
    marks += lines((net + back - 40 + SIZE) / 2, y + SIZE + 28, "encoder, bottleneck, decoder,|trained on good images")
    marks += lines(middle - 24 + centre, y + SIZE + 28, "repaired") + lines(
        result + centre, y + SIZE + 28, "map: error"
    )
    return frame(marks, 250)


def anomaly_synthesis() -> str:
    """DRAEM: paste a texture into a good image on a mask, repair the image, segment the defect."""
    source, image, first, back, second, result = 24, 154, 286, 416, 546, 680
    y, centre, sources = 128, SIZE / 2, (4, 128, 252)
    marks = [
        *part(source, 4),
        *blob_mask(source, y),
        *texture(source, 252),
        *pasted(image, y),
        *hourglass(first, y),
        *part(back, y),
    ]
    marks += [*unet(second, y), *heat(result, y)]
    for top, name, end in zip(sources, ("good", "mask", "texture"), (20, centre, 72), strict=True):
        marks += [words(source + centre, top + SIZE + 23, name)]
        marks.append(arrow(source + SIZE + 6, top + centre, image - 8, y + end))
    for left, right in ((image, first), (first, back), (back, second), (second, result)):
        marks.append(arrow(left + SIZE + 6, y + centre, right - 6, y + centre))
    marks.append(
        path(f"M{image + centre:g} {y - 8:g} V82 H{second + centre:g} V{y - 4:g}", extra='marker-end="url(#tip)"')
    )
    marks.append(words((image + second) / 2 + centre, 68, "the second network sees both"))
    texts = ((image, "synthetic|defect"), (first, "network 1:|repair"), (back, "repaired"))
    for x, text in (*texts, (second, "network 2:|segment"), (result, "map")):
        marks += lines(x + centre, y + SIZE + 28, text)
    marks.append(words(450, 340, "trained until: repaired = good, map = mask", 22, FAINT))
    return frame(marks, 380)


def patchcore() -> str:
    """PatchCore with the shapes of WideResNet-50-2 on a crop of 224 pixels; below, where its paper and code differ."""
    switches = {
        "paper": ("mean of 3 x 3", "exact greedy", "d, eq. 7"),
        "official code": ("9C to 1024", "approximate", "d\N{SUPERSCRIPT TWO}, no eq. 7"),
    }
    marks: list[Mark] = []
    for y, (name, ways), fill in zip((190, 232), switches.items(), (PALE, "#CFE3F1"), strict=True):
        marks += [box(10, y, WIDTH - 20, 36, fill, stroke="none"), words(24, y + 25, name, anchor="start")]
        marks += [words(x, y + 25, way) for x, way in zip((400, 552, 704), ways, strict=True)]
    return steps(
        [
            (part, "image|3 x 224 x 224"),
            (network, "layers 2, 3|frozen"),
            (grid, "patches|784 x 1536"),
            (lambda x, y: bank(x, y, (0, 3, 5, 6, 9)), "coreset 1%|nearest entry"),
            (heat, "map, score|28 x 28"),
        ],
        280,
        marks,
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


def sweep() -> str:
    """A notebook executed once for each combination of parameters."""
    return steps(
        [
            ("4, 32, 256|shots", "parameters"),
            ("note-|book", "papermill"),
            ("result|files", "of each run"),
            ("mean,|spread", "over seeds"),
            (learning_curve, "curve"),
        ]
    )


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


def published_tables() -> str:
    """The passports of two published numbers, line by line: which words must be equal, and which may differ."""
    passports = (
        ("PatchCore 84.1", ("MVTec AD, 15", "1 good image", "image AUROC", "WideResNet", "bank: 25%")),
        ("AnomalyDINO 96.5", ("MVTec AD, 15", "1 good image", "image AUROC", "DINOv2 ViT-S", "all patches")),
    )
    marks: list[Mark] = []
    for x, (name, rows) in zip((88, 362), passports, strict=True):
        marks += [box(x, 12, 212, 282, "#FFFFFF", FAINT), words(x + 106, 42, name)]
        marks += [words(x + 106, 90 + 44 * row, text) for row, text in enumerate(rows)]
    for row, name in enumerate(("data", "shots", "metric", "network", "settings")):
        y, equal = 90 + 44 * row, row < 3
        marks.append(words(82, y, name, 20, FAINT, "end"))
        marks.append(words(331, y, "=" if equal else "\N{NOT EQUAL TO}", 28, GOOD if equal else DEFECTIVE))
    marks += [path("M578 68 h10 v116 h-10", GOOD), words(594, 122, "must be equal,", 22, GOOD, "start")]
    marks += [words(594, 148, "or do not compare", 22, GOOD, "start")]
    marks += [path("M578 200 h10 v72 h-10", DEFECTIVE), words(594, 232, "may differ,", 22, DEFECTIVE, "start")]
    marks += [words(594, 258, "if you name it", 22, DEFECTIVE, "start")]
    marks.append(words(400, 328, "verdict: two systems are compared, not two methods"))
    return frame(marks, 350)


def broken_promises() -> str:
    """Known films and a new one: a threshold from tiles of the films that taught, and one from films held out whole."""
    mixed = ((1, 0, 1, 1, 0), (0, 1, 1, 0, 1), (1, 1, 0, 1, 0))
    whole = ((1,) * 5, (1,) * 5, (0,) * 5)
    marks: list[Mark] = []
    for y, name, films, verdict in (
        (26, "tiles", mixed, "threshold|too low"),
        (196, "films", whole, "threshold|is fair"),
    ):
        marks.append(turned(words(30, y + 54, name, 22, FAINT), 30, y + 54))
        for row, taught in enumerate(films):
            for column, learned in enumerate(taught):
                marks.append(box(60 + 40 * column, y + 38 * row, 36, 30, GOOD if learned else "#FFFFFF", GOOD))
        marks += [arrow(274, y + 53, 330, y + 53), *lines(400, y + 48, verdict), arrow(472, y + 53, 528, y + 53)]
        marks += [box(542 + 40 * column, y + 38, 36, 30, PALE, INK) for column in range(5)]
        marks.append(words(640, y + 96, "a new film"))
    marks.append(words(640, 46, "many false alarms", 22, DEFECTIVE))
    marks.append(words(640, 216, "few, on average", 22, GOOD))
    marks += [box(60, 334, 24, 20, GOOD, GOOD), words(94, 352, "learned from", anchor="start")]
    marks += [box(250, 334, 24, 20, "#FFFFFF", GOOD), words(284, 352, "sets the threshold", anchor="start")]
    marks.append(words(490, 352, "(films: each in turn)", anchor="start"))
    return frame(marks, 370)


def supervised() -> str:
    """A bank of good images and a head of labelled defects judge a known kind and a kind that nobody labelled."""
    marks: list[Mark] = [*parts(40, 40), *lines(88, 164, "good images")]
    marks += [*part(40, 224, defect=True), *lines(88, 348, "a few labelled|defects")]
    marks += [*bank(232, 40), box(224, 32, SIZE + 16, SIZE + 16, stroke=FAINT), *lines(280, 164, "bank")]
    marks += [*network(232, 224, "#CFE3F1"), *lines(280, 348, "head, trained|on both")]
    marks += [arrow(146, 88, 216, 88), arrow(146, 272, 224, 272), arrow(140, 128, 228, 232)]
    for y, name, text in (
        (52, "a known kind", "bank: finds it|head: needs many labels|sum: above the bank"),
        (236, "a new kind", "bank: finds it|head: much worse|sum: as the bank"),
    ):
        marks += [box(420, y - 34, 360, 158, "#FFFFFF", FAINT), words(600, y, name, 24)]
        for row, line in enumerate(text.split("|")):
            colour = DEFECTIVE if line.startswith("head") else GOOD
            marks.append(words(600, y + 38 + 32 * row, line, 22, colour))
    marks += [arrow(342, 88, 412, 88), arrow(342, 272, 412, 272), arrow(342, 112, 412, 228), arrow(342, 236, 412, 132)]
    return frame(marks, 380)


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


def few_shot() -> str:
    """Above, a detector compares patches with those of chosen shots; below, a network trains on rendered classes."""
    marks: list[Mark] = [turned(words(30, 80, "few shots", 22, FAINT), 30, 80)]
    marks += [turned(words(30, 276, "meta-learning", 22, FAINT), 30, 276), path("M50 178 H786", FAINT, width=2)]
    for place in range(8):  # good images, two of them chosen
        marks.append(
            box(60 + 40 * (place % 4), 40 + 40 * (place // 4), 34, 34, GOOD if place in (1, 6) else PALE, GOOD)
        )
    marks += [words(137, 144, "which ones?"), arrow(228, 77, 270, 77)]
    marks += [*network(282, 31), words(328, 148, "frozen"), arrow(384, 77, 420, 77)]
    marks += [*bank(432, 31), words(480, 148, "bank"), arrow(536, 77, 572, 77)]
    marks += [*heat(590, 31), words(636, 148, "score, map")]
    rendered = ([box(0, 0, SIZE, SIZE, PALE), path(BLOB.format(36, 22), INK, "#B8C4CF")], texture(0, 0))
    for row, glyph in enumerate(rendered):  # two classes, two images of each
        for x in (66, 144):
            marks.append(f'<g transform="translate({x} {206 + 66 * row}) scale(0.62)">{"".join(glyph)}</g>')
    marks += [words(137, 364, "rendered classes"), arrow(228, 266, 270, 266)]
    marks += [*network(282, 220, "#CFE3F1"), words(328, 342, "learns in"), words(328, 364, "episodes")]
    marks += [
        arrow(384, 266, 420, 266),
        *parts(432, 220),
        words(480, 342, "a part never"),
        words(480, 364, "seen, few shots"),
    ]
    marks += [arrow(544, 266, 580, 266), words(686, 262, "better than"), words(686, 288, "the frozen one?")]
    return frame(marks, 380)


def zero_shot() -> str:
    """Three sources instead of good images: sentences, a network that learned without names, the batch."""
    image, net, middle, result = 24, 176, 400, 656
    y, centre = 120, SIZE / 2
    marks = [*part(image, y, defect=True), *network(net, y), *heat(result, y)]
    marks += [across(image, net, y), *lines(image + centre, y + SIZE + 28, "image")]
    marks += lines(net + centre, y + SIZE + 28, "network: learned|without names")
    marks += [box(middle - 34, 16, 176, 84, PALE), *lines(middle + 54, 50, "'flawless part'|'damaged part'")]
    marks += [*parts(middle + 12, 214), *lines(middle + 54, 214 + SIZE + 28, "the other images|of the batch")]
    marks += [words(middle + 54, 128, "words"), words(middle + 54, 200, "batch")]
    for height in (60, 214 + centre):
        marks.append(arrow(net + SIZE + 10, y + centre, middle - 44, height))
        marks.append(arrow(middle + 152, height, result - 8, y + centre))
    marks += lines(result + centre, y + SIZE + 28, "score, map")
    return frame(marks, 360)


def noisy_data() -> str:
    """A defect labelled good among the training images, the four places where a method can stop it, and the test."""
    places = (
        ("1 memory: trust", "patches that many share"),
        ("2 data: score,", "drop, learn again"),
        ("3 labels: add defects", "that are known as such"),
        ("4 codes: mix two,", "against a critic"),
    )
    marks: list[Mark] = [words(102, 30, "training images", 22)]
    for row in range(3):
        for column in range(2):
            odd = (row, column) == (1, 1)
            marks += small_part(24 + 84 * column, 48 + 84 * row, odd)
    marks.append(words(102, 326, "one label is wrong", 22, DEFECTIVE))
    marks.append(words(400, 30, "four ways to stop it", 22))
    for number, text in enumerate(places):
        y = 46 + 66 * number
        marks += [box(254, y, 292, 58, PALE), *lines(400, y + 24, "|".join(text)), arrow(196, 172, 246, y + 29)]
        marks.append(arrow(554, y + 29, 606, 172))
    marks += [words(702, 30, "test images"), words(702, 72, "removed:", 22, GOOD)]
    marks += [words(702, 98, "planted image leaves", 20, GOOD), *heat(656, 116), words(702, 232, "score, map", 20)]
    marks += [words(702, 276, "overlap:", 22, DEFECTIVE), words(702, 302, "planted image stays", 20, DEFECTIVE)]
    return frame(marks, 346)


def small_part(x: float, y: float, defect: bool) -> list[Mark]:
    """An image of a part, small."""
    return [f'<g transform="translate({x:g} {y:g}) scale(0.85)">{"".join(part(0, 0, defect))}</g>']


def point_clouds() -> str:
    """A scan becomes points; above, pair angles in 33 bins and a bank; below, a teacher and a student."""
    near = ((34, 38), (52, 30), (64, 46), (58, 64), (40, 62), (28, 52))
    far = ((10, 18), (78, 14), (84, 78), (12, 82), (82, 44), (48, 86))
    bars = (6, 10, 52, 12, 5, 0, 8, 14, 44, 20, 8, 0, 30, 46, 12, 6, 4)
    scan, first, second, result, centre = 40, 226, 432, 640, SIZE / 2
    between = (LEARN + JUDGE) / 2
    marks = [dot(scan + x, between + y, 5, FAINT) for x, y in far]
    marks += [path(f"M{scan + 46} {between + 46:g} L{scan + x} {between + y:g}", GOOD) for x, y in near]
    marks += [dot(scan + x, between + y, 5) for x, y in near]
    marks += [dot(scan + 46, between + 46, 7, DEFECTIVE), dot(scan + 46, between + 46, 38, "none", INK)]
    marks += lines(scan + centre, between + SIZE + 30, "a point and its|neighbours")
    marks += [box(first + 5.4 * i, LEARN + 70 - bar, 5, bar + 1, GOOD, "none") for i, bar in enumerate(bars)]
    marks += [
        path(f"M{first - 4} {LEARN + 72} h100"),
        *lines(first + centre, LEARN + SIZE + 10, "FPFH: angles|in 33 bins"),
    ]
    marks += [*bank(second, LEARN - 6, (0, 3, 5, 6, 9)), *lines(second + centre, LEARN + SIZE + 22, "memory bank")]
    marks += [*pair_of_networks(first, JUDGE), *lines(first + centre, JUDGE + SIZE + 28, "teacher and|student")]
    marks += [dot(second + centre, JUDGE + centre, 26, "#FFFFFF", INK), minus(second + centre, JUDGE + centre)]
    marks += lines(second + centre, JUDGE + SIZE + 28, "difference")
    shades = {(46, 46): DEFECTIVE, (52, 30): "#E8803A", (64, 46): "#E8803A", (58, 64): "#E8803A"}
    marks += [dot(result + x, between + y, 6, shades.get((x, y), "#B8C4CF")) for x, y in (*far, *near, (46, 46))]
    marks += lines(result + centre, between + SIZE + 30, "a score for|each point")
    for y in (LEARN, JUDGE):
        tilt = 26 if y == LEARN else 66
        marks.append(arrow(scan + SIZE + 12, between + tilt, first - 14, y + centre))
        marks.append(arrow(first + SIZE + 16, y + centre, second - 6, y + centre))
        marks.append(arrow(second + SIZE + 8, y + centre, result - 10, between + tilt))
    return frame(marks, 376)


def after_patchcore() -> str:
    """Two questions to a bank: which good patches judge a place, and what is remembered of them."""
    marks: list[Mark] = [*lines(98, 50, "which good|patches judge|a place?"), *lines(98, 232, "what is|remembered?")]
    windows = ((0, "the same place|(PaDiM)"), (1, "around it|(N-pad, RAD)"), (3, "anywhere|(PatchCore)"))
    for number, (reach, label) in enumerate(windows):
        x = 240 + 200 * number
        near = [max(abs(row - 1), abs(column - 1)) <= reach for row in range(4) for column in range(4)]
        marks += [*grid(x, 14, shades=["#9CC3DF" if inside else "#FFFFFF" for inside in near])]
        marks += [dot(x + 34.5, 48.5, 8, DEFECTIVE), *lines(x + 46, 134, label)]
    marks += [*bank(240, 184), *lines(286, 304, "the vectors|(PatchCore)")]
    marks += [*network(430, 184, "#CFE3F1"), *lines(486, 304, "vectors behind a|trained head|(ReConPatch)")]
    axis, far = ((648, 262), (722, 202)), (714, 262)
    marks += [path(f"M{axis[0][0]} {axis[0][1]} L{axis[1][0]} {axis[1][1]}", GOOD, width=3)]
    marks += [dot(x, y, 5) for x, y in ((656, 250), (672, 246), (678, 234), (694, 228), (700, 214))]
    marks += [path(f"M{far[0]} {far[1]} L690 228", DEFECTIVE, width=2.5), dot(*far, 6, DEFECTIVE)]
    marks += lines(686, 304, "main directions|(SubspaceAD)")
    return frame(marks, 370)


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
    "08_anomaly_synthesis": anomaly_synthesis,
    "09_supervised": supervised,
    "10_few_shot": few_shot,
    "11_zero_shot": zero_shot,
    "12_noisy": noisy_data,
    "13_3d": point_clouds,
    "14_comparison": comparison,
    "15_thresholds": threshold_by_rank,
    "16_comparing_methods": three_intervals,
    "17_after_patchcore": after_patchcore,
    "20_patchcore": patchcore,
    "21_anomalydino": anomalydino,
    "22_sweep": sweep,
    "23_own_images": own_images,
    "24_published_tables": published_tables,
    "25_broken_promises": broken_promises,
}


def write_schematics(folder: Path) -> None:
    """Write every schematic as NAME.svg, atomically, into a folder that may be new."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in SCHEMATICS.items():
        with atomic_write(folder / f"{name}.svg") as file:
            file.write(draw())
