"""Parameters of a notebook: what is declared, and what was injected."""

from adlib.experiments.notebook import check_parameters, declared_names

CELL = 'data = "elpv"  # which\nshots = 4\nseeds = [0, 1]\n'


def test_declared_names():
    assert declared_names(CELL) == ["data", "shots", "seeds"]


def test_without_a_history_nothing_was_injected():
    assert check_parameters({"shots": 4}, ["", "check_parameters(...)"]) == {}


def test_good_parameters_pass():
    values = {"data": "toy", "shots": 8, "seeds": [3]}
    history = ["", CELL, "data = 'toy'\nshots = 8\nseeds = [3]", "check_parameters(...)"]
    assert check_parameters(values, history) == values
