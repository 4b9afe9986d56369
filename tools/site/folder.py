"""The source folder that Sphinx reads: copies of committed pages in their places, and the generated ones."""

import re
import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from adlib.errors import InputError
from adlib.reports.scores import SCRIPT, STYLE
from tools.site import bibliography, landing, reference, results
from tools.site.glossary import with_anchors

# Pages of the repository that are shown as they are; other files that they link to are copied next to them.
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md", "benchmarks/README.md")
FILES = ("LICENSE", "CITATION.cff", "figures", "notebooks/schematics")


def write_source(root: Path, source: Path, chapters: Sequence[str] = ()) -> None:
    """Write the source folder anew, every page at its place in the repository, so that links between pages hold.

    root: of the checkout.
    source: the folder to write.
    chapters: beginnings of file names, such as 06; all where none is given.
    Raises InputError for a name that no chapter begins with.
    """
    notebooks = _chosen(root, chapters)
    shutil.rmtree(source, ignore_errors=True)
    for path in (*notebooks, *(root / "docs").glob("*.md"), *(root / name for name in PAGES if (root / name).exists())):
        _copy(path, source / path.relative_to(root))
    for name in FILES:
        _copy(root / name, source / name)
    glossary = root / "notebooks/glossary.md"
    (source / "notebooks/glossary.md").write_text(with_anchors(glossary.read_text("utf-8")), encoding="utf-8")
    for page in (root / "docs/site").glob("*.md"):
        (source / page.name).write_text(moved_up(page.read_text("utf-8")), encoding="utf-8")
    static = source / "_static"
    shutil.copytree(root / "docs/site/_static", static)
    for shared in (SCRIPT, STYLE):
        _copy(shared, static / shared.name)
    landing.write(source)
    for doubt in bibliography.write(source):
        print(f"site: bibliography: {doubt}", file=sys.stderr)
    reference.write(source)
    results.write(root / "results", static / "results")
    _copy_mathjax(static / "mathjax")


def _chosen(root: Path, chapters: Sequence[str]) -> list[Path]:
    found = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    for name in chapters:
        if not any(path.name.startswith(name) for path in found):
            raise InputError(f"No chapter begins with {name!r}; give a number such as 06.")
    chosen = [path for path in found if not chapters or path.name.startswith(tuple(chapters))]
    solutions = [path.parent / "solutions" / path.name for path in chosen]
    return chosen + [path for path in solutions if path.exists()]


def moved_up(page: str) -> str:
    """The text of a page of docs/site/ with its links as seen from the root of the pages."""
    return re.sub(r"(?<=\]\()\.\./\.\./", "", page)


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    (shutil.copytree if path.is_dir() else shutil.copyfile)(path, to)


def _copy_mathjax(to: Path) -> None:
    """What typesets formulas as SVG, without fonts: the package django-static-mathjax holds MathJax's own files."""
    folder = Path(find_spec("mathjax").origin).parent / "static/mathjax/es5"
    for name in ("tex-svg.js", "input/tex/extensions", "a11y/assistive-mml.js"):
        _copy(folder / name, to / name)
