"""How a notebook is shown on the site; the notebook itself, which a reader may download, stays as it was executed."""

import json
import re
from typing import Any

from tools.site.languages import Say

# Tag of a cell outside the lesson -> what its fold says.
FOLDED = {"claims": "Checks of the numbers in the text", "harness": "Versions"}
ANSWER, RUN = "Answer", "Run it with your parameters"
SAID = (ANSWER, RUN, *FOLDED.values())  # what the site says in a notebook, in its own language
_HEADING = re.compile(r"(?m)^#+\s+(.+)$")
_FENCE = re.compile(r"(?ms)^```.*?^```|^\|.*?$|<[^>]+>")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_SCALAR = re.compile(r"(?m)^(\w+)\s*=\s*(\"[^\"]*\"|'[^']*'|-?[\d.]+)")


def shown(text: str, name: str, say: Say = str) -> str:
    """The JSON of a notebook as the site shows it, see `shown_cells`."""
    return json.dumps(json.loads(text) | {"cells": shown_cells(text, name, say)})


def shown_cells(text: str, name: str, say: Say = str) -> list[dict[str, Any]]:
    """The cells of a notebook with folded checks, alternative texts and its line for papermill.

    text: the notebook's JSON.
    name: its path below the root, such as notebooks/06_memory_bank.ipynb.
    say: what turns the words of folds into the language of the site.
    """
    answer, run = say(ANSWER), say(RUN)
    heading, said, cells = "", "", []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading, said = _headings(source, heading), last_sentence(source) or said
            cell["source"] = [source.replace(f"<summary>{ANSWER}</summary>", f"<summary>{answer}</summary>")]
        else:
            _fold(cell, say)
            _describe(cell, ": ".join(part for part in (heading, said) if part))
        cells.append(cell)
        if "parameters" in cell["metadata"].get("tags", ()) and (line := papermill_line(source, name)):
            cells.append(_markdown(f":::{{dropdown}} {run}\n```bash\n{line}\n```\n:::"))
    return cells


def _headings(source: str, before: str) -> str:
    found = _HEADING.findall(re.sub(r"(?ms)^```.*?^```", "", source))
    return plain(found[-1]) if found else before


def _fold(cell: dict[str, Any], say: Say) -> None:
    for tag in FOLDED.keys() & set(cell["metadata"].get("tags", ())):
        cell["metadata"]["tags"] = [*cell["metadata"]["tags"], "hide-cell"]
        cell["metadata"]["mystnb"] = dict.fromkeys(("code_prompt_show", "code_prompt_hide"), say(FOLDED[tag]))


def _describe(cell: dict[str, Any], text: str) -> None:
    """An alternative text for the cell's figures: the section, and the sentence that leads to them."""
    if text and any(kind.startswith("image/") for out in cell["outputs"] for kind in out.get("data", ())):
        cell["metadata"].setdefault("mystnb", {})["image"] = {"alt": text}


def last_sentence(markdown: str) -> str:
    """The last sentence of a cell's prose, without markup; "" where there is no prose."""
    prose = plain(_HEADING.sub("", _FENCE.sub("", markdown)))
    return re.split(r"(?<=[.!?:])\s+(?=[A-Z0-9])", prose)[-1].rstrip(": ")


def plain(markdown: str) -> str:
    """Text without links, emphasis, code marks and formulas' signs, on one line."""
    return " ".join(re.sub(r"[*`$]", "", _LINK.sub(r"\1", markdown)).split())


def papermill_line(source: str, name: str) -> str:
    """The command that runs a chapter with its first two scalar parameters named; "" where it has none.

    source: code of the cell tagged `parameters`.
    name: the notebook's path below the root.
    """
    given = " ".join(f"-p {parameter} {value}" for parameter, value in _SCALAR.findall(source)[:2])
    folder, _, file = name.rpartition("/")
    return f".venv/bin/papermill {name} my_{file} --cwd {folder} {given}" if given else ""


def _markdown(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": "parameters-line", "metadata": {}, "source": source}
