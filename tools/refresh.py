"""Regenerate what is generated and committed: notebooks with their outputs, and the README's tables and figures.

    python -m tools.refresh notebooks [NAME ...]    executes them again, top to bottom, and stamps them
                                                    (`run`: the one inside the package)
    python -m tools.refresh stamps [FILE ...]       names those that changed since; exits with 1 then (pre-commit)
    python -m tools.refresh readme                  fills the tables of both READMEs from results/
    python -m tools.refresh schematics              draws the chapters' schematics (notebooks/schematics)
    python -m tools.refresh figures                 renders figures/ from results/elpv/sweep; its heat maps need the
                                                    patch scores that `make sweep` leaves in runs/elpv

A table of the README is between `<!-- table: NAME -->` and `<!-- end -->`; its numbers are never typed.
"""

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from adlib.data import load_dataset
from adlib.errors import InputError
from adlib.experiments.store import Result, ResultStore, as_frame
from adlib.files import atomic_write
from adlib.papers.catalogue import published
from adlib.progress import progress
from adlib.reports.page import write_figures, write_report
from adlib.reports.tables import table
from adlib.reports.titles import titled
from tools.chapters import chapter_table
from tools.kernels import SAME_SUMS
from tools.schematics import write_schematics
from tools.site.languages import Say, words

ROOT = Path(__file__).parents[1]
READMES = {"README.md": "en", "README.zh-CN.md": "zh_CN"}
RUN = ROOT / "adlib/experiments/run.ipynb"  # what `adlib sweep` executes
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def notebook_files(folder: Path | None = None) -> list[Path]:
    """Chapters and solutions, sorted, then the package's run notebook; or the chapters and solutions below a folder.

    Copies that Jupyter keeps in hidden folders are left out.
    """
    below = folder or ROOT / "notebooks"
    found = sorted(below.rglob("[0-9][0-9]_*.ipynb"))
    chapters = [path for path in found if not any(part.startswith(".") for part in path.relative_to(below).parts)]
    return chapters if folder else [*chapters, RUN]


def refresh_notebooks(names: Sequence[str] = (), folder: Path | None = None) -> None:
    """Execute notebooks (all, or those whose file name begins with one of the names), keep their outputs, stamp them.

    folder: see `notebook_files`. A notebook that fails stays as it was.
    Raises InputError for a name that no notebook begins with.
    """
    import nbclient
    import nbformat

    found = notebook_files(folder)
    for name in names:
        if not any(path.name.startswith(name) for path in found):
            raise InputError(f"No notebook begins with {name!r}; give a number such as 22, or run.")
    chosen = [path for path in found if not names or path.name.startswith(tuple(names))]
    with progress(chosen, label="notebooks", unit="notebook") as bar:
        for path in bar:
            notebook, began = nbformat.read(path, as_version=4), time.perf_counter()
            nbclient.NotebookClient(
                notebook,
                kernel_name="python3",
                timeout=1200,
                coalesce_streams=True,  # otherwise the same prints are split into pieces at random
                resources={"metadata": {"path": path.parent}},
            ).execute(env=os.environ | SAME_SUMS)
            for cell in notebook.cells:
                cell.metadata.pop("execution", None)  # times of day: noise in every diff
            notebook.metadata["adlib"] = digests(notebook)
            with atomic_write(path) as file:
                nbformat.write(notebook, file)
            # The seconds are for the chapter's **Cost:**.
            bar.write(f"{path.relative_to(folder or ROOT)}: {time.perf_counter() - began:.0f} s")


def digests(notebook: Any) -> dict[str, str]:
    """sha256 of a notebook's code and of its outputs: the stamp that an execution leaves in `metadata.adlib`.

    nbval detects neither changed code that prints the same nor an image from elsewhere; the digests do. Prose, tags and
    execution counts are left out: they may change without an execution.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    kept = ("output_type", "name", "text", "data", "ename", "evalue")
    outputs = [[{key: output[key] for key in kept if key in output} for output in cell.outputs] for cell in cells]
    content = {"code_sha256": [cell.source for cell in cells], "outputs_sha256": outputs}
    return {
        name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest() for name, value in content.items()
    }


def stale_notebooks(files: Sequence[Path]) -> list[str]:
    """A sentence for each notebook whose code or outputs are not those of its last execution."""
    import nbformat

    found = []
    for path in files:
        if not path.is_file():
            raise InputError(f"There is no notebook {path}.")
        notebook = nbformat.read(path, as_version=4)
        stamp, now = notebook.metadata.get("adlib", {}), digests(notebook)
        changed = [name for name in now if stamp.get(name) != now[name]]
        if changed:
            words = " and ".join(name.removesuffix("_sha256") for name in changed)
            again = f"python -m tools.refresh notebooks {path.stem}"
            found.append(f"{path}: {words} changed since it was executed; run `{again}`.")
    return found


def refresh_figures(
    results: Path = ROOT / "results/elpv/sweep", runs: Path = ROOT / "runs/elpv", figures: Path = ROOT / "figures"
) -> None:
    """Render the learning curve, the heat maps and the report of the sweep again, without running a detector.

    results: folder of the committed rows, which determine what is shown.
    runs: folder of a sweep, whose patch scores are too large to commit.
    figures: folder for the figures.

    Raises InputError where rows or patch scores are missing.
    """
    rows, store = [_named_by_content(row) for row in ResultStore(results).results()], ResultStore(runs / "results")
    if not rows:
        raise InputError(f"There are no results in {results}; give a folder of results.")
    for row in rows:
        if store.grids(row.protocol) is None:
            raise InputError(
                f"The heat maps need the patch scores of {row.protocol.title}, which are not in {runs.name}/results; "
                "run `make sweep` first."
            )
    datasets = {p.category: load_dataset(p.dataset, p.category) for p in (row.protocol for row in rows)}
    write_report(rows, store, runs / "report.html", datasets)
    write_figures(rows, store, figures, datasets)


def _named_by_content(row: Result) -> Result:
    """A committed row under the name that a sweep on the same data gives it: older rows hold their content beside."""
    return replace(row, protocol=replace(row.protocol, content_digest=row.content_digest))


def refreshed_readme(text: str, results: Path, language: str = "en") -> str:
    """A README's text with its tables recomputed from a folder of results; their headings in its language."""
    return BLOCK.sub(lambda m: f"{m[1]}{TABLES[m[2]](results, words(language))}\n{m[3]}", text)


def _markdown(frame: pd.DataFrame, say: Say) -> str:
    return frame.rename(columns=say).to_markdown(index=False, disable_numparse=True)


def _few_shot(results: Path, say: Say) -> str:
    shown = table(titled(ResultStore(results / "elpv/sweep").results()))
    return _markdown(shown.drop(columns=["dataset", "backbone"]), say)


def _bottle(results: Path, say: Say) -> str:
    frame = as_frame(ResultStore(results / "mvtec/backbones").results())
    by = ["method", "backbone", "option.resize", "option.crop", "option.coreset"]
    return _markdown(_plain(table(frame, by).drop(columns="draws")), say)


def _mtd(results: Path, say: Say) -> str:
    by = ["method", "backbone", "option.resize", "option.aspect", "option.top_share"]
    shown = table(as_frame(ResultStore(results / "mtd/backbones").results()), by)[[*by, "draws", "image AUROC"]]
    shown = _plain(shown).rename(columns={"draws": "splits"})
    (paper,) = published(method="PatchCore", dataset="mtd", variant="10%").itertuples()
    theirs = say("wide_resnet50_2 (published)")
    shown.loc[len(shown)] = ["patchcore", theirs, "", "", "", "", f"{paper.value:.1f}"]
    source = say("Published: {source}, coreset {variant}, read from {how_read}.")
    return f"{_markdown(shown, say)}\n\n{source.format_map(paper._asdict())}"


def table_words() -> list[str]:
    """Headings of the READMEs' tables."""
    results = ROOT / "results"
    cells = (re.search(r"^\|.*", make(results, str), re.MULTILINE)[0].split("|") for make in TABLES.values())
    return [cell.strip() for heading in cells for cell in heading]


def _plain(shown: pd.DataFrame) -> pd.DataFrame:
    """Text in all cells, without `option.` in the columns' names; empty where a method has no such option."""
    return shown.rename(columns=lambda name: name.removeprefix("option.")).fillna("").astype(str)


def _chapters(results: Path, say: Say) -> str:
    return _markdown(chapter_table(results.parent / "notebooks", say), say)


TABLES: dict[str, Callable[[Path, Say], str]] = {
    "chapters": _chapters,
    "elpv": _few_shot,
    "bottle": _bottle,
    "mtd": _mtd,
}


def main(arguments: Sequence[str]) -> int:
    """Entry point of `python -m tools.refresh`."""
    try:
        if arguments[:1] == ["notebooks"]:
            refresh_notebooks(arguments[1:])
        elif arguments[:1] == ["stamps"]:
            stale = stale_notebooks([Path(name) for name in arguments[1:]] or notebook_files())
            print("\n".join(stale), end="\n" if stale else "")
            return 1 if stale else 0
        elif list(arguments) == ["readme"]:
            for name, language in READMES.items():
                fresh = refreshed_readme((ROOT / name).read_text(encoding="utf-8"), ROOT / "results", language)
                with atomic_write(ROOT / name) as file:
                    file.write(fresh)
        elif list(arguments) == ["schematics"]:
            write_schematics(ROOT / "notebooks" / "schematics")
        elif list(arguments) == ["figures"]:
            refresh_figures()
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except InputError as error:
        print(f"refresh: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
