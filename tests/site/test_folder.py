"""The source folder that Sphinx reads."""

import pytest

from adlib.errors import InputError
from helpers.notebook_text import broken_links
from helpers.places import ROOT
from tools.site.folder import moved_up, write_source

PAGES = sorted((ROOT / "docs/site").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_of_the_written_pages_lead_somewhere(page):
    assert list(broken_links(page.read_text(encoding="utf-8"), page)) == []


def test_links_are_rewritten_for_the_root_of_the_pages():
    assert moved_up("[a](../../docs/data.md) ../../b") == "[a](docs/data.md) ../../b"


def test_a_chapter_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="No chapter begins with '77'"):
        write_source(ROOT, tmp_path / "source", ["77"])
    assert not (tmp_path / "source").exists()
