"""The argument parser of all commands: help shows choices and defaults, and errors are one line."""

import argparse
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn


class Names:
    """Names defined in a module of the library, imported on first use: `adlib --help` need not wait for torch.

    place: "module:attribute".
    more: further names, listed first.
    """

    def __init__(self, place: str, *more: str) -> None:
        self.place, self.more = place, more

    def __iter__(self) -> Iterator[str]:
        module, _, attribute = self.place.partition(":")
        return iter((*self.more, *getattr(import_module(module), attribute)))

    def __contains__(self, name: object) -> bool:
        return name in tuple(self)


METHODS = Names("adlib.detectors:DETECTORS")
PREPROCESS = Names("adlib.experiments.presets:PREPROCESS")
SELECTIONS = Names("adlib.experiments.references:SELECTIONS")
FRAMES = Names("adlib.experiments.protocol:FRAMES")
LAYOUTS = Names("adlib.data.layouts:LAYOUTS", "auto")
PAGES = Names("adlib.data.layouts.stacks:PAGES")
PAPERS = Names("adlib.papers:PAPERS")


class Parser(argparse.ArgumentParser):
    """A parser whose help shows choices and defaults and whose errors are one line; commands inherit both."""

    def __init__(self, **how: Any) -> None:
        super().__init__(formatter_class=_Help, **how)

    def error(self, message: str) -> NoReturn:
        """Print what is wrong in one line, without the usage, and exit with code 2."""
        print(f"adlib: {message}; `{self.prog} --help` shows all arguments", file=sys.stderr)
        sys.exit(2)


def place(text: str) -> Path:
    """A path as typed, with `~` as the home folder: shells leave it alone in `--save=~/model`."""
    return Path(expanded(text))


def expanded(text: str) -> str:
    """A path as `place`, for arguments that are passed on as text."""
    return os.path.expanduser(text)


def choice(parser: argparse.ArgumentParser, name: str, choices: Names, help: str, **how: Any) -> None:
    """Declare an argument that takes one of several names, or more with `nargs`.

    name: of the argument.
    choices: the allowed names.
    help: text of the help, without the choices.
    how: further arguments of `add_argument`.
    """
    argument = parser.add_argument(name, choices=choices, metavar=name.lstrip("-").upper().replace("-", "_"), **how)
    # Set afterwards: from Python 3.14, `add_argument` expands a help text at once, and thus the choices.
    argument.help = help


class _Help(argparse.HelpFormatter):
    """Appends choices and default to each help text."""

    def _get_help_string(self, action: argparse.Action) -> str:
        notes = [f"one of {', '.join(action.choices)}"] if isinstance(action.choices, Names) else []
        if not (action.default is None or action.default is False or action.default in ([], argparse.SUPPRESS)):
            values = action.default if isinstance(action.default, list) else [action.default]
            notes.append(f"default: {' '.join(map(str, values))}")
        text = action.help or ""
        return f"{text} ({'; '.join(notes)})".replace("%", "%%") if notes else text
