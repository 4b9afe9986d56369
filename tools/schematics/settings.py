"""Schematics of the other settings: labels, few images, none, wrong labels, points (chapters 09 to 13)."""

from adlib.plots.style import DEFECTIVE, FAINT, GOOD, INK
from tools.schematics.glyphs import (
    BLOB,
    SIZE,
    bank,
    grid,
    heat,
    hourglass,
    minus,
    network,
    pair_of_networks,
    part,
    parts,
    texture,
)
from tools.schematics.layouts import JUDGE, LEARN, across
from tools.schematics.marks import PALE, Mark, arrow, box, dot, frame, lines, path, turned, words


def supervised() -> str:
    """A bank of good images and a head of labelled defects judge a known kind and a kind that nobody labelled."""
    marks: list[Mark] = [*parts(40, 40), *lines(88, 164, "good images")]
    marks += [*part(40, 224, defect=True), *lines(88, 348, "labelled|defects")]
    marks += [*bank(232, 40), box(224, 32, SIZE + 16, SIZE + 16, stroke=FAINT), *lines(280, 164, "bank")]
    marks += [*network(232, 224, "#CFE3F1"), *lines(280, 348, "head, trained|on both")]
    marks += [arrow(146, 88, 216, 88), arrow(146, 272, 224, 272), arrow(140, 128, 228, 232)]
    for y, name, text in (
        (52, "a known kind", "bank: needs no label|head: at best as good|sum: may gain with many"),
        (236, "a new kind", "bank: needs no label|head: mostly worse|sum: level with the bank"),
    ):
        marks += [box(420, y - 34, 360, 158, "#FFFFFF", FAINT), words(600, y, name, 24)]
        for row, line in enumerate(text.split("|")):
            colour = DEFECTIVE if line.startswith("head") else GOOD
            marks.append(words(600, y + 38 + 32 * row, line, 22, colour))
    marks += [arrow(342, 88, 412, 88), arrow(342, 272, 412, 272), arrow(342, 112, 412, 228), arrow(342, 236, 412, 132)]
    return frame(marks, 380)


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
    """Three sources instead of good images: always a network that learned elsewhere, then sentences or the batch."""
    image, net, middle, result = 24, 176, 400, 656
    y, centre = 120, SIZE / 2
    marks = [*part(image, y, defect=True), *network(net, y), *heat(result, y)]
    marks += [across(image, net, y), *lines(image + centre, y + SIZE + 28, "image")]
    marks += lines(net + centre, y + SIZE + 28, "1 network: learned|from other images")
    marks += [box(middle - 34, 16, 176, 84, PALE), *lines(middle + 54, 50, "'flawless part'|'damaged part'")]
    marks += [*parts(middle + 12, 190), *lines(middle + 58, 190 + SIZE + 28, "3 the other images|of the batch")]
    marks.append(words(middle + 54, 128, "2 words"))
    marks.append(words(middle + 54, 164, "or", 22, FAINT))
    for height, left, right in ((58, middle - 42, middle + 150), (190 + centre, middle + 2, middle + 126)):
        marks.append(arrow(net + SIZE + 10, y + centre, left, height))
        marks.append(arrow(right, height, result - 8, y + centre))
    marks += lines(result + centre, y + SIZE + 28, "score, map")
    return frame(marks, 360)


def images_alone() -> str:
    """Above, the other images of the batch judge a patch; below, its neighbours predict what was hidden."""
    first, second, third, result, centre = 56, 262, 452, 660, SIZE / 2
    marks = [turned(words(30, LEARN + centre, "in a batch", 22, FAINT), 30, LEARN + centre)]
    marks.append(turned(words(30, JUDGE + centre, "alone", 22, FAINT), 30, JUDGE + centre))
    marks += [*part(first, LEARN, defect=True), *lines(first + centre, LEARN + SIZE + 26, "test image")]
    marks += [*parts(second, LEARN), *lines(second + centre, LEARN + SIZE + 26, "all others,|good or not")]
    marks += [across(first, second, LEARN), across(second + 14, third, LEARN)]  # past the stacked images
    heights = (14, 18, 20, 52, 58, 62, 66, 70, 74, 80)  # distances to ten images, sorted
    for number, height in enumerate(heights):
        colour = GOOD if number < 3 else "#D5DCE3"
        marks.append(box(third + 9.2 * number, LEARN + SIZE - height, 7, height, colour, "none"))
    marks += lines(third + centre, LEARN + SIZE + 26, "mean of the lowest|30% (MuSc)")
    seen = {(0, 0), (1, 3), (2, 1), (3, 2)}
    cells = [(row, column) for row in range(4) for column in range(4)]
    marks += [*part(first, JUDGE, defect=True), *lines(first + centre, JUDGE + SIZE + 26, "test image")]
    marks += grid(second, JUDGE, shades=["#FFFFFF" if cell in seen else "#9AA5B1" for cell in cells])
    marks += lines(second + centre, JUDGE + SIZE + 26, "three in four|patches hidden")
    marks += [*hourglass(third, JUDGE), *lines(third + centre, JUDGE + SIZE + 26, "predict them|(MAEDAY)")]
    marks += [across(first, second, JUDGE), across(second, third, JUDGE)]
    between = (LEARN + JUDGE) / 2
    marks += [*heat(result, between), *lines(result + centre, between + SIZE + 26, "score, map")]
    marks += [arrow(third + SIZE + 12, y + centre, result - 10, between + centre) for y in (LEARN, JUDGE)]
    return frame(marks)


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
    marks += [words(702, 30, "test images"), words(692, 72, "removed:", 22, GOOD)]
    marks += [words(688, 98, "planted image leaves", 20, GOOD), *heat(656, 116), words(702, 232, "score, map", 20)]
    marks += [words(692, 276, "overlap:", 22, DEFECTIVE), words(692, 302, "planted image stays", 20, DEFECTIVE)]
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
