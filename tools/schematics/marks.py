"""The elements of a schematic, as SVG: words, boxes, paths, points, arrows and the frame around them."""

from collections.abc import Sequence

from adlib.plots.style import GOOD, INK

WIDTH, HEIGHT = 800, 380
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


def arrow(x0: float, y0: float, x1: float, y1: float, colour: str = INK) -> Mark:
    """A straight arrow."""
    return path(
        f"M{x0:g} {y0:g} L{x1:g} {y1:g}",
        colour,
        extra='marker-end="url(#tip)"',
    )


def turned(mark: Mark, x: float, y: float) -> Mark:
    """A mark turned to read upwards, about (x, y)."""
    return f'<g transform="rotate(-90 {x:g} {y:g})">{mark}</g>'


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
