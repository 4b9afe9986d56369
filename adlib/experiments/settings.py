"""Parameters of a method as a user gives them, `--set NAME=VALUE`: checked before anything is computed."""

import math
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from adlib.detectors.registry import DETECTORS
from adlib.errors import InputError

# Constructor arguments that a protocol or a machine sets.
_ELSEWHERE = {"backbone", "weights", "device", "seed"}


def plain_value(value: Any) -> Any:
    """A value as JSON holds it: numbers of NumPy as Python's, arrays and tuples as lists."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return [plain_value(item) for item in value] if isinstance(value, (tuple, list)) else value


def check_settings(method: str, settings: Mapping[str, Any]) -> None:
    """InputError where a value has another type than its parameter, or an option of its own.

    method: name of a method; of an unknown one nothing is checked.
    settings: name -> value. Whole numbers may stand for floats and lists for tuples, as in JSON. Unknown names are left
        to `make_detector`, which lists the known ones.
    """
    if misplaced := sorted(set(settings) & _ELSEWHERE):
        raise InputError(f"{misplaced[0]} is no option of a method; give it on its own (--{misplaced[0]}).")
    hints = get_type_hints(DETECTORS[method].__init__) if method in DETECTORS else {}
    for name, value in settings.items():
        if name in hints and not _fits(value, hints[name]):
            raise InputError(f"{name} of {method} must be {_words(hints[name])}, not {value!r}.")


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, kind) for kind in get_args(hint))
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if not isinstance(value, (list, tuple)):
            return False
        kinds = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
        return len(kinds) == len(value) and all(map(_fits, value, kinds))
    if hint is float:  # by `type`, since a bool is an int to Python
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is hint


def _words(hint: Any) -> str:
    """A type as it is typed in JSON: "a whole number or null"."""
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(map(_words, get_args(hint)))
    if get_origin(hint) is tuple:
        return f"[{', '.join('...' if kind is Ellipsis else _words(kind) for kind in get_args(hint))}]"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", NoneType: "null"}
    return names.get(hint, str(hint))
