"""What is generated and committed: notebooks with their outputs, and the tables of the README.

    python -m adlib.experiments.refresh notebooks [NAME ...]    executes them anew, top to bottom
    python -m adlib.experiments.refresh readme                  fills the README's tables from results/

A table of the README stands between `<!-- table: NAME -->` and `<!-- end -->`; nobody types a number there.
"""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from adlib.experiments.published import published
from adlib.experiments.report import table
from adlib.experiments.store import ResultStore, as_frame
from adlib.files import atomic_write
from adlib.progress import progress

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def refresh_notebooks(names: Sequence[str] = ()) -> None:
    """Execute notebooks (all, or those whose file name begins with one of the names) and keep their outputs."""
    import nbclient
    import nbformat

    found = sorted((ROOT / "notebooks").rglob("[0-9][0-9]_*.ipynb"))
    chosen = [p for p in found if not names or p.name.startswith(tuple(names))]
    for path in progress(chosen, label="notebooks", unit="notebook"):
        notebook = nbformat.read(path, as_version=4)
        nbclient.NotebookClient(
            notebook, kernel_name="python3", timeout=1200, resources={"metadata": {"path": path.parent}}
        ).execute()
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)  # times of day: noise in every diff
        with atomic_write(path) as file:
            nbformat.write(notebook, file)


def refreshed_readme(text: str, results: Path) -> str:
    """The README's text with its tables made anew from a folder of results."""
    return BLOCK.sub(lambda m: f"{m[1]}{TABLES[m[2]](results)}\n{m[3]}", text)


def _markdown(frame: pd.DataFrame) -> str:
    return frame.to_markdown(index=False, disable_numparse=True)


def _few_shot(results: Path) -> str:
    shown = table(as_frame(ResultStore(results / "elpv").results()))
    return _markdown(shown.drop(columns=["dataset", "backbone"]))


def _bottle(results: Path) -> str:
    frame = as_frame(ResultStore(results / "bottle").results())
    by = ["method", "backbone", "option.resize", "option.crop", "option.coreset"]
    shown = table(frame, by).drop(columns="draws")
    return _markdown(shown.rename(columns=lambda name: name.removeprefix("option.")))


def _mtd(results: Path) -> str:
    by = ["backbone", "option.resize", "option.aspect", "option.top_share"]
    shown = table(as_frame(ResultStore(results / "mtd").results()), by)[[*by, "draws", "image AUROC"]]
    shown = (
        shown.rename(columns=lambda name: name.removeprefix("option.")).rename(columns={"draws": "splits"}).astype(str)
    )
    (paper,) = published(method="PatchCore", dataset="mtd", variant="10%").itertuples()
    shown.loc[len(shown)] = ["wide_resnet50_2 (published)", "", "", "", "", f"{paper.value:.1f}"]
    return _markdown(shown) + f"\n\nPublished: {paper.source}, coreset {paper.variant}, read from {paper.how_read}."


TABLES: dict[str, Callable[[Path], str]] = {"elpv": _few_shot, "bottle": _bottle, "mtd": _mtd}


def main(arguments: Sequence[str]) -> int:
    """Entry point of `python -m adlib.experiments.refresh`."""
    if arguments[:1] == ["notebooks"]:
        refresh_notebooks(arguments[1:])
    elif list(arguments) == ["readme"]:
        readme = ROOT / "README.md"
        fresh = refreshed_readme(readme.read_text(encoding="utf-8"), ROOT / "results")
        with atomic_write(readme) as file:
            file.write(fresh)
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
