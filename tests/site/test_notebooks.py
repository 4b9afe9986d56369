"""Notebooks as the site shows them."""

import copy
import json

import pytest

from helpers.places import ROOT
from tools.site.notebooks import last_sentence, papermill_line, shown

FIGURE = {"output_type": "execute_result", "data": {"image/png": "", "text/plain": "<Figure>"}, "metadata": {}}


def cell(kind, source, *tags, outputs=()):
    made = {"cell_type": kind, "id": "a", "metadata": {"tags": list(tags)} if tags else {}, "source": source}
    return made | ({"outputs": list(outputs), "execution_count": 1} if kind == "code" else {})


def test_checks_are_folded_and_figures_described():
    cells = [
        cell("markdown", "# 06 Memory bank"),
        cell("markdown", "## 2. A *map*\n\nFirst. The [map](x.md) of `bottle` glows:"),
        cell("code", "plot()", outputs=[FIGURE]),
        cell("code", "assert True", "claims"),
        cell("code", "versions()", "harness"),
        cell("code", "1 + 1"),
    ]
    given = {"cells": cells, "metadata": {"a": 1}, "nbformat": 4, "nbformat_minor": 5}
    before = copy.deepcopy(given)
    found = json.loads(shown(json.dumps(given), "notebooks/06_x.ipynb"))
    assert given == before and found["metadata"] == {"a": 1}
    metadata = [cell["metadata"] for cell in found["cells"]]
    assert metadata[2]["mystnb"]["image"]["alt"] == "2. A map: The map of bottle glows"
    assert metadata[3]["tags"] == ["claims", "hide-cell"] and "Checks" in metadata[3]["mystnb"]["code_prompt_show"]
    assert metadata[4]["tags"] == ["harness", "hide-cell"] and metadata[5] == {}


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")), ids=lambda path: path.stem)
def test_chapters_keep_their_cells_and_every_figure_gets_words(path):
    text = path.read_text(encoding="utf-8")
    found = json.loads(shown(text, f"notebooks/{path.name}"))["cells"]
    added = [cell for cell in found if cell["id"] == "parameters-line"]
    assert len(added) == 1 and f"notebooks/{path.name}" in added[0]["source"]
    kept = ["".join(cell["source"]) for cell in found if cell["id"] != "parameters-line"]
    assert kept == ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    for cell in found:
        if any(kind.startswith("image/") for out in cell.get("outputs", ()) for kind in out.get("data", ())):
            assert len(cell["metadata"]["mystnb"]["image"]["alt"]) > 20


def test_the_last_sentence_has_no_markup_and_no_table():
    assert last_sentence("One. Two [b](c.md) `d`:\n\n| a |\n|---|\n") == "Two b d"
    assert last_sentence("```python\nx = 1\n```") == ""


def test_the_line_for_papermill_names_two_scalars():
    line = papermill_line('data = "elpv"  # real\nshots = (1, 2)\nevery = 7\nseed = 0\n', "notebooks/00_a.ipynb")
    assert line.endswith('papermill notebooks/00_a.ipynb my_00_a.ipynb --cwd notebooks -p data "elpv" -p every 7')
    assert papermill_line("shots = (1, 2)", "notebooks/00_a.ipynb") == ""
