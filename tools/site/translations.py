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
from tools.site.texts import counts, needs_translation, site_words

NEEDED = ("sphinx", "myst_nb", "sphinx_design", "sphinx_intl")
_LINE = "{:<36} {:>10} {:>6} {:>12}"


def extract(documents: Sequence[str], folder: Path) -> Path:
    """Write the messages of documents below a new folder, a .pot for each; where these are.

    Raises InputError for a document that is not there.
    """
    shutil.rmtree(folder, ignore_errors=True)
    source, kept = folder / "source", folder / "pot"
    pages = [name for name in documents if name != WORDS]
    chapters = [Path(name).name for name in pages if name.startswith("notebooks/") and name[10:12].isdigit()]
    write_pages(ROOT, source, chapters)
    _keep_only(source, pages)
    _run_sphinx(source, folder / "found")
    for name in pages:
        _write(_without_known(read_catalogue(folder / f"found/{name}.pot")), kept / f"{name}.pot")
    words = Catalog(project="adlib")
    for word in site_words() if WORDS in documents else ():
        words.add(word)
    _write(words, kept / f"{WORDS}.pot")
    return kept


def _keep_only(source: Path, documents: Sequence[str]) -> None:
    """Take all other documents out of a source folder: reading them is most of Sphinx's time."""
    kept = {source / f"{name}{suffix}" for name in documents for suffix in (".md", ".ipynb")}
    for path in {*source.rglob("*.md"), *source.rglob("*.ipynb")} - kept:
        path.unlink()
    for name in documents:
        if not any((source / f"{name}{suffix}").exists() for suffix in (".md", ".ipynb")):
            raise InputError(f"There is no document {name!r} to translate; give a name such as notebooks/06_memory_bank.")


def _run_sphinx(source: Path, found: Path) -> None:
    said = found.with_name("said.txt")
    quiet = ("-Q", "-w", said, "-D", f"html_static_path={source / '_static'}")  # links lead to pages that are left out
    where = ("-c", ROOT / "docs/site", "-d", found.with_name("doctrees"), source, found)
    command = (sys.executable, "-m", "sphinx", "-b", "gettext", *quiet, *where)
    if subprocess.run(command, cwd=ROOT).returncode:
        raise InputError(f"Sphinx could not read the documents:\n{said.read_text(encoding='utf-8')}")


def _without_known(found: Catalog) -> Catalog:
    """Messages that need a translation of their own: no terms of the glossary, and nothing that `words` translates."""
    page = (ROOT / "notebooks/glossary.md").read_text("utf-8")
    known = {*site_words(), *(names for names, _, _ in rows(page))}
    kept = Catalog(project="adlib")
    for message in found:
        if message.id and re.sub("<[^>]*>", "", message.id) not in known and needs_translation(message.id):
            kept.add(message.id)
    return kept


def _write(catalogue: Catalog, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=0)


def main(documents: Sequence[str]) -> int:
    """Entry point of `python -m tools.site.translations`."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        print(f"translations: {', '.join(missing)} missing; run `pip install 'adlib[site]'`.", file=sys.stderr)
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
