"""The source folder that Sphinx reads."""

import pytest

from adlib.errors import InputError
from helpers.notebook_text import broken_links
from helpers.places import ROOT
from tools.site.folder import moved_up, with_comments, without_languages, write_pages, write_source, write_translated

NAMES = ("_parts/map.html", "_parts/chapters.html", "notebooks/glossary.md", "README.md", "index.md")
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


def test_a_readme_loses_its_line_of_languages():
    assert without_languages("# A\n\n[English](README.md) | 简体中文\n\ntext\n") == "# A\n\ntext\n"
    assert without_languages("[the overview](README.md) says\n") == "[the overview](README.md) says\n"


def test_comments_of_commands_are_translated_and_the_commands_are_not():
    page = "# every test\n\nmake test     # every test\n"
    assert with_comments(page, str.upper) == "# every test\n\nmake test     # EVERY TEST\n"


def test_what_code_writes_is_in_the_language_of_the_folder(tmp_path):
    english, chinese = tmp_path / "en", tmp_path / "zh"
    write_pages(ROOT, english, ["06"])
    (english / "_static/results").mkdir()
    write_translated(ROOT, english, chinese, "zh_CN")
    read = {name: [(folder / name).read_text("utf-8") for folder in (english, chinese)] for name in NAMES}
    assert all(there != here for here, there in read.values())
    assert "记忆库" in read["_parts/map.html"][1] and "<th>方法</th>" in read["_parts/chapters.html"][1]
    assert "| 核心集 |" in read["notebooks/glossary.md"][1] and "太阳能电池片" in read["README.md"][1]
    assert "README.zh-CN.md" not in read["README.md"][0] and "make test     # 所有测试" in read["index.md"][1]
    assert (chinese / "notebooks/06_memory_bank.ipynb").exists()
