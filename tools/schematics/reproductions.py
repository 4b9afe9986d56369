"""Schematics of the reproductions and of what uses them (chapters 20 to 25)."""

from adlib.plots.style import DEFECTIVE, FAINT, GOOD, INK
from tools.schematics.glyphs import (
    bank,
    grid,
    heat,
    learning_curve,
    network,
    part,
    parts,
)
from tools.schematics.layouts import steps, two_rows
from tools.schematics.marks import PALE, WIDTH, Mark, arrow, box, frame, lines, path, turned, words


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


def anomalydino() -> str:
    """AnomalyDINO: all patches of a few good images."""
    row = ("image", "DINOv2,|frozen", "one token|a patch")
    return two_rows(bank, "memory bank", "keep all,|length 1", "map: 1 - cosine;|score: mean of|the highest 1%", row)


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
