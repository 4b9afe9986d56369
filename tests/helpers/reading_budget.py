"""What a chapter asks of its readers, and the budgets: about an hour of a study group.

Not counted: cells tagged `claims`, `harness` or `parameters`, and what follows the heading 'Exercises' or 'References'.
"""

import re
from collections.abc import Iterator

from nbformat import NotebookNode

MOST = {
    "words of prose": 2000,
    "words in one text": 150,  # neither the head nor the recap, which have a form of their own
    "code cells": 34,
    "lines of code": 240,
    "lines in one cell": 16,
}
FEWEST = {"schematics": 1, "folded questions": 3}
UNCOUNTED = {"claims", "harness", "parameters"}
END = re.compile(r"^#+\s*(?:\d+\.?\s*)?(?:Exercises|References)\b", re.MULTILINE)
NO_PROSE = re.compile(r"<[^>]+>|\$[^$]*\$")  # marks of HTML and formulas
WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
SCHEMATIC = re.compile(r"\(schematics/[^)]+\.svg\)")
QUESTION = re.compile(r"<details>\s*<summary>")


def problems(notebook: NotebookNode) -> Iterator[str]:
    """One sentence for each budget that a chapter exceeds, and for each thing of which it has too few."""
    found = measure(notebook)
    for name, most in MOST.items():
        if found[name] > most:
            yield f"has {found[name]} {name}, more than {most}"
    for name, fewest in FEWEST.items():
        if found[name] < fewest:
            yield f"has {found[name]} {name}, fewer than {fewest}"


def measure(notebook: NotebookNode) -> dict[str, int]:
    """Name of a budget -> what this chapter has."""
    cells = list(_counted(notebook.cells))
    texts = [source for kind, source in cells if kind == "markdown"]
    words = [len(WORD.findall(NO_PROSE.sub(" ", text))) for text in texts]
    lines = [sum(bool(line.strip()) for line in source.splitlines()) for kind, source in cells if kind == "code"]
    return {
        "words of prose": sum(words),
        "words in one text": max(words[1:-1], default=0),
        "code cells": len(lines),
        "lines of code": sum(lines),
        "lines in one cell": max(lines, default=0),
        "schematics": sum(len(SCHEMATIC.findall(text)) for text in texts),
        "folded questions": sum(len(QUESTION.findall(text)) for text in texts),
    }


def _counted(cells: list[NotebookNode]) -> Iterator[tuple[str, str]]:
    """(kind, source) of the cells that a reader works through, in order."""
    for cell in cells:
        if UNCOUNTED & set(cell.metadata.get("tags", ())) or not cell.source.strip():
            continue
        before, *after = END.split(cell.source, maxsplit=1) if cell.cell_type == "markdown" else (cell.source,)
        yield cell.cell_type, before
        if after:
            return
