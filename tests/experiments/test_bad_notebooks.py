"""What papermill may inject into a notebook: a misspelt name or a value of another type stops it in one sentence."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from adlib.errors import InputError
from adlib.experiments.notebook import check_parameters
from adlib.experiments.sweep import NOTEBOOK

CELL = 'data = "toy"\nshots = 4\nshare = 0.1\nmask = False\nseeds = [0, 1]\nnames = []\n'
DEFAULTS = {"data": "toy", "shots": 4, "share": 0.1, "mask": False, "seeds": [0, 1], "names": []}
INJECTED = [
    ("shot = 3", "no parameter 'shot'; it takes data, shots, share, mask, seeds, names"),
    ("shots = 'four'", "shots must be of type int, as its default 4, not 'four'"),
    ("shots = '4'", "type int"),
    ("shots = [4]", "type int"),
    ("shots = 4.0", "type int, as its default 4, not 4.0"),
    ("shots = True", "type int, as its default 4, not True"),
    ("shots = None", "type int, as its default 4, not None"),
    ("share = True", "type float"),
    ("share = '0.1'", "type float"),
    ("mask = 0", "type bool, as its default False, not 0"),
    ("data = 3", "type str"),
    ("data = None", "type str"),
    ("seeds = 0", "type list"),
    ("seeds = [0, 1.5]", "list of int, as its default .*, but holds 1.5"),
    ("seeds = [0, True]", "list of int, as its default .*, but holds True"),
    ("seeds = ['a']", "list of int"),
    ("seeds = []", "seeds must hold at least one value"),
    ("seeds = [0, 0]", "each value once"),
]


def inject(code: str) -> dict:
    values = dict(DEFAULTS)
    exec(code, {}, values)
    return check_parameters(values, ["", CELL, code, "check_parameters(globals(), In)"])


@pytest.mark.parametrize(("code", "words"), INJECTED)
def test_parameters_that_do_not_fit(code, words):
    with pytest.raises(InputError, match=words) as caught:
        inject(code)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "value"), [("share = 1", 1), ("names = []", []), ("names = ['a', 2]", ["a", 2]), ("mask = True", True)]
)
def test_parameters_that_fit(code, value):
    assert inject(code)[code.split(" ")[0]] == value


@pytest.mark.slow
def test_papermill_stops_with_the_sentence(tmp_path):
    """The whole way: papermill, a kernel, the chapter on the shot sweep."""
    command = [sys.executable, "-m", "papermill", str(NOTEBOOK), "out.ipynb", "--cwd", str(NOTEBOOK.parent)]
    ended = subprocess.run(
        [*command, "--no-progress-bar", "-p", "shots", "4.5"], cwd=tmp_path, capture_output=True, text=True
    )
    assert ended.returncode != 0
    cells = json.loads(Path(tmp_path / "out.ipynb").read_text(encoding="utf-8"))["cells"]
    errors = [o for cell in cells for o in cell.get("outputs", ()) if o["output_type"] == "error"]
    assert [error["ename"] for error in errors] == ["InputError"]
    assert errors[0]["evalue"] == "Parameter shots must be of type int, as its default 4, not 4.5."
