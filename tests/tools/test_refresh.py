"""What is generated is generated whole: executed notebooks with their stamp, and the figures of the README."""

from pathlib import Path

import nbclient
import nbformat
import pytest

from adlib.data import load_dataset
from adlib.errors import InputError
from adlib.experiments.execution import run
from adlib.experiments.planning import plan
from adlib.experiments.store import ResultStore
from helpers import sample_notebooks
from helpers.places import ROOT
from tools import refresh


def notebook(path: Path, source: str) -> Path:
    """A notebook of one cell."""
    return sample_notebooks.write(path, [sample_notebooks.code(source)])


def test_notebooks_are_executed_in_their_own_folder_and_stamped(tmp_path: Path):
    path = notebook(tmp_path / "05_here.ipynb", "from pathlib import Path\n\nprint(Path('here.txt').read_text())")
    (tmp_path / "here.txt").write_text("here", encoding="utf-8")
    refresh.refresh_notebooks(folder=tmp_path)
    ran = nbformat.read(path, as_version=4)
    (cell,) = ran.cells
    assert cell.execution_count == 1 and cell.outputs[0].text == "here\n"
    assert "execution" not in cell.metadata  # times of day
    assert ran.metadata["adlib"] == refresh.digests(ran)


def test_outputs_do_not_hang_on_the_number_of_cores_or_on_the_moment_of_a_print(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    source = "import os\n\nprint(os.environ['OMP_NUM_THREADS'], flush=True)\nprint('x', flush=True)"
    path = notebook(tmp_path / "05_x.ipynb", source)
    refresh.refresh_notebooks(folder=tmp_path)
    (output,) = nbformat.read(path, as_version=4).cells[0].outputs
    assert output.text == "1\nx\n"


@pytest.mark.slow
def test_only_the_named_notebooks_are_executed_and_an_unknown_name_is_an_error(tmp_path: Path):
    first, second = (notebook(tmp_path / f"0{i}_x.ipynb", "1") for i in (1, 2))
    solution = notebook(tmp_path / "solutions/02_x.ipynb", "1")
    before = first.read_bytes()
    with pytest.raises(InputError, match="'03'"):
        refresh.refresh_notebooks(["02", "03"], tmp_path)
    refresh.refresh_notebooks(["02"], tmp_path)
    assert first.read_bytes() == before
    for path in (second, solution):
        assert nbformat.read(path, as_version=4).cells[0].execution_count == 1


def test_a_notebook_that_fails_stays_as_it_was(tmp_path: Path):
    path = notebook(tmp_path / "05_x.ipynb", "1 / 0")
    before = path.read_bytes()
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="ZeroDivisionError"):
        refresh.refresh_notebooks(folder=tmp_path)
    assert path.read_bytes() == before


def test_copies_that_jupyter_keeps_are_no_notebooks(tmp_path: Path):
    path = notebook(tmp_path / "05_x.ipynb", "1")
    notebook(tmp_path / ".ipynb_checkpoints/05_x-checkpoint.ipynb", "1")
    notebook(tmp_path / "draft.ipynb", "1")
    assert refresh.notebook_files(tmp_path) == [path]


def test_a_stamp_depends_on_code_and_outputs_alone():
    one = nbformat.v4.new_notebook(cells=[sample_notebooks.text("A"), sample_notebooks.code("1")])
    stamp = refresh.digests(one)
    one.cells[0].source = "B"
    one.cells[1].metadata["tags"] = ["x"]
    one.cells[1].execution_count = 7
    one.cells.append(sample_notebooks.code("  "))
    assert refresh.digests(one) == stamp
    one.cells[1].outputs.append(nbformat.v4.new_output("stream", text="1"))
    assert refresh.digests(one)["code_sha256"] == stamp["code_sha256"]
    assert refresh.digests(one)["outputs_sha256"] != stamp["outputs_sha256"]
    one.cells[1].source = "1 "
    assert refresh.digests(one)["code_sha256"] != stamp["code_sha256"]


def test_bad_arguments_are_one_sentence(capsys):
    assert refresh.main(["notebooks", "no_such_chapter"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("refresh: No notebook") and said.count("\n") == 1
    assert refresh.main(["pictures"]) == 2


@pytest.mark.slow
def test_figures_are_drawn_from_results_and_the_patch_scores_of_a_sweep(tmp_path: Path):
    weld = load_dataset("toy", "weld")
    rows, sweep = ResultStore(tmp_path / "rows"), ResultStore(tmp_path / "sweep/results")
    for shots in (1, 2):
        options = {"resize": 96, "coreset": 20}
        rows.put(run(plan(weld, "patchcore", shots=shots, options=options), weld, sweep))
    paths = (rows.folder, sweep.folder.parent, tmp_path / "figures")
    refresh.refresh_figures(*paths)
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "figures").glob("[!.]*")}
    assert set(drawn) == {"curve_toy.png", "overlays_toy.png"}
    refresh.refresh_figures(*paths)
    assert drawn == {path.name: path.read_bytes() for path in (tmp_path / "figures").glob("[!.]*")}


def test_without_the_sweep_one_sentence_says_what_is_missing(tmp_path: Path):
    with pytest.raises(InputError, match="patch scores of elpv-.* run `make sweep` first"):
        refresh.refresh_figures(ROOT / "results/elpv/sweep", tmp_path / "runs", tmp_path / "figures")
    with pytest.raises(InputError, match="no results"):
        refresh.refresh_figures(tmp_path, tmp_path / "runs", tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


@pytest.mark.slow
def test_stamps_names_each_notebook_that_changed_since_its_execution(tmp_path: Path, capsys):
    changed, drawn_on, same = (notebook(tmp_path / f"0{i}_x.ipynb", "print(1)") for i in (1, 2, 3))
    never = notebook(tmp_path / "04_x.ipynb", "print(1)")
    refresh.refresh_notebooks(["01", "02", "03"], tmp_path)
    content = nbformat.read(changed, as_version=4)
    content.cells[0].source = "print(2)"
    nbformat.write(content, changed)
    content = nbformat.read(drawn_on, as_version=4)
    content.cells[0].outputs[0].text = "2\n"
    nbformat.write(content, drawn_on)
    capsys.readouterr()
    assert refresh.main(["stamps", *map(str, (changed, drawn_on, same, never))]) == 1
    assert [line.partition("; ")[0] for line in capsys.readouterr().out.splitlines()] == [
        f"{changed}: code changed since it was executed",
        f"{drawn_on}: outputs changed since it was executed",
        f"{never}: code and outputs changed since it was executed",
    ]
    assert refresh.main(["stamps", str(same)]) == 0 and capsys.readouterr().out == ""
    assert refresh.main(["stamps", str(tmp_path / "gone.ipynb")]) == 2


def test_the_notebook_that_a_sweep_executes_is_refreshed_with_the_chapters():
    assert refresh.notebook_files()[-1] == refresh.RUN == ROOT / "adlib/experiments/run.ipynb"
