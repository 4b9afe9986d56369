"""Docstrings as reStructuredText, and pages of the rooms and commands."""

from importlib import import_module

import pytest

from helpers.places import ROOT
from tools.site.reference import COMMANDS, ROOMS, as_rst, chapters_by_name, imported, room_page


def test_parameters_become_a_list_and_sentences_stay():
    lines = ["Does it.", "", "a: of `x`,", "    more.", "b, c: seeds.", "Returns 1.", "Raises E."]
    found = [line for line in as_rst(lines) if line]
    assert found == ["Does it.", "* **a**: of ``x``,", "  more.", "* **b, c**: seeds.", "Returns 1.", "Raises E."]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("of `Frame`s.", r"of ``Frame``\ s."),
        ("(`a_`) mean_ * |x|", r"(``a_``) mean\_ \* \|x\|"),
        ("a ` alone", r"a \` alone"),
        ("image_auroc", "image_auroc"),
    ],
)
def test_signs_of_rst_are_escaped_outside_code(given, wanted):
    assert as_rst([given]) == [wanted]


def test_code_over_two_lines_is_code():
    assert as_rst(["see `a", "b`."]) == ["see ``a", "b``."]


def test_names_are_found_in_the_chapters_that_import_them():
    assert list(imported("from adlib.bank import a, b as c\nimport os\nfrom os import path")) == [
        "adlib.bank.a",
        "adlib.bank.b",
    ]
    assert list(imported("%matplotlib inline")) == []
    used = chapters_by_name((ROOT / "notebooks").glob("0[06]_*.ipynb"))
    assert used["adlib.data.load_dataset"] == ["00_first_detector", "06_memory_bank"]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_lists_all_its_public_names(room):
    module = import_module(f"adlib.{room}")
    page = room_page(module, {f"adlib.{room}.{module.__all__[0]}": ["06_memory_bank"]})
    assert all(f":: adlib.{room}.{name}\n" in page for name in module.__all__)
    assert ":doc:`06 </notebooks/06_memory_bank>`" in page


def test_all_rooms_and_commands_are_there():
    from adlib.cli import _COMMANDS

    public = {
        path.parent.name for path in (ROOT / "adlib").glob("*/__init__.py") if "__all__" in path.read_text("utf-8")
    }
    assert {room.partition(".")[0] for room in ROOMS} == public
    assert {module.__name__.rpartition(".")[2] for module in _COMMANDS} == set(COMMANDS)
