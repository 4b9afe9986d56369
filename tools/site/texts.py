"""The texts that translations are of, read without Sphinx: what a document says, and what code writes."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file

from adlib.reports.scores import SCRIPT
from tools.chapters import CHAPTERS
from tools.refresh import table_words
from tools.site import landing, notebooks
from tools.site.folder import PAGES, comments, moved_up
from tools.site.languages import ROOT, WORDS, catalogue_file, is_chinese, read_catalogue, usable

# What needs no translation: code, formulas, the addresses of links, HTML.
_SIGNS = re.compile(r"`[^`]*`|\$[^$]*\$|\\\w+|(?<=\])\([^)]*\)|<[^>]*>")
SENTENCE = 1  # one word next to Chinese is a name
# How a quotation begins each of its lines, and what ends a line that is broken on purpose.
_EDGES = re.compile(r"(?m)^\s*>\s?|\\$")


def counts(catalogue: Catalog) -> Counter:
    """How many messages of a catalogue are translated, fuzzy and untranslated."""
    messages = [message for message in catalogue if message.id]
    return Counter("translated" if usable(m) else "fuzzy" if m.fuzzy else "untranslated" for m in messages)


def stale(document: str) -> list[str]:
    """Texts with a translation that are not in their document any more."""
    source = _on_one_line(source_text(document))
    catalogue = read_catalogue(catalogue_file(document))
    return [m.id for m in catalogue if m.id and usable(m) and _on_one_line(m.id) not in source]


def source_text(document: str) -> str:
    """All text of a document, such as notebooks/06_memory_bank, that Sphinx finds to be translated."""
    if document == WORDS:
        return "\n".join(site_words())
    if not (path := ROOT / f"{document}.ipynb").exists():
        written = ROOT / f"docs/site/{document}.md"
        return moved_up((written if written.exists() else ROOT / f"{document}.md").read_text("utf-8"))
    cells = notebooks.shown_cells(path.read_text("utf-8"), f"{document}.ipynb")
    prose = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    figures = [cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "") for cell in cells]
    return "\n".join(prose + figures)


def _on_one_line(text: str) -> str:
    return " ".join(_EDGES.sub("", text).split())


def site_words() -> list[str]:
    """What code writes into pages and tables, in English."""
    chapters = (getattr(chapter, field.name) for chapter in CHAPTERS for field in fields(chapter)[1:])
    named = (*(title for title, *_ in landing.PARTS), *notebooks.SAID, *table_words(), *chapters)
    return list(dict.fromkeys(filter(re.compile("[A-Za-z]").search, (*_said(), *named, *_titles(), *_comments()))))


def _said() -> Iterator[str]:
    """Texts in `say("...")` in the code and the scripts of the site."""
    scripts = (*ROOT.glob("docs/site/_static/*.js"), SCRIPT)
    for kind, files in (("python", ROOT.glob("tools/**/*.py")), ("javascript", scripts)):
        for path in sorted(files):
            yield from (text for _, text, *_ in extract_from_file(kind, path, keywords={"say": None}))


def _comments() -> Iterator[str]:
    for path in sorted((ROOT / "docs/site").glob("*.md")):
        yield from comments(path.read_text("utf-8"))


def _titles() -> Iterator[str]:
    """Titles of pages that are not translated, for the contents."""
    yield from ("Bibliography", "Library", "Commands")
    for path in (*(ROOT / name for name in PAGES[1:]), *sorted((ROOT / "docs").glob("*.md"))):
        yield path.read_text("utf-8").splitlines()[0].removeprefix("# ")


def needs_translation(text: str) -> bool:
    """Whether a text has English words outside code, formulas and addresses; next to Chinese, a sentence of them."""
    words = re.findall(r"[A-Za-z][A-Za-z-]+", _SIGNS.sub("", text))
    return len(words) > (SENTENCE if is_chinese(text) else 0)
