"""A folder that a long call fills step by step, and that a second call may continue to fill."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from adlib.errors import InputError
from adlib.files import atomic_write, write_json


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

    A last line without its line end is what a kill left; it is removed.

    path: the file.
    columns: its columns.
    keep: whether a row is kept.

    Raises InputError where the file cannot be read or has other columns.
    """
    try:
        text = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}; check the path and its rights.") from error
    header = ",".join(columns)
    lines = text.split("\n")[:-1]
    if lines and lines[0] != header:
        raise InputError(f"{path} is not a table of scores, or is damaged; delete it or give another --out.")
    rows = [row for row in csv.DictReader(lines) if None not in row and None not in row.values() and keep(row)]
    if len(rows) != len(lines) - 1 or not text.endswith("\n"):
        with atomic_write(path) as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return rows
