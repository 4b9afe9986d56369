"""Figures: what pages and notebooks show is there, and what is there is shown."""

from pathlib import Path

import nbformat
import pytest

from helpers import notebook_text
from helpers.places import ROOT
from tools.refresh import notebook_files

PAGES = [*ROOT.glob("*.md"), *(ROOT / "benchmarks").glob("*.md")]


def prose(path: Path) -> str:
    """A page's text, or a notebook's."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    return notebook_text.markdown(nbformat.read(path, as_version=4))


def shown_figures(paths: list[Path], root: Path) -> set[Path]:
    """Files below `root`/figures that pages and notebooks link to or show."""
    targets = {(path.parent / link).resolve() for path in paths for link in notebook_text.links(prose(path))}
    return {target for target in targets if target.is_relative_to(root / "figures")}


def test_every_figure_is_shown_and_every_figure_that_is_shown_exists():
    # A sweep leaves a hidden mark in the folders that it writes to.
    present = {path for path in (ROOT / "figures").rglob("[!.]*") if path.is_file()}
    shown = shown_figures([*PAGES, *notebook_files()], ROOT)
    assert present and shown == present


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_pages_lead_somewhere(page: Path):
    text = prose(page)
    assert list(notebook_text.broken_links(text, page)) == []


def test_a_figure_is_found_wherever_it_is_shown(tmp_path: Path):
    (tmp_path / "notebooks").mkdir()
    page, notebook = tmp_path / "README.md", tmp_path / "notebooks/05_x.ipynb"
    page.write_text("![one](figures/one.png) `figures/three.png`\n", encoding="utf-8")
    cells = [nbformat.v4.new_markdown_cell('<img src="../figures/two.png">')]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), notebook)
    assert shown_figures([page, notebook], tmp_path) == {tmp_path / f"figures/{name}.png" for name in ("one", "two")}
