"""Choices and defaults of every command: shown by its help, and a wrong choice is one line with exit code 2."""

import argparse

import pytest

from adlib.cli import _parser, main
from adlib.cli.parser import FRAMES, LAYOUTS, METHODS, PAPERS, PREPROCESS, SELECTIONS
from adlib.data.layouts import LAYOUTS as READERS
from adlib.detectors import DETECTORS

WRONG = [
    (("run", "--data", "toy", "--method", "patchcor"), "--method", METHODS),
    (("sweep", "--data", "toy", "--method", "patchcore", "patchcor"), "--method", METHODS),
    (("run", "--data", "toy", "--preprocess", "some"), "--preprocess", PREPROCESS),
    (("run", "--data", "toy", "--selection", "some"), "--selection", SELECTIONS),
    (("run", "--data", "toy", "--map-frame", "screen"), "--map-frame", FRAMES),
    (("check", "folder", "--layout", "imagenet"), "--layout", LAYOUTS),
    (("report", "--paper", "padim"), "--paper", PAPERS),
    (("reproduce", "padim", "--data", "toy"), "PAPER", PAPERS),
]
COMMANDS = ("check", "run", "sweep", "report", "reproduce", "predict", "methods")


@pytest.mark.parametrize(("arguments", "name", "choices"), WRONG, ids=[" ".join(case[0]) for case in WRONG])
def test_a_wrong_choice_is_one_line_that_lists_the_right_ones(capsys, arguments, name, choices):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    said = capsys.readouterr().err
    assert stop.value.code == 2 and said.count("\n") == 1
    assert said.startswith(f"adlib: argument {name}: invalid choice: ") and all(word in said for word in choices)


def test_choices_are_those_of_the_library():
    assert list(METHODS) == list(DETECTORS) and list(LAYOUTS) == ["auto", *READERS]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_each_default(capsys, command):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "None" not in shown and "[]" not in shown and "False" not in shown and "%" not in shown.replace("%)", "")
    for action in _subparser(command)._actions:
        if action.default not in (None, False, [], argparse.SUPPRESS) or action.default == 0:
            values = action.default if isinstance(action.default, list) else [action.default]
            assert action.default is False or f"default: {' '.join(map(str, values))})" in shown


def _subparser(command: str) -> argparse.ArgumentParser:
    (commands,) = [a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return commands.choices[command]
