"""The first page: every chapter in the folder is on the map and in the table."""

import re
from xml.etree import ElementTree

import nbformat
import pytest

from helpers.places import ROOT
from tools.site.landing import PARTS, THUMBNAIL, found_chapters, method_map, thumbnail, wrapped, write
from tools.site.languages import LANGUAGES, words

CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


@pytest.mark.parametrize("columns", [2, 4])
def test_each_box_links_to_its_chapter_inside_the_drawing(columns):
    drawing = ElementTree.fromstring(method_map(found_chapters(ROOT / "notebooks"), columns))
    boxes = [element for element in drawing.iter() if element.tag.endswith("}a")]
    assert [box.get("href") for box in boxes] == [f"notebooks/{path.stem}.html" for path in CHAPTERS]
    _, _, width, height = map(int, drawing.get("viewBox").split())
    corners = [tuple(map(int, re.findall(r"\d+", box[0].get("transform")))) for box in boxes]
    assert len(set(corners)) == len(boxes) and all(x + 190 <= width and y + 92 <= height for x, y in corners)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_a_chapter_is_in_its_box(language):
    chapters, say = found_chapters(ROOT / "notebooks"), words(language)
    drawing = ElementTree.fromstring(method_map(chapters, 4, say))
    boxes = [element for element in drawing.iter() if element.tag.endswith("}a")]
    for box, found in zip(boxes, chapters, strict=True):
        shown = "".join("".join(box.itertext()).split())
        wanted = f"{say(found.chapter.topic)} {say(found.chapter.methods)}".split()
        assert [word for word in wanted if word not in shown] == [], found.chapter.number


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("kNN, SPADE, PaDiM, PatchCore", ["kNN, SPADE, PaDiM,", "PatchCore"]),
        ("kNN、SPADE、PaDiM、PatchCore", ["kNN、SPADE、PaDiM、", "PatchCore"]),
        ("少样本与元学习，少样本与元学习", ["少样本与元学习，少样本与", "元学习"]),
    ],
)
def test_lines_are_broken_where_they_may_be(text, lines):
    assert wrapped(text, 24) == lines


def test_every_number_belongs_to_one_part():
    numbers = [f"{number:02}" for number in range(30)]
    assert all(sum(first <= number <= last for _, first, last in PARTS) == 1 for number in numbers)


def test_a_chapter_joins_by_being_in_the_folder(tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name in ("00_first_detector", "29_new_subject"):
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A")]), folder / f"{name}.ipynb")
    write(tmp_path)
    for page in ("map", "chapters"):
        text = (tmp_path / f"_parts/{page}.html").read_text(encoding="utf-8")
        assert "notebooks/00_first_detector.html" in text and "29 new subject" in text and "01_metrics" not in text
    assert list((tmp_path / "_static/thumbnails").iterdir()) == []


def test_thumbnails_are_small_and_drawn_on_white():
    notebook = nbformat.read(CHAPTERS[0], as_version=4)
    image = thumbnail(notebook)
    assert image.mode == "RGB" and all(a <= b for a, b in zip(image.size, THUMBNAIL, strict=True))
    assert thumbnail(nbformat.v4.new_notebook()) is None
