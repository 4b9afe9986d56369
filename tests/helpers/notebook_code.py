"""Code of a notebook analysed by Python's own parser: the names that it reads, the files that it names."""

import ast
import dis
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType

from IPython.core.inputtransformer2 import TransformerManager

READS = ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS")
WRITES = ("STORE_NAME", "STORE_GLOBAL")


def tree(source: str) -> ast.Module:
    """A cell's syntax tree; IPython's own lines (`%time`, `!ls`) become the calls that they stand for."""
    return ast.parse(TransformerManager().transform_cell(source))


def unused_names(names: Sequence[str], cells: Sequence[str]) -> Iterator[str]:
    """A sentence for each global name that `cells` never read, or overwrite before they read it.

    The compiler decides what is read: comments, strings and a function's own argument of that name do not count.
    """
    waiting = list(names)
    for statement in [node for source in cells for node in tree(source).body]:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT  # as IPython compiles a cell
        first: dict[str, bool] = {}  # name -> whether it is read, or else written, where it comes first
        for name, reads in _globals(compile(ast.Module([statement], []), "cell", "exec", flags)):
            first.setdefault(name, reads)
        yield from (
            f"overwrites the parameter {name} before it reads it" for name in waiting if first.get(name) is False
        )
        waiting = [name for name in waiting if name not in first]
    yield from (f"declares the parameter {name} and never uses it" for name in waiting)


def _globals(code: CodeType, inside: bool = False) -> Iterator[tuple[str, bool]]:
    """(name, whether it is read) for each read or write of a global name; then the names that its functions read."""
    for step in dis.get_instructions(code):
        if step.opname in READS or (step.opname in WRITES and not inside):
            yield step.argval, step.opname in READS
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals(constant, inside=True)


def calls(source: str) -> list[str]:
    """The calls in a cell, as they are written: 'check_parameters(globals(), In)'."""
    return [ast.unparse(node) for node in ast.walk(tree(source)) if isinstance(node, ast.Call)]


def missing_files(source: str, folder: Path) -> Iterator[str]:
    """A sentence for each string such as "../results/elpv" that names no file, relative to `folder`."""
    nodes = list(ast.walk(tree(source)))
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        name = node.value
        if not name.startswith(("../", "./")) or "\n" in name:
            continue
        name = name.rpartition("/")[0] if id(node) in parts else name  # of an f-string: the folder before the gap
        if not (any(folder.glob(name)) if "*" in name else (folder / name).exists()):
            yield f"reads {node.value}, which does not exist"


def missing_committed_files(source: str, root: Path) -> Iterator[str]:
    """A sentence for each file of the repository that a cell asks for by name, and that is not there."""
    below = {"repository_file": root, "committed_results": root / "results"}
    for node in ast.walk(tree(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in below:
            names = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            yield from (f"reads {n}, which does not exist" for n in names if not (below[node.func.id] / n).exists())


def upward_paths(source: str) -> Iterator[str]:
    """A sentence for each string that begins with "../": it depends on the folder in which a notebook is run."""
    for node in ast.walk(tree(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("../"):
            yield f"reads {node.value} from its own folder; use committed_results or repository_file"
