"""A folder that a long call fills step by step, and that a second call may continue to fill."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from adlib.errors import InputError
from adlib.files import atomic_write, write_json
from adlib.spreadsheets import BOM, csv_line, csv_rows


def claim(path: Path, settings: Mapping[str, Any]) -> None:
    """Write `settings` to a JSON file, or check that the file holds the same.

    path: the file; scores.csv is next to it.
    settings: plain values.

    Raises InputError where the file holds other settings, because scores of two models must not be mixed.
    """
    if path.exists():
        try:
            stored = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            raise InputError(f"{path} is damaged; delete the folder {path.parent} or give another --out.") from None
        differs = [name for name in {**settings, **stored} if settings.get(name) != stored.get(name)]
        if differs:
            raise InputError(
                f"{path.parent} holds scores made with another {differs[0].replace('_', ' ')}; give another --out, or "
                "delete it."
            )
        return
    if path.with_name("scores.csv").exists():
        raise InputError(f"{path.parent} holds a scores.csv of something else; give another --out, or delete it.")
    write_json(path, settings)


def kept_rows(path: Path, columns: Sequence[str], keep: Callable[[dict[str, str]], bool]) -> list[dict[str, str]]:
    """The rows of a CSV file that are kept; the file is rewritten without the others, and created where it is missing.

    A last line without its line end is what a kill left; it is removed. A file of before, without the mark of
    `adlib.spreadsheets` or without the last column, is rewritten with them; the cells of that column are then empty.

    path: the file.
    columns: its columns.
    keep: whether a row is kept.

    Raises InputError where the file cannot be read or has other columns.
    """
    try:
        text = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}; check the path and its rights.") from error
    whole = [f"{line}\n" for line in text.split("\n")[:-1]]
    head, *lines = csv_rows(whole) if whole else [[]]
    if whole and head not in (list(columns), list(columns[:-1])):
        raise InputError(f"{path} is not a table of scores, or is damaged; delete it or give another --out.")
    blank = dict.fromkeys(columns, "")
    rows = [blank | dict(zip(head, line, strict=True)) for line in lines if len(line) == len(head)]
    kept = [row for row in rows if keep(row)]
    if text != (new := table_text(columns, kept)):
        with atomic_write(path) as file:
            file.write(new)
    return kept


def table_text(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """A whole CSV file that a spreadsheet can open."""
    return BOM + csv_line(columns) + "".join(csv_line(row[name] for name in columns) for row in rows)
