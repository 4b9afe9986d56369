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
from tools.site.glossary import chinese_first, with_anchors
from tools.site.languages import Say, words

# Pages of the repository that are shown as they are; other files that they link to are copied next to them.
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md", "benchmarks/README.md")
FILES = ("LICENSE", "CITATION.cff", "figures", "notebooks/schematics")
# A line of a page that leads to its counterpart in the other language, as `[English](README.md) | 简体中文`.
_OTHER_LANGUAGE = re.compile(r"(?m)^.*\[(?:English|简体中文)\]\(README(?:\.zh-CN)?\.md\).*\n\n?")

# A command of a page, and its comment.
_COMMENT = re.compile(r"(?m)^(make \w+ +# )(.+)$")


def write_source(root: Path, source: Path, chapters: Sequence[str] = ()) -> None:
    """Write the English source folder anew, every page at its place in the repository, so that links between them hold.

    root: of the checkout.
    source: the folder to write.
    chapters: beginnings of file names, such as 06; all where none is given.
    Raises InputError for a name that no chapter begins with.
    """
    write_pages(root, source, chapters)
    static = source / "_static"
    reference.write(source)
    results.write(root / "results", static / "results")
    results.write_words(static / "results", "en")
    _copy_mathjax(static / "mathjax")


def write_pages(root: Path, source: Path, chapters: Sequence[str] = ()) -> None:
    """Write the pages of the source folder that people wrote, and the first page. See `write_source`."""
    notebooks = _chosen(root, chapters)
    shutil.rmtree(source, ignore_errors=True)
    for path in (*notebooks, *(root / "docs").glob("*.md"), *(root / name for name in PAGES if (root / name).exists())):
        _copy(path, source / path.relative_to(root))
    for name in FILES:
        _copy(root / name, source / name)
    _write(source / "README.md", without_languages((root / "README.md").read_text("utf-8")))
    _write(source / "notebooks/glossary.md", with_anchors((root / "notebooks/glossary.md").read_text("utf-8")))
    for page in (root / "docs/site").glob("*.md"):
        _write(source / page.name, moved_up(page.read_text("utf-8")))
    shutil.copytree(root / "docs/site/_static", source / "_static")
    for shared in (SCRIPT, STYLE):
        _copy(shared, source / "_static" / shared.name)
    shutil.copytree(root / "docs/site/locale", source / "locale")
    landing.write(source)
    for doubt in bibliography.write(source):
        print(f"site: bibliography: {doubt}", file=sys.stderr)


def write_translated(root: Path, english: Path, source: Path, language: str) -> None:
    """Write the source folder of another language anew: what Sphinx translates stays English.

    root: of the checkout.
    english: the folder of `write_source`.
    source: the folder to write.
    language: such as zh_CN.
    """
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(english, source)
    _write(source / "README.md", without_languages((root / "README.zh-CN.md").read_text("utf-8")))
    for page in source.glob("*.md"):
        _write(page, with_comments(page.read_text("utf-8"), words(language)))
    glossary = source / "notebooks/glossary.md"
    _write(glossary, chinese_first(glossary.read_text("utf-8")))
    landing.write(source, words(language))
    results.write_words(source / "_static/results", language)


def _chosen(root: Path, chapters: Sequence[str]) -> list[Path]:
    found = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    for name in chapters:
        if not any(path.name.startswith(name) for path in found):
            raise InputError(f"No chapter begins with {name!r}; give a number such as 06.")
    chosen = [path for path in found if not chapters or path.name.startswith(tuple(chapters))]
    solutions = [path.parent / "solutions" / path.name for path in chosen]
    return chosen + [path for path in solutions if path.exists()]


def with_comments(page: str, say: Say) -> str:
    """The text of a page with the comments of its commands translated; Sphinx leaves code as it is."""
    return _COMMENT.sub(lambda comment: f"{comment[1]}{say(comment[2])}", page)


def comments(page: str) -> list[str]:
    """What `with_comments` translates."""
    return [comment[2] for comment in _COMMENT.finditer(page)]


def moved_up(page: str) -> str:
    """The text of a page of docs/site/ with its links as seen from the root of the pages."""
    return re.sub(r"(?<=\]\()\.\./\.\./", "", page)


def without_languages(page: str) -> str:
    """The text of a README without its line of languages: every page of the site has a link to the other one."""
    return _OTHER_LANGUAGE.sub("", page)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    (shutil.copytree if path.is_dir() else shutil.copyfile)(path, to)


def _copy_mathjax(to: Path) -> None:
    """What typesets formulas as SVG, without fonts: the package django-static-mathjax holds MathJax's own files."""
    folder = Path(find_spec("mathjax").origin).parent / "static/mathjax/es5"
    for name in ("tex-svg.js", "input/tex/extensions", "a11y/assistive-mml.js"):
        _copy(folder / name, to / name)
