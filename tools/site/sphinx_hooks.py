"""What the site adds to Sphinx: notebooks, docstrings and tooltips of glossary terms."""

from functools import cache
from pathlib import Path
from typing import Any

from tools.site.glossary import meaning, terms
from tools.site.notebooks import shown
from tools.site.reference import as_rst


def attach(app: Any) -> None:
    """Connect the hooks to a Sphinx application."""
    app.connect("source-read", _show_notebook)
    app.connect("doctree-resolved", _explain_terms)
    app.connect("autodoc-process-docstring", _format_docstring)


def _show_notebook(app: Any, name: str, content: list[str]) -> None:
    if Path(app.env.doc2path(name)).suffix == ".ipynb":
        content[0] = shown(content[0], f"{name}.ipynb")


def _format_docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = as_rst(lines)


def _explain_terms(app: Any, doctree: Any, name: str) -> None:
    """A link to the glossary leads to its term and shows the term's sentence."""
    from docutils import nodes

    known = _known()
    for link in doctree.findall(nodes.reference):
        to = link.get("refuri", "")
        if to.endswith("glossary.html") and (found := meaning(link.astext(), known)):
            link["refuri"], link["reftitle"] = f"{to}#{found[0]}", found[1]


@cache
def _known() -> dict[str, tuple[str, str]]:
    return terms((Path(__file__).parents[2] / "notebooks/glossary.md").read_text(encoding="utf-8"))
