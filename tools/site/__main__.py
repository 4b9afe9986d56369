"""Build the site; exit with 1 where Sphinx fails or a page would load anything from elsewhere."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from adlib.errors import InputError
from tools.site.folder import write_source, write_translated
from tools.site.languages import LANGUAGES
from tools.site.offline import outside_resources

ROOT = Path(__file__).parents[2]
NEEDED = (
    "sphinx",
    "myst_nb",
    "sphinx_book_theme",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_intl",
    "jieba",
    "mathjax",
)


def write_sources(folder: Path, chapters: Sequence[str] = ()) -> None:
    """Write what Sphinx reads, a source folder for each language below a folder. See `write_source`."""
    english = folder / "en/source"
    write_source(ROOT, english, chapters)
    for language in LANGUAGES.keys() - {"en"}:
        write_translated(ROOT, english, folder / language / "source", language)


def build(folder: Path, site: Path, whole: bool = True) -> int:
    """Turn source folders into pages, all languages at the same time; 0, or Sphinx's exit status.

    The site of before is replaced where all went well.

    folder: from `write_sources`.
    whole: whether all chapters are there; otherwise links to the others are no fault.
    """
    running = [subprocess.Popen(_sphinx(folder / language, language, whole), cwd=ROOT) for language in LANGUAGES]
    ended = [process.wait() for process in running]
    if any(ended):
        return next(filter(None, ended))
    shutil.rmtree(site, ignore_errors=True)
    for language, below in LANGUAGES.items():
        (folder / language / "pages").rename(site / below)
    return 0


def _sphinx(folder: Path, language: str, whole: bool) -> list[str]:
    """The command that builds the pages of one language, in one process: there is another for each other language."""
    source, pages = folder / "source", folder / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    settings = ["-D", f"language={language}", "-D", f"html_static_path={source / '_static'}"]
    settings += [] if whole else ["-D", "suppress_warnings=myst"]
    where = ["-c", str(ROOT / "docs/site"), "-d", str(folder / "doctrees"), str(source), str(pages)]
    return [sys.executable, "-m", "sphinx", "-q", *settings, *where]


def missing() -> list[str]:
    """Modules of the extra `site` that are not installed."""
    return [name for name in NEEDED if find_spec(name) is None]


def main(chapters: Sequence[str]) -> int:
    """Entry point of `python -m tools.site`."""
    if missing():
        print(f"site: {', '.join(missing())} missing; run `pip install 'adlib[site]'`.", file=sys.stderr)
        return 2
    folder, site = ROOT / "build/site", ROOT / "site"
    try:
        write_sources(folder, chapters)
    except InputError as error:
        print(f"site: {error}", file=sys.stderr)
        return 2
    if status := build(folder, site, whole=not chapters):
        return status
    outside = outside_resources(site)
    for page, address in outside:
        print(f"site: {page} would load {address}", file=sys.stderr)
    print(f"{len(list(site.rglob('*.html')))} pages; open {site / 'index.html'}")
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
