"""A small valid chapter with its solutions, for tests that insert faults."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

NAME = "05_sample.ipynb"
HEAD = """# 05 A sample

**Goals.** After this chapter you can

1. add two numbers;
2. print them;
3. look at a table.

**Read before:** nothing. **Cost:** about 1 s on two CPU cores. **In one hour:** section 1.

![Two numbers, and their sum](schematics/05_adding.svg)
"""
QUESTION = "<details><summary>Answer</summary>\n\nThree.\n\n</details>\n"
TAIL = """## Recap

1. `+` adds;
2. `print` prints;
3. a frame shows itself.

| when | use |
|---|---|
| two numbers | `+` |

## Exercises

1. Add three numbers.
2. Add four.
3. Add five.
4. Add six.

The [solutions](solutions/05_sample.ipynb) are in a notebook of their own, and [section 1](#1.-Adding-numbers) says why.

## References

- `adlib/addition.py`, and [its page](https://example.org/addition).

**Next:** nothing.
"""
PARAMETERS = "first = 1  # a number\nsecond = 2  # another one"
IMPORTS = "from adlib.experiments.notebook import check_parameters\n\ncheck_parameters(globals(), In)"
VERSIONS = "from importlib.metadata import version\n\nprint(version('numpy'))"
TABLE = "import pandas as pd\n\npd.DataFrame({'sum': [first + second]})"
PICTURE = """from IPython.display import Image as Show
from PIL import Image

Image.new('L', (8, 8), 77).save('grey.png')
Show('grey.png')"""


def code(source: str, *tags: str) -> NotebookNode:
    """A cell of code."""
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)} if tags else {})


def text(source: str) -> NotebookNode:
    """A cell of prose."""
    return nbformat.v4.new_markdown_cell(source)


def write(path: Path, cells: list[NotebookNode]) -> Path:
    """Write a notebook that has not been executed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def chapter() -> list[NotebookNode]:
    """Cells of a chapter that breaks no rule after its execution."""
    return [
        text(HEAD),
        code(PARAMETERS, "parameters"),
        code(IMPORTS),
        code(VERSIONS, "nbval-ignore-output"),
        text("## 1. Adding numbers\n\nWhat are one and two, two and one, one and one and one?\n\n" + 3 * QUESTION),
        code("print(first + second)"),
        code(TABLE),
        code(PICTURE),
        text(TAIL),
    ]


def solutions() -> list[NotebookNode]:
    """Cells of its solutions."""
    cells = [text("# 05 A sample: solutions"), code("step = 1  # added each time", "parameters")]
    for number in range(1, 5):
        cells += [text(f"## {number}. More numbers"), code(f"print(step * {number + 2})"), text("So it is.")]
    return cells


def repository(root: Path) -> Path:
    """A folder with both notebooks, not executed, and the files that they name. Returns the chapter's path."""
    for name in ("adlib/addition.py", "notebooks/schematics/05_adding.svg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    write(root / "notebooks/solutions" / NAME, solutions())
    return write(root / "notebooks" / NAME, chapter())
