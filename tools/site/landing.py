"""What the first page shows of the chapters: a map of methods, and a table with the main figure of each."""

import base64
import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import east_asian_width

import nbformat
from PIL import Image

from tools.chapters import CHAPTERS, Chapter, minutes
from tools.site.languages import Say

# Parts of the course: title, first and last number. A new chapter joins the part that its number is in.
PARTS = (
    ("Start here", "00", "01"),
    ("Learn from good images alone", "02", "08"),
    ("Other labels, other data", "09", "13"),
    ("Judge and compare", "14", "16"),
    ("Go further", "17", "19"),
    ("Reproduce and use", "20", "99"),
)
THUMBNAIL = (320, 200)  # width and height in pixels, at most
# Of the map, in its units: a box, the gap between boxes, the height of a part's title.
_BOX, _GAP, _TITLE = (190, 92), 12, 34


@dataclass(frozen=True)
class Found:
    """A chapter whose notebook is among the pages.

    chapter: its row in the table of chapters.
    path: the notebook.
    """

    chapter: Chapter
    path: Path

    @property
    def page(self) -> str:
        """Address of its page, from the first page."""
        return f"notebooks/{self.path.stem}.html"


def found_chapters(notebooks: Path) -> list[Found]:
    """Chapters that are in a folder, in order; one that the table of chapters does not name has its file's name."""
    named = {chapter.number: chapter for chapter in CHAPTERS}
    paths = sorted(notebooks.glob("[0-9][0-9]_*.ipynb"))
    return [Found(named.get(path.name[:2]) or _unnamed(path), path) for path in paths]


def _unnamed(path: Path) -> Chapter:
    return Chapter(path.name[:2], path.stem[3:].replace("_", " "), "", "")


def write(source: Path, say: Say = str) -> None:
    """Write the first page's parts into the source folder: `_parts/*.html`, and thumbnails in `_static/thumbnails`.

    say: what turns their words into the language of the site.
    """
    chapters = found_chapters(source / "notebooks")
    parts, thumbnails = source / "_parts", source / "_static/thumbnails"
    parts.mkdir(parents=True, exist_ok=True)
    thumbnails.mkdir(parents=True, exist_ok=True)
    maps = [
        f'<div class="map-{name}">{method_map(chapters, columns, say)}</div>'
        for name, columns in (("wide", 4), ("narrow", 2))
    ]
    (parts / "map.html").write_text("\n".join(maps), encoding="utf-8")
    rows = []
    for found in chapters:
        notebook = nbformat.read(found.path, as_version=4)
        if image := thumbnail(notebook):
            image.save(thumbnails / f"{found.chapter.number}.png")
        rows.append(_row(found, minutes(notebook), image is not None, say))
    head = "".join(f"<th>{name}</th>" for name in (say("figure"), say("chapter"), say("methods"), say("minutes")))
    table = f'<table class="chapters"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    (parts / "chapters.html").write_text(table, encoding="utf-8")


def method_map(chapters: Sequence[Found], columns: int, say: Say = str) -> str:
    """An SVG with a box for each chapter, which links to it, in its part of the course.

    chapters: in order.
    columns: number of boxes next to each other.
    say: see `write`.
    """
    drawn, y = [], 0
    for title, first, last in PARTS:
        members = [found for found in chapters if first <= found.chapter.number <= last]
        if not members:
            continue
        drawn.append(f'<text class="part" x="0" y="{y + 22}">{html.escape(say(title))}</text>')
        y += _TITLE
        for i, found in enumerate(members):
            drawn.append(_box(found, (i % columns) * (_BOX[0] + _GAP), y + (i // columns) * (_BOX[1] + _GAP), say))
        y += -(-len(members) // columns) * (_BOX[1] + _GAP) + _GAP
    width = columns * (_BOX[0] + _GAP) - _GAP
    label = say("Map of methods: each box links to its chapter")
    head = f'<svg class="map" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" role="group"'
    return f'{head} aria-label="{label}">{"".join(drawn)}</svg>'


def _box(found: Found, x: int, y: int, say: Say) -> str:
    chapter = found.chapter
    lines = wrapped(say(chapter.methods), 24)[:2]
    words = "".join(f'<tspan x="12" dy="18">{html.escape(line)}</tspan>' for line in lines)
    topic = wrapped(f"{chapter.number} {say(chapter.topic)}", 21)[:2]
    title = "".join(f'<tspan x="12" dy="{19 if i else 0}">{html.escape(line)}</tspan>' for i, line in enumerate(topic))
    return (
        f'<a href="{found.page}"><g transform="translate({x} {y})"><title>{html.escape(say(chapter.shows))}</title>'
        f'<rect width="{_BOX[0]}" height="{_BOX[1]}" rx="6"/><text class="topic" y="24">{title}</text>'
        f'<text class="methods" y="{26 + 19 * (len(topic) - 1)}">{words}</text></g></a>'
    )


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most so many letters, broken at spaces and between Chinese characters, which count as two letters."""
    lines = [""]
    for piece in re.findall(r"[\u4e00-\u9fff][，、：]?|[^\s\u4e00-\u9fff，、：]+[，、：]?|\s+", text):
        if _letters(lines[-1] + piece.strip()) > width and lines[-1]:
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return [line.rstrip() for line in lines]


def _letters(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def thumbnail(notebook: nbformat.NotebookNode) -> Image.Image | None:
    """The first figure of a notebook on white, as large as a thumbnail may be; None where it has no figure."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    found = (output.data[kind] for output in outputs for kind in ("image/png", "image/jpeg") if kind in _data(output))
    if (encoded := next(found, None)) is None:
        return None
    image = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGBA")
    image.thumbnail(THUMBNAIL)
    card = Image.new("RGB", image.size, "white")
    card.paste(image, mask=image)
    return card


def _data(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return output.get("data", {})


def _row(found: Found, minutes: int, has_figure: bool, say: Say) -> str:
    chapter = found.chapter
    picture = f'<img src="_static/thumbnails/{chapter.number}.png" alt="">' if has_figure else ""
    topic, methods, shows = (html.escape(say(text)) for text in (chapter.topic, chapter.methods, chapter.shows))
    link = f'<a href="{found.page}">{chapter.number} {topic}</a>'
    cells = (picture, f"{link}<br>{shows}", methods, say("{minutes} min").format(minutes=minutes))
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
