"""Layouts that several schematics share: two rows, two networks side by side, a row of steps.

Two rows: above, what happens once with good images; below, what happens to every image.
"""

from collections.abc import Callable, Sequence

from adlib.plots.style import FAINT, INK
from tools.schematics.glyphs import HOT, SIZE, grid, heat, minus, network, part, parts
from tools.schematics.marks import PALE, WIDTH, Mark, arrow, box, dot, frame, lines, turned, words

LEARN, JUDGE = 30, 215  # upper edges of the rows
COLUMNS = (66, 212, 358, 506, 656)  # left edges of the glyphs
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


def steps(first: Sequence[tuple[Glyph | str, str]], height: int = 190, more: Sequence[Mark] = ()) -> str:
    """A row of steps: a glyph, or words in a box, and lines below it, joined by arrows; more: other marks, below it."""
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
    return frame([*marks, *more], height)
