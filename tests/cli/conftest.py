"""The command line called in this process, a small model, and a data set to be spoilt."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from adlib.cli import main
from helpers.bad_files import SMALL, rights_count


@pytest.fixture(autouse=True)
def _rights_count() -> Iterator[None]:
    """Rights of files count in every test here, also where the superuser runs it."""
    with rights_count():
        yield


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """Run the command line in a scratch folder; gives (exit code, standard output, standard error).

    Never is there a traceback in what a user sees.
    """
    monkeypatch.chdir(tmp_path)

    def run(*arguments) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as stop:  # argparse's own way out
            code = stop.code
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def model(toy_root, tmp_path_factory) -> Path:
    """A saved detector of the toy welds."""
    folder = tmp_path_factory.mktemp("model")
    path = folder / "m.safetensors"
    arguments = ["run", "--data", toy_root, "--category", "weld", *SMALL, "--save", path, "--results", folder / "r"]
    assert main([str(a) for a in arguments]) == 0
    return path


@pytest.fixture
def data(toy_root, tmp_path) -> Path:
    """A copy of the welds, to be spoilt."""
    shutil.copytree(toy_root / "weld", tmp_path / "data/weld")
    return tmp_path / "data"


@pytest.fixture
def places(toy_root, model, tmp_path) -> dict[str, Path]:
    """What a case of bad arguments may name: a data set, a model, a cut off model, a text file, an empty folder."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("text")
    (tmp_path / "half").write_bytes(model.read_bytes()[: model.stat().st_size // 2])
    return {
        "TOY": toy_root,
        "MODEL": model,
        "HALF": tmp_path / "half",
        "TEXT": tmp_path / "text.txt",
        "EMPTY": tmp_path / "empty",
    }
