"""The README says what the committed results say, and its links lead somewhere."""

import re

import pytest

from adlib.errors import InputError
from adlib.papers.catalogue import published
from helpers.places import ROOT
from tools.refresh import TABLES, refreshed_readme

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_table_is_what_the_results_give():
    assert refreshed_readme(README, ROOT / "results") == README, "run `make readme`"


@pytest.mark.parametrize("name", TABLES)
def test_a_number_typed_by_hand_does_not_survive(name):
    begin = README.index(f"<!-- table: {name} -->")
    number = re.compile(r"\d\d\.\d").search(README, begin)
    forged = README[: number.start()] + "12.3" + README[number.end() :]
    assert refreshed_readme(forged, ROOT / "results") == README


def test_links_and_pictures_exist():
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets and all((ROOT / t).exists() for t in targets if not t.startswith("http"))


def test_published_numbers_have_source_and_reading():
    table = published()
    assert len(table) == 1000 and not table[["source", "how_read"]].eq("").any().any()
    assert published(method="PatchCore", dataset="mtd", variant="10%")["value"].item() == 97.9
    with pytest.raises(InputError, match="'colour'"):
        published(colour="red")
