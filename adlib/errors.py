"""The one exception that means 'the input is wrong', as opposed to 'the program is wrong'."""

from collections.abc import Iterable
from numbers import Integral
from typing import Any


class InputError(ValueError):
    """Bad input: its message is one sentence that says what is wrong, where, and what to do.

    The command line prints that sentence without a traceback and exits with 2.
    """


def check_choice(what: str, value: Any, choices: Iterable[str]) -> None:
    """InputError where a value is none of the choices; what: its name in the sentence, such as "method"."""
    choices = list(choices)
    if value not in choices:
        raise InputError(f"Unknown {what} {value!r}; choose one of {', '.join(choices)}.")


def check_whole(name: str, value: Any, least: int) -> None:
    """InputError where a value is no whole number of at least `least`; name: the parameter's."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(f"`{name}` is {value!r}; give a whole number of at least {least}.")
