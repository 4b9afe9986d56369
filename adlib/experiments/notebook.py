"""Parameters of a notebook, checked: papermill injects any name, and a misspelt one would go unnoticed."""

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any

from adlib.errors import InputError


def declared_names(parameters_cell: str) -> list[str]:
    """Names that a parameters cell assigns, in order."""
    assigned = (node for node in ast.parse(parameters_cell).body if isinstance(node, ast.Assign))
    return [target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)]


class Parameters(dict[str, Any]):
    """A notebook's parameters by name, and which of them papermill injected.

    values: name -> value.
    injected: names that papermill injected.
    """

    def __init__(self, values: Mapping[str, Any], injected: Sequence[str] = ()) -> None:
        super().__init__(values)
        self.injected = tuple(injected)

    def as_committed(self) -> bool:
        """Whether the notebook runs with its committed parameters; prints a note where it does not.

        The sentences, and the asserts that check them, are valid only for the committed run.
        """
        if self.injected:
            print(f"Other parameters ({', '.join(self.injected)}): the sentences speak of the committed run.")
        return not self.injected


def check_parameters(variables: Mapping[str, Any], history: Sequence[str]) -> Parameters:
    """The notebook's parameters. Call it as `parameters = check_parameters(globals(), In)` in the second code cell.

    variables: the notebook's globals.
    history: IPython's `In`: its first entry is the parameters cell, and the next ones are what papermill injected.
        Where no history is kept, as by nbval, nothing was injected either, and the result is empty.

    Raises InputError on a name that was injected but not declared, and on a value of another type than its default: a
    float for an int, a bool for a number, a list with items of other types than its default's, or that is empty or
    repeats an item. A whole number may stand for a float.
    """
    if len(history) < 3:
        return Parameters({})
    defaults: dict[str, Any] = {}
    exec(history[1], {}, defaults)  # the notebook's own cell, already executed once by the kernel
    declared = declared_names(history[1])
    injected = [name for cell in history[2:-1] for name in declared_names(cell)]
    if unknown := sorted(set(injected) - set(declared)):
        raise InputError(f"This notebook has no parameter {unknown[0]!r}; it takes {', '.join(declared)}.")
    for name in injected:
        _check_type(name, variables[name], defaults[name])
    return Parameters({name: variables[name] for name in declared}, injected)


def json_parameter(name: str, text: str) -> dict[str, Any]:
    """A parameter that holds further parameters as JSON text: name -> value; {} for empty text.

    name: of the parameter.
    Raises InputError, which names the parameter, where the text is no JSON object.
    """
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(f"Parameter {name} must be a JSON object, such as '{{\"neighbourhood\": 3}}', not {text!r}.")
    return found


def _check_type(name: str, value: Any, default: Any) -> None:
    if not _fits(value, default):
        raise InputError(
            f"Parameter {name} must be of type {type(default).__name__}, as its default {default!r}, not {value!r}."
        )
    if isinstance(default, list):
        _check_list(name, value, default)


def _check_list(name: str, value: Sequence[Any], default: Sequence[Any]) -> None:
    """At least one value, of the default's types, each once: a repeated seed would count as a second draw."""
    kinds = {type(item) for item in default}
    misfits = [item for item in value if kinds and type(item) not in kinds]
    if misfits:
        allowed = " or ".join(sorted(kind.__name__ for kind in kinds))
        raise InputError(
            f"Parameter {name} must be a list of {allowed}, as its default {default!r}, but holds {misfits[0]!r}."
        )
    if (default and not value) or any(item in value[:place] for place, item in enumerate(value)):
        raise InputError(f"Parameter {name} must hold at least one value, and each value once, not {value!r}.")


def _fits(value: Any, default: Any) -> bool:
    """Whether a value is of its default's own type; `isinstance` would accept a bool as an int."""
    return type(value) is type(default) or (type(default) is float and type(value) is int)
