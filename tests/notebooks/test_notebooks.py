"""Committed notebooks: in order, and executable with other parameters; nbval compares what they print."""

from pathlib import Path

import papermill
import pytest
import yaml

from adlib.experiments.notebook import declared_names
from helpers.notebook_rules import code_cells, problems, read
from helpers.places import ROOT
from tools.refresh import RUN, notebook_files

NOTEBOOKS = notebook_files()
# Notebooks that are run with other parameters: chapters, and the one that `adlib sweep` executes.
WITH_PARAMETERS = [path for path in NOTEBOOKS if path.parent.name != "solutions"]
OVERRIDES = yaml.safe_load((ROOT / "tests/notebooks/overrides.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_notebook_is_in_order(path: Path):
    assert problems(path) == []


def test_every_notebook_is_a_chapter_or_a_solution_or_the_run_notebook():
    """What no check would look at: a name without a number, a third folder."""
    allowed = {ROOT / "notebooks", ROOT / "notebooks/solutions"}
    found = [p for p in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts]
    assert [*sorted(found), RUN] == NOTEBOOKS and {path.parent for path in found} <= allowed


@pytest.mark.parametrize("path", WITH_PARAMETERS, ids=lambda path: path.stem)
def test_reduced_parameters_are_given_and_other_than_the_defaults(path: Path):
    assert OVERRIDES.get(path.stem), f"give reduced parameters for {path.stem} in tests/notebooks/overrides.yaml"
    source = code_cells(read(path))[0].source
    defaults: dict = {}
    exec(source, {}, defaults)
    assert set(OVERRIDES[path.stem]) <= set(declared_names(source))
    assert [name for name, value in OVERRIDES[path.stem].items() if defaults[name] == value] == []


def test_no_reduced_parameters_are_left_of_a_chapter_that_is_gone():
    assert set(OVERRIDES) <= {path.stem for path in WITH_PARAMETERS}


@pytest.mark.slow
@pytest.mark.parametrize("path", WITH_PARAMETERS, ids=lambda path: path.stem)
def test_notebook_runs_with_other_parameters(path: Path, tmp_path: Path):
    assert path.stem in OVERRIDES, f"give reduced parameters for {path.stem} in tests/notebooks/overrides.yaml"
    ran = papermill.execute_notebook(
        path, tmp_path / path.name, OVERRIDES[path.stem], cwd=path.parent, progress_bar=False
    )
    assert not any(output.get("name") == "stderr" for cell in code_cells(ran) for output in cell.outputs)


@pytest.mark.slow
@pytest.mark.parametrize("path", WITH_PARAMETERS, ids=lambda path: path.stem)
def test_an_unknown_parameter_is_refused_by_name(path: Path, tmp_path: Path):
    with pytest.raises(papermill.PapermillExecutionError, match="no parameter 'shotz'"):
        papermill.execute_notebook(path, tmp_path / "out.ipynb", {"shotz": 4}, cwd=path.parent, progress_bar=False)
