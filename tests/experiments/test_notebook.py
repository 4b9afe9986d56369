"""Parameters of a notebook: what is declared, and what was injected."""

import pytest

from adlib.errors import InputError
from adlib.experiments.notebook import check_parameters, declared_names, json_parameter

CELL = 'data = "elpv"  # which\nshots = 4\nseeds = [0, 1]\n'


def test_declared_names():
    assert declared_names(CELL) == ["data", "shots", "seeds"]


def test_without_a_history_nothing_was_injected():
    assert check_parameters({"shots": 4}, ["", "check_parameters(...)"]) == {}


def test_good_parameters_pass():
    values = {"data": "toy", "shots": 8, "seeds": [3]}
    history = ["", CELL, "data = 'toy'\nshots = 8\nseeds = [3]", "check_parameters(...)"]
    assert check_parameters(values, history) == values


def test_claims_are_held_by_the_committed_run_alone(capsys):
    values = {"data": "toy", "shots": 8, "seeds": [0]}
    reduced = check_parameters(values, ["", CELL, "shots = 8", "check_parameters(...)"])
    assert reduced.injected == ("shots",) and not reduced.as_committed()
    assert capsys.readouterr().out == "Other parameters (shots): the sentences speak of the committed run.\n"
    committed = check_parameters(values, ["", CELL, "check_parameters(...)"])
    under_nbval = check_parameters(values, ["", "check_parameters(...)"])
    assert committed.as_committed() and under_nbval.as_committed()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("seeds", [[], [0, 0], [2, 1, 2]])
def test_a_list_holds_each_value_once(seeds):
    history = ["", CELL, f"seeds = {seeds}", "check_parameters(...)"]
    with pytest.raises(InputError, match="Parameter seeds must hold at least one value, and each value once, not"):
        check_parameters({"data": "toy", "shots": 4, "seeds": seeds}, history)


def test_json_parameters():
    assert json_parameter("settings", "") == {}
    assert json_parameter("settings", '{"window": [0, 4095]}') == {"window": [0, 4095]}


@pytest.mark.parametrize("text", ["[1]", "3", "null", "coreset=3", "{", '"a"'])
def test_json_that_is_no_object_names_its_parameter(text):
    with pytest.raises(InputError, match="Parameter settings must be a JSON object, such as"):
        json_parameter("settings", text)
