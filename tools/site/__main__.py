"""Build the site; exit with 1 where Sphinx fails or a page would load anything from elsewhere."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from adlib.errors import InputError
from tools.site.folder import write_source
from tools.site.offline import outside_resources

ROOT = Path(__file__).parents[2]
NEEDED = ("sphinx", "myst_nb", "sphinx_book_theme", "sphinx_copybutton", "sphinx_design", "mathjax")


def build(source: Path, site: Path, whole: bool = True) -> int:
    """Turn a source folder into pages; Sphinx's exit status. The site of before is replaced where all went well.

    whole: whether all chapters are there; otherwise links to the others are no fault.
    """
    settings = ["-c", ROOT / "docs/site", "-d", source.with_name("doctrees"), "-j", "2", "-q"]
    settings += ["-D", f"html_static_path={source / '_static'}"]
    settings += [] if whole else ["-D", "suppress_warnings=myst"]
    pages = source.with_name("pages")  # extensions write next to the pages, too
    shutil.rmtree(pages, ignore_errors=True)
    status = subprocess.run((sys.executable, "-m", "sphinx", *settings, source, pages), cwd=ROOT).returncode
    if status == 0:
        shutil.rmtree(site, ignore_errors=True)
        pages.rename(site)
    return status


def main(chapters: Sequence[str]) -> int:
    """Entry point of `python -m tools.site`."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(f"site: {', '.join(missing)} missing; run `pip install 'adlib[site]'`.", file=sys.stderr)
        return 2
    source, site = ROOT / "build/site/source", ROOT / "site"
    try:
        write_source(ROOT, source, chapters)
    except InputError as error:
        print(f"site: {error}", file=sys.stderr)
        return 2
    if status := build(source, site, whole=not chapters):
        return status
    outside = outside_resources(site)
    for page, address in outside:
        print(f"site: {page} would load {address}", file=sys.stderr)
    print(f"{len(list(site.rglob('*.html')))} pages; open {site / 'index.html'}")
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
