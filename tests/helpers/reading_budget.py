"""What a chapter asks of its readers, and the budgets: about an hour of a study group.

Not counted: cells tagged `claims`, `harness` or `parameters`, and what follows the heading 'Exercises' or 'References'.
"""

import re
from collections.abc import Iterator

from nbformat import NotebookNode

from tools.chapters import LINES_AN_HOUR, WORDS_AN_HOUR, lesson, words_and_lines

MOST = {
    "words of prose": WORDS_AN_HOUR,
    "words in one text": 150,  # neither the head nor the recap, which have a form of their own
    "code cells": 34,
    "lines of code": LINES_AN_HOUR,
    "lines in one cell": 16,
}
FEWEST = {"schematics": 1, "folded questions": 3}
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
    words, lines = words_and_lines(notebook)
    texts = [text for kind, text in lesson(notebook) if kind == "markdown"]
    return {
        "words of prose": sum(words),
        "words in one text": max(words[1:-1], default=0),
        "code cells": len(lines),
        "lines of code": sum(lines),
        "lines in one cell": max(lines, default=0),
        "schematics": sum(len(SCHEMATIC.findall(text)) for text in texts),
        "folded questions": sum(len(QUESTION.findall(text)) for text in texts),
    }
