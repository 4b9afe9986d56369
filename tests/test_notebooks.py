"""What a committed notebook owes its reader; nbval compares its outputs, papermill runs it with other parameters."""

import json
import re
from pathlib import Path

import nbformat
import papermill
import pytest
import yaml

from adlib.experiments.notebook import declared_names

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("[0-9][0-9]_*.ipynb"))
OVERRIDES = yaml.safe_load((ROOT / "tests/overrides.yaml").read_text(encoding="utf-8"))
LONGEST_CELL = 20
MOST_CELLS = 60


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def problems(path: Path) -> list[str]:
    """Everything that is wrong with a committed notebook, a sentence each."""
    notebook, found = read(path), []
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
        found.append("was not executed from top to bottom in one go")
    if path.stat().st_size > 1_000_000:
        found.append(f"is {path.stat().st_size / 1e6:.1f} MB large, more than 1 MB")
    if len(cells) > MOST_CELLS:
        found.append(f"has {len(cells)} code cells, more than {MOST_CELLS}")
    outputs = json.dumps([cell.outputs for cell in cells])
    if leak := re.search(r"/(?:root|home|Users|tmp|mnt|work)/[\w./-]*", outputs):
        found.append(f"shows a path of somebody's machine: {leak[0]}")
    if re.search(r"\d+%\|", outputs):
        found.append("shows the debris of a progress bar")
    for number, cell in enumerate(cells, 1):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if len(lines) > LONGEST_CELL:
            found.append(f"code cell {number} has {len(lines)} lines, more than {LONGEST_CELL}")
        if any(output.output_type == "error" for output in cell.outputs):
            found.append(f"code cell {number} ended in an error")
    return found + parameter_problems(cells) + text_problems(notebook, path)


def parameter_problems(cells: list[nbformat.NotebookNode]) -> list[str]:
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1 or tagged[0] is not cells[0]:
        return ["must begin with one code cell tagged 'parameters'"]
    rest = "\n".join(cell.source for cell in cells[1:])
    unused = [name for name in declared_names(tagged[0].source) if not re.search(rf"\b{name}\b", rest)]
    found = [f"declares the parameter {name} and never uses it" for name in unused]
    if "check_parameters(globals(), In)" not in rest:
        found.append("does not check its parameters")
    return found


def text_problems(notebook: nbformat.NotebookNode, path: Path) -> list[str]:
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    found = []
    if not re.match(r"# \d\d ", notebook.cells[0].source):
        found.append("does not begin with its number and title")
    for part in (
        "**Goals.**",
        "**Read before:**",
        "**Cost:**",
        "## Recap",
        "## Exercises",
        "## References",
        "**Next:**",
    ):
        if part not in text:
            found.append(f"lacks {part}")
    goals = re.findall(r"^\d\. ", text.partition("**Read before:**")[0], re.MULTILINE)
    recap = re.findall(r"^\d\. ", text.partition("## Recap")[2].partition("## Exercises")[0], re.MULTILINE)
    if not 3 <= len(goals) <= 5 or len(goals) != len(recap):
        found.append(f"has {len(goals)} goals and {len(recap)} points in its recap")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith(("http://", "https://")) and not (path.parent / target).exists():
            found.append(f"links to {target}, which does not exist")
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_is_in_order(path: Path):
    assert problems(path) == []


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_runs_with_other_parameters(path: Path, tmp_path: Path):
    assert path.stem in OVERRIDES, f"give reduced parameters for {path.stem} in tests/overrides.yaml"
    papermill.execute_notebook(path, tmp_path / path.name, OVERRIDES[path.stem], cwd=path.parent, progress_bar=False)


@pytest.mark.slow
def test_an_unknown_parameter_is_refused_by_name(tmp_path: Path):
    (path,) = [p for p in NOTEBOOKS if p.stem == "22_shot_sweep"]
    with pytest.raises(papermill.PapermillExecutionError, match="no parameter 'shotz'"):
        papermill.execute_notebook(path, tmp_path / "out.ipynb", {"shotz": 4}, cwd=path.parent, progress_bar=False)


# --- the checks themselves: each fault is planted once and must be found ------------------------------------------


def planted(tmp_path: Path, change) -> list[str]:
    (path,) = [p for p in NOTEBOOKS if p.stem == "22_shot_sweep"]
    notebook = read(path)
    change(notebook)
    nbformat.write(notebook, tmp_path / path.name)
    return problems(tmp_path / path.name)


def shuffle_counts(notebook):
    code_cells(notebook)[3].execution_count = 99


def leak_a_path(notebook):
    code_cells(notebook)[3].outputs.append(nbformat.v4.new_output("stream", text="/home/somebody/data/x.png"))


def leave_a_bar(notebook):
    code_cells(notebook)[3].outputs.append(nbformat.v4.new_output("stream", text=" 37%|###   | 3/8"))


def write_a_long_cell(notebook):
    code_cells(notebook)[3].source += "\nx = 1" * 21


def fail(notebook):
    code_cells(notebook)[3].outputs.append(nbformat.v4.new_output("error", ename="E", evalue="", traceback=[]))


def declare_in_vain(notebook):
    code_cells(notebook)[0].source += "\nnever_used = 1  # a parameter"


def untag(notebook):
    code_cells(notebook)[0].metadata["tags"] = []


def drop_the_recap(notebook):
    for cell in notebook.cells:
        cell.source = cell.source.replace("## Recap", "## Something else")


def link_to_nowhere(notebook):
    notebook.cells[0].source += "\n[gone](../gone.md)"


def grow(notebook):
    code_cells(notebook)[3].outputs.append(nbformat.v4.new_output("stream", text="x" * 1_000_000))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (shuffle_counts, "top to bottom"),
        (leak_a_path, "/home/somebody/data"),
        (leave_a_bar, "progress bar"),
        (write_a_long_cell, "lines, more than"),
        (fail, "ended in an error"),
        (declare_in_vain, "never_used"),
        (untag, "tagged 'parameters'"),
        (drop_the_recap, "## Recap"),
        (link_to_nowhere, "../gone.md"),
        (grow, "more than 1 MB"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_planted_faults_are_found(tmp_path: Path, change, sentence):
    assert any(sentence in problem for problem in planted(tmp_path, change))
