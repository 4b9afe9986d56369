"""CSV files that users open in a spreadsheet: names in any script, and no cell that counts as a formula.

Excel takes a CSV file for the system's old code page unless it begins with a byte order mark, and evaluates a cell such
as `=1+2.png`. Files with the mark are of this module: their cells are escaped. Files without it are older, or packs,
and hold their text as it is.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

BOM = "\ufeff"
_ESCAPED = ("=", "+", "-", "@", "\t", "\r", "'")  # the apostrophe too: otherwise `'=a` could not be told from `=a`


def escaped(value: Any) -> Any:
    """A cell that no spreadsheet evaluates: an apostrophe before text that begins like a formula; others unchanged."""
    begins = isinstance(value, str) and value.startswith(_ESCAPED)
    return f"'{value}" if begins and not _is_number(value) else value


def unescaped(cell: Any) -> Any:
    """The value of a cell that `escaped` made."""
    return cell[1:] if isinstance(cell, str) and cell.startswith(tuple(f"'{sign}" for sign in _ESCAPED)) else cell


def has_mark(path: Path) -> bool:
    """Whether a file begins with the mark, so that its cells are escaped."""
    with open(path, "rb") as file:
        return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8


def csv_line(cells: Iterable[Any]) -> str:
    """One escaped line, with its end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(map(escaped, cells))
    return line.getvalue()


def csv_text(frame: pd.DataFrame, float_format: str) -> str:
    """A whole file with the mark, without the frame's index.

    frame: its text is escaped.
    float_format: as "%.8g".
    """
    return BOM + frame.map(escaped).to_csv(index=False, float_format=float_format, lineterminator="\n")


def csv_rows(lines: Iterable[str]) -> Iterator[list[str]]:
    """The rows of a file, each a list of text; in a file with the mark unescaped.

    lines: of the file, opened as UTF-8 with newline="".
    """
    lines = iter(lines)
    first = next(lines, "")
    for row in csv.reader(chain([first.removeprefix(BOM)], lines)):
        yield [unescaped(cell) for cell in row] if first.startswith(BOM) else row


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
