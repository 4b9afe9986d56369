"""Committed files are found from any folder, and what is missing is named."""

from pathlib import Path

import pytest

from adlib.errors import InputError
from adlib.experiments import repository
from adlib.experiments.repository import committed_results, repository_file, stored_localisation, stored_results
from adlib.experiments.store import ResultStore
from helpers.made_up_results import EXACT, result
from helpers.places import ROOT


@pytest.fixture
def alone(tmp_path, monkeypatch) -> Path:
    """A working folder outside any repository, with the package installed elsewhere, as from a wheel."""
    monkeypatch.setattr(repository.adlib, "__file__", str(tmp_path / "site-packages/adlib/__init__.py"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("place", [".", "notebooks", "notebooks/solutions", "results/elpv"])
def test_from_every_folder_of_a_copy(alone, monkeypatch, place):
    copy = alone / "copy"
    for folder in ("notebooks/solutions", "results/elpv/sweep"):
        (copy / folder).mkdir(parents=True)
    ResultStore(copy / "results/elpv/sweep").put(result(**EXACT))
    monkeypatch.chdir(copy / place)
    assert [r.protocol for r in committed_results("elpv/sweep")] == [result(**EXACT).protocol]
    assert repository_file("results/elpv") == copy / "results/elpv"


def test_an_editable_install_finds_its_own_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert repository_file("results/README.md") == ROOT / "results/README.md"
    assert [r.protocol.dataset for r in committed_results("mvtec/anomalydino", "mtd/anomalydino")] == [
        r.protocol.dataset
        for name in ("mvtec", "mtd")
        for r in ResultStore(ROOT / f"results/{name}/anomalydino").results()
    ]


def test_what_is_missing_is_named(alone):
    for wrong in (lambda: repository_file("results/a.csv"), lambda: committed_results("a.csv")):
        with pytest.raises(
            InputError, match=r"There is no results/a\.csv in .*start the notebook in a copy of the rep"
        ):
            wrong()


def test_a_folder_without_results_is_refused(alone):
    for folder in ("results/elpv/sweep", "mine"):
        (alone / folder).mkdir(parents=True)
    with pytest.raises(InputError, match="no results in"):
        committed_results("elpv/sweep")
    for folder in (alone / "mine", alone / "gone"):
        with pytest.raises(InputError, match="no results in"):
            stored_results(folder)
    ResultStore(alone / "mine").put(result(**EXACT))
    assert len(stored_results(alone / "mine")) == 1


def test_tables_of_localisation_become_one_row_per_image_and_run(tmp_path):
    (tmp_path / "toy/localisation").mkdir(parents=True)
    table = "method,padim,spade\nseed,0,1\nprotocol,aa,bb\nimage,,\none.png,0.9,\ntwo.png,0.8,0.7\n"
    (tmp_path / "toy/localisation/nut.csv").write_text(table, encoding="utf-8")
    rows = stored_localisation(tmp_path).set_index(["method", "image"])
    assert rows["auroc"].to_dict() == {("padim", "one.png"): 0.9, ("padim", "two.png"): 0.8, ("spade", "two.png"): 0.7}
    assert set(rows["category"]) == {"nut"} and rows.loc["spade", "protocol"].tolist() == ["bb"]
    with pytest.raises(InputError, match="localisation"):
        stored_localisation(tmp_path / "toy")
