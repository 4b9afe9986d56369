"""nbval as `make test` calls it: an honest notebook passes, and each cell that was forged or has drifted fails."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from helpers import sample_notebooks
from helpers.notebook_rules import code_cells, read, stamp_problems
from tools.refresh import refresh_notebooks

SANITIZE = Path(__file__).with_name("nbval_sanitize.cfg")
PARAMETERS, FORGED, TABLE, REMOVED, CHANGED, DRIFTING, REPHRASED, PICTURE, CLOCK, ADDRESS = range(10)
CELLS = {
    PARAMETERS: sample_notebooks.code("factor = 2  # a number", "parameters"),
    FORGED: sample_notebooks.code("print(factor * 21)"),
    TABLE: sample_notebooks.code("import pandas as pd\n\npd.DataFrame({'a': [0.12345, 1.0]}).round(3)"),
    REMOVED: sample_notebooks.code("print(factor * 22)"),
    CHANGED: sample_notebooks.code("print(factor * 23)"),
    DRIFTING: sample_notebooks.code("from library import value\n\nprint(f'{value:.2f}')"),
    REPHRASED: sample_notebooks.code("print(factor * 24)"),
    PICTURE: sample_notebooks.code(sample_notebooks.PICTURE),
    CLOCK: sample_notebooks.code("import time\n\nprint(time.time())", "nbval-ignore-output"),
    ADDRESS: sample_notebooks.code("print(object())"),
}


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook, executed, beside a module of which it prints a value."""
    folder = tmp_path_factory.mktemp("nbval")
    (folder / "library.py").write_text("value = 0.871\n")
    path = sample_notebooks.write(folder / "05_sample.ipynb", list(CELLS.values()))
    refresh_notebooks(folder=folder)
    return path


def failed_cells(path: Path) -> set[int]:
    """Numbers of the cells of which nbval says that their outputs differ."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--color=no", f"--rootdir={path.parent}"]
    command += ["--nbval", f"--nbval-sanitize-with={SANITIZE}", path.name]
    ended = subprocess.run(command, cwd=path.parent, capture_output=True, text=True)
    failed = {int(number) for number in re.findall(r"^Cell (\d+): Cell outputs differ$", ended.stdout, re.MULTILINE)}
    passed = f"{len(CELLS) - len(failed)} passed" in ended.stdout
    assert passed and ended.returncode == (1 if failed else 0), ended.stdout + ended.stderr
    return failed


@pytest.mark.slow
def test_an_honest_notebook_passes_though_clock_addresses_and_unprinted_digits_differ(honest: Path):
    honest.with_name("library.py").write_text("value = 0.869\n")
    assert failed_cells(honest) == set()
    assert list(stamp_problems(read(honest))) == []


@pytest.mark.slow
def test_what_was_forged_or_changed_or_has_drifted_fails(honest: Path, tmp_path: Path):
    notebook = read(honest)
    cells = code_cells(notebook)
    cells[FORGED].outputs[0].text = "43\n"
    html = cells[TABLE].outputs[0].data["text/html"]
    cells[TABLE].outputs[0].data["text/html"] = html.replace("0.123", "0.923")
    assert cells[TABLE].outputs[0].data["text/html"] != html
    cells[REMOVED].outputs = []
    cells[CHANGED].source = "print(factor * 230)"
    (tmp_path / "library.py").write_text("value = 0.859\n")
    # What nbval lets pass, on purpose or because it cannot know; the stamp is there for these.
    cells[REPHRASED].source = "print(24 * factor)"
    cells[PICTURE].outputs[0].data["image/png"] = "AAAA"
    cells[CLOCK].outputs[0].text = "0\n"
    nbformat.write(notebook, tmp_path / honest.name)
    assert failed_cells(tmp_path / honest.name) == {FORGED, TABLE, REMOVED, CHANGED, DRIFTING}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda cells: cells[REPHRASED].update(source="print(24 * factor)"), "code that changed"),
        (lambda cells: cells[PICTURE].outputs[0].data.update({"image/png": "AAAA"}), "outputs that changed"),
        (lambda cells: cells[CLOCK].outputs[0].update(text="0\n"), "outputs that changed"),
    ],
)
def test_what_nbval_lets_pass_the_stamp_shows(honest: Path, change, sentence):
    notebook = read(honest)
    change(code_cells(notebook))
    (problem,) = stamp_problems(notebook)
    assert sentence in problem
