"""Bring the catalogues of translations up to date with their sources, and count what is translated.

    python -m tools.site.translations [DOCUMENT ...]

It needs `pip install 'adlib[site]'`, and no Chinese: a paragraph that changed keeps its old translation with the mark
`fuzzy`, and the site shows it in English until somebody corrects the translation and removes the mark. A document that
is named, such as notebooks/06_memory_bank or docs/data, gets a catalogue.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from adlib.errors import InputError
from tools.site.folder import write_pages
from tools.site.glossary import rows
from tools.site.languages import ROOT, WORDS, catalogue_file, catalogued, read_catalogue
from tools.site.notebooks import SAID
from tools.site.texts import counts, needs_translation, site_words

NEEDED = ("sphinx", "myst_nb", "sphinx_copybutton", "sphinx_design", "sphinx_intl", "jieba")
_HEAD = "# Written by `python -m tools.site.translations`; the texts after `msgstr` are written by translators."
_LINE = "{:<36} {:>10} {:>6} {:>12}"


def extract(documents: Sequence[str], folder: Path) -> Path:
    """Write the messages of documents below a new folder, a .pot for each; where these are.

    Raises InputError for a document that is not there.
    """
    shutil.rmtree(folder, ignore_errors=True)
    source, kept = folder / "source", folder / "pot"
    pages = [name for name in documents if name != WORDS]
    notebooks = [name for name in pages if (ROOT / f"{name}.ipynb").exists()]
    glossary = [names for names, _, _ in rows((ROOT / "notebooks/glossary.md").read_text("utf-8"))]
    write_pages(ROOT, source, [Path(name).name for name in notebooks])
    _keep_only(source, pages)
    _run_sphinx(source, folder / "found")
    for name in pages:
        known = SAID if name in notebooks else glossary if name.endswith("glossary") else ()
        texts = (m.id for m in read_catalogue(folder / f"found/{name}.pot") if m.id and needs_translation(m.id))
        _write([text for text in texts if _without_marks(text) not in known], kept / f"{name}.pot")
    _write(site_words(), kept / f"{WORDS}.pot")
    return kept


def _without_marks(text: str) -> str:
    return re.sub("<[^>]*>", "", text)


def _keep_only(source: Path, documents: Sequence[str]) -> None:
    """Take all other documents out of a source folder: reading them is most of Sphinx's time."""
    named = (*documents, "README")  # a title in the contents is found only where its page is
    kept = {source / f"{name}{suffix}" for name in named for suffix in (".md", ".ipynb")}
    for path in {*source.rglob("*.md"), *source.rglob("*.ipynb")} - kept:
        path.unlink()
    for name in documents:
        if not any((source / f"{name}{suffix}").exists() for suffix in (".md", ".ipynb")):
            raise InputError(f"There is no document {name!r}; give a name such as notebooks/06_memory_bank.")


def _run_sphinx(source: Path, found: Path) -> None:
    said = found.with_name("said.txt")
    quiet = ("-Q", "-w", said, "-D", f"html_static_path={source / '_static'}")  # links lead to pages that are left out
    where = ("-c", ROOT / "docs/site", "-d", found.with_name("doctrees"), source, found)
    command = (sys.executable, "-m", "sphinx", "-b", "gettext", *quiet, *where)
    if subprocess.run(command, cwd=ROOT).returncode:
        raise InputError(f"Sphinx could not read the documents:\n{said.read_text(encoding='utf-8')}")


def _write(texts: Sequence[str], path: Path) -> None:
    """Write a template of translations of texts."""
    catalogue = Catalog(project="adlib", version="", header_comment=_HEAD, fuzzy=False)
    for text in texts:
        catalogue.add(text)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=0)


def missing() -> list[str]:
    """Modules that an extraction needs and that are not installed."""
    return [name for name in NEEDED if find_spec(name) is None]


def main(documents: Sequence[str]) -> int:
    """Entry point of `python -m tools.site.translations`."""
    if missing():
        print(f"translations: {', '.join(missing())} missing; run `pip install 'adlib[site]'`.", file=sys.stderr)
        return 2
    from sphinx_intl.basic import update

    try:
        found = extract(sorted({*catalogued(), *documents, WORDS}), ROOT / "build/translations")
    except InputError as error:
        print(f"translations: {error}", file=sys.stderr)
        return 2
    update(str(ROOT / "docs/site/locale"), str(found), ("zh_CN",), line_width=0, ignore_obsolete=True, jobs=1)
    print(_LINE.format("document", "translated", "fuzzy", "untranslated"))
    for name in catalogued():
        found = counts(read_catalogue(catalogue_file(name)))
        print(_LINE.format(name, found["translated"], found["fuzzy"], found["untranslated"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
