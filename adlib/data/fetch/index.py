"""The index that `arrange` writes with a data set and `check` holds the files against: a CSV table in its folder."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from adlib.data.names import printable
from adlib.errors import InputError
from adlib.files import atomic_write


def write_index(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A line of column names, then the rows."""
    with atomic_write(path) as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])


def read_index(path: Path, columns: Sequence[str], numbers: Sequence[str]) -> list[dict[str, str]]:
    """What `write_index` wrote, column -> text, row by row; numbers: columns that hold whole numbers, at least 0.

    Raises InputError where the file cannot be read, or has other columns or other values.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            rows = list(table)
        if tuple(table.fieldnames or ()) == tuple(columns) and all(row[c].isdigit() for row in rows for c in numbers):
            return rows
    except (OSError, UnicodeDecodeError, csv.Error, AttributeError):  # the last where a row is too short
        pass
    raise InputError(
        f"{printable(path.parent)} has no readable {path.name}; arrange the data set again with --from and --to."
    )
