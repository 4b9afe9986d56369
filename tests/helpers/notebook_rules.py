"""Rules of committed notebooks: `problems(path)` returns one sentence for each rule that a notebook breaks.

Nothing is executed here. nbval executes every notebook and compares what it prints; the stamp (`metadata.adlib`, see
`tools.refresh.digests`) detects what nbval cannot: changed code that prints the same, and images, or outputs that are
not compared, that were inserted by hand.
"""

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers import notebook_code, notebook_text, reading_budget
from tools.refresh import digests

LARGEST = 1_000_000  # bytes
LONGEST_CELL = 20  # lines of code, in solutions, where no reading budget holds
FEWEST_EXERCISES = 4
HEAD = ("**Goals.**", "**Read before:**", "**Cost:**", "**In one hour:**")
TAIL = ("## Recap", "## Exercises", "## References", "**Next:**")
UNCOMPARED = "nbval-ignore-output"
HOMES = r"/(?:root|home|Users|tmp|mnt|work|media|private)/[\w./-]+|[A-Z]:\\+Users\\+[\w.\\-]+"
# An output names no absolute path at all: a slash at the start of a word, and another slash after it.
ANY_PATH = r"(?<![\w.:/<)\]}~-])/[\w.-]+/[\w./-]+"
BY_HAND = re.compile(r"#\s*(?:NBVAL_|PYTEST_VALIDATE)|nbval-skip|nbval-raises-exception|raises-exception")


def read(path: Path) -> NotebookNode:
    """A notebook as nbformat holds it."""
    return nbformat.read(path, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Its cells of code, without empty cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def tags(cell: NotebookNode) -> list[str]:
    """A cell's tags."""
    return cell.metadata.get("tags", [])


def problems(path: Path) -> list[str]:
    """All problems of a chapter, a solutions notebook or the package's run notebook; its folder tells which it is."""
    notebook = read(path)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    for number, cell in enumerate(cells, 1):
        try:
            notebook_code.tree(cell.source)
        except SyntaxError as error:
            return [f"code cell {number} is not Python: {error.msg}"]
    own = {"solutions": solution_problems, "experiments": run_problems}.get(path.parent.name, chapter_problems)
    checks = (execution_problems, output_problems, size_problems, claims_problems, parameter_problems)
    found = chain(stamp_problems(notebook), *(check(cells) for check in checks), reference_problems(notebook, path))
    large = [f"is {path.stat().st_size / 1e6:.1f} MB large, more than 1 MB"] if path.stat().st_size > LARGEST else []
    return [*found, *large, *own(notebook, path)]


def stamp_problems(notebook: NotebookNode) -> Iterator[str]:
    """Whether code and outputs are unchanged since the last execution."""
    stamp, now = notebook.metadata.get("adlib"), digests(notebook)
    if stamp is None:
        yield "carries no stamp of its execution; execute it with `python -m tools.refresh notebooks`"
        return
    if stamp.get("code_sha256") != now["code_sha256"]:
        yield "has code that changed since it was executed"
    if stamp.get("outputs_sha256") != now["outputs_sha256"]:
        yield "has outputs that changed since it was executed"


def execution_problems(cells: Sequence[NotebookNode]) -> Iterator[str]:
    """Whether it was executed from top to bottom, and whether nbval has something to compare."""
    if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
        yield "was not executed from top to bottom in one go"
    compared = [cell for cell in cells if UNCOMPARED not in tags(cell) and _texts(cell)]
    if not compared:
        yield "prints nothing that nbval compares"
    for number, cell in enumerate(cells, 1):
        if any(output.output_type == "error" for output in cell.outputs):
            yield f"code cell {number} ended in an error"
        if BY_HAND.search(cell.source + " ".join(tags(cell))):
            yield f"code cell {number} escapes nbval by another way than the tag {UNCOMPARED}"


def output_problems(cells: Sequence[NotebookNode]) -> Iterator[str]:
    """Paths of somebody's machine, warnings, remains of progress bars."""
    for number, cell in enumerate(cells, 1):
        texts = "\n".join(_texts(cell))
        if leak := re.search(HOMES, cell.source) or re.search(f"{HOMES}|{ANY_PATH}", texts):
            yield f"code cell {number} shows a path of somebody's machine: {leak[0]}"
        if any(output.get("name") == "stderr" for output in cell.outputs):
            yield f"code cell {number} prints to stderr, a warning perhaps"
        if re.search(r"\d+%\||\r(?!\n)|\x1b\[", texts):
            yield f"code cell {number} shows the debris of a progress bar"


def _texts(cell: NotebookNode) -> list[str]:
    """What a cell printed and showed, without images."""
    shown = [output.text for output in cell.outputs if output.output_type == "stream"]
    for output in cell.outputs:
        content = {kind: text for kind, text in output.get("data", {}).items() if not kind.startswith("image/")}
        shown += [text if isinstance(text, str) else json.dumps(text) for text in content.values()]
    return shown


def size_problems(cells: Sequence[NotebookNode]) -> Iterator[str]:
    """Too long cells; parameters are a list, one line each."""
    for number, cell in enumerate(cells, 1):
        if "parameters" in cell.metadata.get("tags", ()):
            continue
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if len(lines) > LONGEST_CELL:
            yield f"code cell {number} has {len(lines)} lines, more than {LONGEST_CELL}"


def claims_problems(cells: Sequence[NotebookNode]) -> Iterator[str]:
    """A cell tagged 'claims' asserts something, and for the committed parameters alone."""
    for number, cell in enumerate(cells, 1):
        if "claims" in tags(cell) and not re.search(
            r"\.as_committed\(\).*^\s+assert ", cell.source, re.DOTALL | re.MULTILINE
        ):
            yield f"code cell {number} is tagged claims and has no assert under `if parameters.as_committed():`"


def parameter_problems(cells: Sequence[NotebookNode]) -> Iterator[str]:
    """One cell of plain values first, each with a comment, each used in the cells below."""
    tagged = [cell for cell in cells if "parameters" in tags(cell)]
    if len(tagged) != 1 or tagged[0] is not cells[0]:
        yield "must begin with one code cell tagged 'parameters'"
        return
    source = cells[0].source
    names = []
    for node in ast.parse(source).body:
        try:
            (target,) = node.targets  # a statement of another kind has none
            names.append(target.id)
            ast.literal_eval(node.value)
        except (AttributeError, ValueError):
            yield f"sets in its parameters cell something else than a name to a plain value: {ast.unparse(node)}"
            return
    comments = {
        token.start[0]: token.line.lstrip().startswith("#")  # line -> whether the comment is alone on it
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    for name, node in zip(names, ast.parse(source).body, strict=True):
        if not comments.get(node.lineno - 1) and not comments.keys() & {node.lineno, node.end_lineno}:
            yield f"does not say in a comment what the parameter {name} is"
    yield from notebook_code.unused_names(names, [cell.source for cell in cells[1:]])


def reference_problems(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Links, anchors, and files named in prose or code."""
    text, root = notebook_text.markdown(notebook), repository(path)
    yield from notebook_text.broken_links(text, path)
    yield from notebook_text.missing_files(text, path, root)
    for cell in notebook.cells:
        for target in notebook_text.links(cell.source) if cell.cell_type == "markdown" else ():
            if target.startswith("attachment:") and target.partition(":")[2] not in cell.get("attachments", {}):
                yield f"shows {target}, which is not attached"
    for cell in code_cells(notebook):
        yield from notebook_code.missing_files(cell.source, path.parent)
        yield from notebook_code.missing_committed_files(cell.source, root)
        yield from notebook_code.upward_paths(cell.source)


def repository(path: Path) -> Path:
    """The folder that holds `notebooks/`, or the package."""
    return next(folder for folder in path.resolve().parents if folder.name in ("notebooks", "adlib")).parent


def run_problems(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Checked parameters and printed versions, as in a chapter: any run with other parameters keeps them."""
    cells = code_cells(notebook)
    if "check_parameters(globals(), In)" not in notebook_code.calls(cells[1].source if len(cells) > 1 else ""):
        yield "does not call check_parameters(globals(), In) in its second code cell"
    if not any(UNCOMPARED in tags(cell) and "version" in cell.source for cell in cells):
        yield f"has no cell, tagged {UNCOMPARED}, that prints versions"


def chapter_problems(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Head, tail and exercises as STYLE.md says."""
    text = notebook_text.without_blocks(notebook_text.markdown(notebook))
    if not notebook.cells[0].source.startswith(f"# {path.name[:2]} "):
        yield "does not begin with its number and title"
    yield from run_problems(notebook, path)
    yield from reading_budget.problems(notebook)
    first_code = next(i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    head = "\n\n".join(cell.source for cell in notebook.cells[:first_code])
    yield from (f"lacks {part} before its first code" for part in HEAD if part not in head)
    yield from (f"lacks {part}" for part in TAIL if part not in text)
    places = [text.index(part) for part in (*HEAD, *TAIL) if part in text]
    if places != sorted(places):
        yield f"has the parts of its head or tail in another order than {', '.join((*HEAD, *TAIL))}"
    yield from (f"names section {number} for one hour, which it does not have" for number in _not_there(text))
    goals, recap = _numbers(text.partition("**Read before:**")[0]), _numbers(_section(text, "Recap"))
    if not 3 <= len(goals) <= 5 or goals != recap:
        yield f"has {len(goals)} goals and {len(recap)} points in its recap"
    if not re.search(r"^\|", text.partition("## Recap")[2].partition("## Exercises")[0], re.MULTILINE):
        yield "has no table of when to use what"
    numbers = exercises(notebook)
    if len(numbers) < FEWEST_EXERCISES or numbers != list(range(1, len(numbers) + 1)):
        yield f"has the exercises {numbers}, not 1 to at least {FEWEST_EXERCISES}"
    solutions = path.parent / "solutions" / path.name
    if not solutions.exists():
        yield f"has no solutions: there is no solutions/{path.name}"
    if f"solutions/{path.name}" not in notebook_text.links(text):
        yield f"does not link to solutions/{path.name}"


def _not_there(text: str) -> list[str]:
    """The numbers in the sentence 'In one hour' that no heading has."""
    hour = re.search(r"\*\*In one hour:\*\* ([^.]*)", text)
    headings = set(re.findall(r"^## (\d+)\. ", text, re.MULTILINE))
    return [number for number in re.findall(r"\d+", hour[1] if hour else "") if number not in headings]


def solution_problems(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """A heading, code with an output, and an answer in words for each exercise of the chapter."""
    if not re.match(rf"# {path.name[:2]} .+: solutions\s*$", notebook.cells[0].source.partition("\n")[0]):
        yield f"does not begin with '# {path.name[:2]} Topic: solutions'"
    chapter = path.parents[1] / path.name
    if not chapter.exists():
        yield f"solves the exercises of {path.name}, which does not exist"
        return
    asked, answers = exercises(read(chapter)), _answers(notebook)
    yield from (f"has no heading for exercise {number}" for number in asked if number not in answers)
    yield from (
        f"solves exercise {number}, which the chapter does not set" for number in answers if number not in asked
    )
    for number, cells in answers.items():
        if not any(cell.cell_type == "code" and cell.outputs for cell in cells):
            yield f"shows no number and no image for exercise {number}"
        if not any(
            notebook_text.HEADING.sub("", cell.source).strip() for cell in cells if cell.cell_type == "markdown"
        ):
            yield f"has no answer in words for exercise {number}"


def exercises(notebook: NotebookNode) -> list[int]:
    """Numbers of a chapter's exercises."""
    return _numbers(_section(notebook_text.without_blocks(notebook_text.markdown(notebook)), "Exercises"))


def _answers(notebook: NotebookNode) -> dict[int, list[NotebookNode]]:
    """Exercise number -> the cell of its heading, '## 3. ...' or '## Exercise 3 ...', and the cells below it."""
    answers: dict[int, list[NotebookNode]] = {}
    number = None
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = notebook_text.without_blocks(cell.source)
            if heading := re.search(r"^##+ (?:Exercise )?(\d+)\b", text, re.MULTILINE):
                number = int(heading[1])
        if number is not None:
            answers.setdefault(number, []).append(cell)
    return answers


def _section(text: str, title: str) -> str:
    """The text between a heading of the second level and the next such heading."""
    below = text.partition(f"\n## {title}")[2].partition("\n")[2]
    return re.split(r"^## ", below, maxsplit=1, flags=re.MULTILINE)[0]


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE)]
