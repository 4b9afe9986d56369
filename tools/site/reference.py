"""Reference pages: the public names of every room, and the commands, from docstrings and the real parsers."""

import ast
import io
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import nbformat

from adlib import cli

# Rooms in the order in which an image walks through them.
ROOMS = (
    "data",
    "data.clouds",
    "data.toy",
    "features",
    "bank",
    "networks",
    "synthesis",
    "detectors",
    "evaluation",
    "plots",
    "experiments",
    "cluster",
    "export",
    "papers",
    "reports",
    "inspection",
)
COMMANDS = ("check", "run", "sweep", "report", "reproduce", "predict", "export", "chat", "methods")
_PARAMETER = re.compile(r"^((?:\\\*)*\w+(?:\\_)?(?:, \w+)*): (.+)$")
_SENTENCE = re.compile(r"^(?:Returns?|Raises|Yields)\b")
_SHOWN = 160  # letters of a constant's value


def write(source: Path) -> None:
    """Write api.rst, api/ROOM.rst and cli.md into the source folder, which holds the notebooks."""
    used = chapters_by_name((source / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    (source / "api").mkdir()
    for room in ROOMS:
        text = room_page(import_module(f"adlib.{room}"), used)
        (source / f"api/{room}.rst").write_text(text, encoding="utf-8")
    (source / "api.rst").write_text(_index(), encoding="utf-8")
    (source / "cli.md").write_text(command_page(), encoding="utf-8")


def _index() -> str:
    words = (
        "Names are imported from their room: ``from adlib.detectors import PatchCore``. Each name lists the chapters"
    )
    entries = "".join(f"   api/{room}\n" for room in ROOMS)
    return f"{_title('Library')}{words} that use it.\n\n.. toctree::\n   :maxdepth: 1\n\n{entries}"


def room_page(room: ModuleType, used: Mapping[str, Sequence[str]]) -> str:
    """The page of a room: its docstring, then its public names.

    used: name with its room, such as adlib.bank.nearest -> the chapters that use it, from `chapters_by_name`.
    """
    parts = [_title(room.__name__), "\n".join(as_rst((room.__doc__ or "").splitlines())), "\n\n"]
    for name in sorted(room.__all__, key=str.lower):
        parts.append(_entry(f"{room.__name__}.{name}", getattr(room, name)))
        if chapters := used.get(f"{room.__name__}.{name}"):
            links = ", ".join(f":doc:`{stem[:2]} </notebooks/{stem}>`" for stem in chapters)
            parts.append(f"   In chapters: {links}\n\n")
    return "".join(parts)


def _entry(name: str, value: Any) -> str:
    if isinstance(value, type):
        return f".. autoclass:: {name}\n   :members:\n\n"
    if callable(value):
        return f".. autofunction:: {name}\n\n"
    if isinstance(value, ModuleType):
        return f".. py:module:: {name}\n\n"
    text = " ".join(repr(value).split())
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."
    return f".. py:data:: {name}\n   :value: {shown}\n\n"


def _title(text: str) -> str:
    return f"{text}\n{'=' * len(text)}\n\n"


def chapters_by_name(notebooks: Iterable[Path]) -> dict[str, list[str]]:
    """Public name with its room -> stems of the chapters that import it, in order."""
    used = defaultdict(list)
    for path in sorted(notebooks):
        cells = nbformat.read(path, as_version=4).cells
        for name in sorted({name for cell in cells if cell.cell_type == "code" for name in imported(cell.source)}):
            used[name].append(path.stem)
    return dict(used)


def imported(code: str) -> Iterator[str]:
    """Names that code imports from adlib's rooms, with the room; code that is not plain Python imports none."""
    try:
        tree = ast.parse(code)
    except SyntaxError:  # a magic or a shell line
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("adlib."):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def as_rst(lines: Sequence[str]) -> list[str]:
    """A docstring of this library as reStructuredText: one bullet a parameter, code marks doubled, signs escaped.

    lines: of the docstring, without common indentation.
    """
    found: list[str] = []
    in_list = False
    for line in _marked("\n".join(lines)).split("\n"):
        parameter = _PARAMETER.match(line)
        if parameter:
            found += ([] if in_list else [""]) + [f"* **{parameter[1]}**: {parameter[2]}"]
        elif in_list and line.strip() and not _SENTENCE.match(line):
            found.append(f"  {line.strip()}")
        else:
            found += ([""] if in_list or _SENTENCE.match(line) else []) + [line]
        in_list = bool(parameter) or (in_list and found[-1].startswith("  "))
    return found


def _marked(text: str) -> str:
    """Text between code marks as it is, the rest escaped; a mark without its other half is a sign like others."""
    parts = text.split("`")
    last = [r"\`" + _escaped(parts.pop())] if len(parts) % 2 == 0 else []
    marked = [f"``{part}``" if i % 2 else _escaped(part) for i, part in enumerate(parts)]
    for i in range(2, len(marked), 2):
        marked[i] = re.sub(r"^(?=\w)", r"\\ ", marked[i])  # of '`Frame`s': rST needs a sign there, and shows none
    return "".join(marked + last)


def _escaped(text: str) -> str:
    return re.sub(r"([*|\\]|_(?=\W|$))", r"\\\1", text)


def command_page() -> str:
    """The page of the commands: what each prints with --help."""
    parts = ["# Commands\n\nWhat `adlib COMMAND --help` prints.\n\n", _help()]
    parts += [f"## adlib {name}\n\n{_help(name)}" for name in COMMANDS]
    return "".join(parts)


def _help(*command: str) -> str:
    """What a command prints, at a fixed width; the parser then ends the program."""
    said = io.StringIO()
    with patch.dict(os.environ, COLUMNS="88"), redirect_stdout(said), suppress(SystemExit):
        cli.main([*command, "--help"])
    return f"```text\n{said.getvalue().rstrip()}\n```\n\n"
