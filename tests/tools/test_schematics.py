"""The chapters' schematics: current, whole, and readable at half width."""

import xml.etree.ElementTree as ElementTree

import pytest

from helpers.places import ROOT
from tools.schematics import SCHEMATICS
from tools.schematics.marks import HEIGHT, WIDTH

FOLDER = ROOT / "notebooks" / "schematics"
TEXT, GROUP = "{http://www.w3.org/2000/svg}text", "{http://www.w3.org/2000/svg}g"


def test_no_schematic_is_left_over():
    assert {path.stem for path in FOLDER.glob("*.svg")} == set(SCHEMATICS)


@pytest.mark.parametrize("name", SCHEMATICS)
def test_the_committed_file_is_what_is_drawn(name):
    assert (FOLDER / f"{name}.svg").read_text(encoding="utf-8") == SCHEMATICS[name]()


@pytest.mark.parametrize("name", SCHEMATICS)
def test_words_are_large_and_inside(name):
    """At half width, 20 units are 10 pixels; a letter is about 0.55 of its size wide."""
    drawing = ElementTree.fromstring(SCHEMATICS[name]())
    words, height = list(drawing.iter(TEXT)), float(drawing.get("height"))
    upright = [g for g in drawing.iter(GROUP) if g.get("transform", "").startswith("rotate(-90")]
    turned = {word for group in upright for word in group.iter(TEXT)}
    assert words and height <= HEIGHT
    for word in words:
        size, x, y = (float(word.get(key)) for key in ("font-size", "x", "y"))
        half = 0.55 * size * len(word.text) * (0.5 if word.get("text-anchor") == "middle" else 1)
        middle, end = (y, height) if word in turned else (x, WIDTH)
        start = middle - half if word.get("text-anchor") == "middle" else middle
        assert size >= 20 and 0 <= y <= height, word.text
        assert start >= -30 and middle + half <= end, word.text
