"""Text is read and written in a named encoding: the default is that of the system, on Windows an old code page."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import notebook_code
from helpers.notebook_rules import code_cells, read
from helpers.places import ROOT
from tools.refresh import notebook_files

SCRIPTS = [path for room in ("adlib", "tools", "benchmarks", "data_scripts") for path in (ROOT / room).rglob("*.py")]
# Position of the encoding, where it may be given without its name.
TEXT = {"read_text": 0, "write_text": 1}


def unnamed(tree: ast.AST) -> Iterator[str]:
    """Each call that reads or writes text without naming its encoding, with its line."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and _is_text(node)
            and not any(k.arg in ("encoding", None) for k in node.keywords)
        ):
            yield f"line {node.lineno}: {ast.unparse(node)}"


def _is_text(call: ast.Call) -> bool:
    """Whether a call opens a file as text, or a process's output."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if any(k.arg in ("text", "universal_newlines") for k in call.keywords):
        return True
    if name == "open":
        of_path = isinstance(call.func, ast.Attribute)
        if of_path and ast.unparse(call.func.value) in ("Image", "tarfile", "zipped"):
            return False
        modes = [*call.args[0 if of_path else 1 :][:1], *(k.value for k in call.keywords if k.arg == "mode")]
        return "b" not in "".join(ast.unparse(mode) for mode in modes)
    return name in TEXT and len(call.args) <= TEXT[name]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_scripts_name_their_encodings(path: Path):
    assert list(unnamed(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize("path", notebook_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_notebooks_name_their_encodings(path: Path):
    assert [found for cell in code_cells(read(path)) for found in unnamed(notebook_code.tree(cell.source))] == []


@pytest.mark.parametrize(
    "source",
    [
        "open(path)",
        "open(path, 'w')",
        "path.open()",
        "path.read_text()",
        "path.write_text('a')",
        "subprocess.run(command, text=True)",
        "Popen(command, stdout=PIPE, universal_newlines=True)",
    ],
)
def test_a_missing_encoding_is_found(source):
    assert list(unnamed(ast.parse(source))) == [f"line 1: {ast.unparse(ast.parse(source))}"]


@pytest.mark.parametrize(
    "source",
    [
        "open(path, 'rb')",
        "open(path, encoding='utf-8')",
        "Image.open(path)",
        "path.read_text('utf-8')",
        "path.write_text('a', encoding='utf-8')",
        "subprocess.run(command, encoding='utf-8')",
        "subprocess.run(command)",
    ],
)
def test_a_named_encoding_passes(source):
    assert list(unnamed(ast.parse(source))) == []
