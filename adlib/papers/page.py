"""The page of a paper: our results next to its published numbers, as Markdown, HTML or CSV."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from adlib.errors import InputError
from adlib.experiments.store import Result, ResultStore
from adlib.files import atomic_write
from adlib.papers.compare import BEST, PAPERS, comparison, own_rows
from adlib.papers.setups import SECONDS
from adlib.spreadsheets import csv_text


@dataclass(frozen=True)
class Section:
    """One table of a page.

    title: heading above the table.
    table: text in every cell.
    notes: lines below the table.
    """

    title: str
    table: pd.DataFrame
    notes: Sequence[str]


def sections(paper: str, results: Iterable[Result]) -> list[Section]:
    """The tables of a page: one per published protocol, then one of all our own rows. Arguments as `comparison`."""
    results = list(results)
    frame = comparison(paper, results)
    own_source = frame["source"].str.startswith(PAPERS[paper])
    frame = pd.concat([frame[own_source], frame[~own_source]])  # the paper's own tables first
    made = []
    for (variant, source, how), rows in frame.groupby(["variant", "source", "how_read"], sort=False):
        title = f"{PAPERS[paper]} {variant}".strip() + f" on {' and '.join(rows['dataset'].unique())}"
        letters = {named: _letter(number) for number, named in enumerate(_named(rows))}
        notes = [f"Published: {source}; how it was read: {how}; protocol: {rows['protocol'].iloc[0]}."]
        notes += [f"({letter}) {protocol}: {differs or 'the same'}" for (protocol, differs), letter in letters.items()]
        made.append(Section(title, pd.DataFrame([_line(row, letters) for row in rows.itertuples()]), notes))
    own = own_rows(paper, results)
    numbers = own.select_dtypes("float").columns
    own = own.assign(**{name: [_number(value) or "n/a" for value in own[name]] for name in numbers})
    none = [] if len(own) else ["No run of this method is stored here."]
    made.append(Section(f"All our rows of {PAPERS[paper]}", own, ["Percent; means over categories and seeds.", *none]))
    return made


def _letter(number: int) -> str:
    return chr(ord("a") + number) if number < 26 else str(number)


def _named(rows: pd.DataFrame) -> dict[tuple[str, str], None]:
    """(protocol, what differs) of the nearest and the best run of every row, each once, in the order of the table."""
    run = rows[rows["status"] == "run"]
    found = zip(run["ours_protocol"], run["differs"], run["best_protocol"], run["best_differs"], strict=True)
    pairs = [pair for ours, differs, best, best_differs in found for pair in ((ours, differs), (best, best_differs))]
    return dict.fromkeys(pair for pair in pairs if pair[0])


def _line(row: Any, letters: dict[tuple[str, str], str]) -> dict[str, str]:
    named = {name: str(getattr(row, name)) for name in ("dataset", "category", "shots", "metric")}
    theirs = _plain(row.published) + ("" if pd.isna(row.spread) else f" ± {_plain(row.spread)}")
    nearest = {name: getattr(row, name) for name in BEST}
    best = {name: getattr(row, column) for name, column in BEST.items()}
    return (
        named
        | {"published": theirs}
        | dict(zip(("nearest", "difference", "differs"), _shown(nearest, row, letters), strict=True))
        | dict(zip(("best", "its difference", "it differs"), _shown(best, row, letters), strict=True))
        | ({} if row.status == "run" else {"nearest": row.status})
    )


def _shown(run: dict[str, Any], row: Any, letters: dict[tuple[str, str], str]) -> tuple[str, str, str]:
    """Value with spread and draws, difference, letter of the note; empty where there is no such run."""
    if not run["draws"]:
        return "", "", ""
    value = _number(run["ours"], run["ours_spread"], 2 if row.metric == SECONDS else 1)
    value += f" ({run['draws']} draws)" if run["draws"] > 1 else ""
    difference = "" if pd.isna(run["difference"]) else f"{run['difference']:+.1f}"
    difference = difference if row.like_for_like or not difference else f"({difference})"
    return value, difference, f"({letters[run['ours_protocol'], run['differs']]})"


def _plain(value: float) -> str:
    """As published: all of its decimals, and at least one."""
    return f"{value:g}" if value % 1 else f"{value:.1f}"


def _number(value: float | None, spread: float = float("nan"), digits: int = 1) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.{digits}f}" + ("" if pd.isna(spread) else f" ± {spread:.{digits}f}")


INTRODUCTION = (
    "Every published number with the nearest of our runs on the same data set and shot count, and with our best on the "
    "same categories where that is another run; the best is chosen on test images and flatters us. Letters name the "
    "protocol of each and what differs from the published one. Values are in percent. The difference is ours minus the "
    "published number, in points; it is IN BRACKETS where our runs cover fewer categories than the published mean, so "
    "that the two are not comparable. ± is the standard deviation over seeds (draws). 'not run': there is no such run "
    "of ours; 'not measured': there are runs, but without this metric."
)


def as_markdown(paper: str, results: Iterable[Result]) -> str:
    """The page as Markdown."""
    parts = [f"# {PAPERS.get(paper, paper)}: our results next to the published numbers", INTRODUCTION]
    for section in sections(paper, results):
        table = section.table.to_markdown(index=False, disable_numparse=True) if len(section.table) else ""
        parts += [f"## {section.title}", *([table] if table else []), "  \n".join(section.notes)]
    return "\n\n".join(parts) + "\n"


def as_html(paper: str, results: Iterable[Result]) -> str:
    """The page as one self-contained HTML file."""
    title = f"{PAPERS.get(paper, paper)}: our results next to the published numbers"
    parts = [f"<h1>{html.escape(title)}</h1>", f"<p>{html.escape(INTRODUCTION)}</p>"]
    for section in sections(paper, results):
        notes = "<br>".join(html.escape(note) for note in section.notes)
        table = section.table.to_html(index=False, border=0) if len(section.table) else ""
        parts += [f"<h2>{html.escape(section.title)}</h2>", table, f"<p>{notes}</p>"]
    style = (
        "body{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#222}"
        "table{border-collapse:collapse}td,th{padding:.2rem .7rem;border-bottom:1px solid #ddd;text-align:left}"
        "h2{margin-top:2.5rem;font-size:1.1rem}p{color:#555}"
    )
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{style}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"


def print_page(paper: str, folders: Iterable[Path], target: Path | None = None) -> None:
    """Print the page of all results below some folders as Markdown, and write it to a file.

    paper: a key of `PAPERS`.
    folders: folders of results.
    target: file that ends in .csv, .md or .html; None to write none.

    Raises InputError for another paper, for another ending, and where a folder is missing.
    """
    results = []
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"There is no folder {folder}; give folders of results, such as results/mvtec.")
        results += ResultStore(folder).results()
    print(as_markdown(paper, results))
    if target is not None:
        print(f"Written: {write_page(paper, results, target)}")


def write_page(paper: str, results: Iterable[Result], target: Path) -> Path:
    """Write `comparison` as .csv, or the page as .md or .html.

    paper: a key of `PAPERS`.
    results: runs of any methods.
    target: the file.

    Returns the target. Raises InputError for another paper or ending.
    """
    writers = {
        ".csv": lambda: csv_text(comparison(paper, results), "%.6g"),
        ".md": lambda: as_markdown(paper, results),
        ".html": lambda: as_html(paper, results),
    }
    if target.suffix not in writers:
        raise InputError(f"Cannot write {target}: the ending must be {', '.join(writers)}.")
    content = writers[target.suffix]()
    with atomic_write(target) as file:
        file.write(content)
    return target
