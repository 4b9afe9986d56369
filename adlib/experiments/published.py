"""Published numbers, each with its source and with how reliably it was read (`published.csv` beside this file)."""

from importlib.resources import files

import pandas as pd

from adlib.errors import InputError


def published(**where: str) -> pd.DataFrame:
    """Rows of published numbers; `where` narrows by column, as in published(method="PatchCore", dataset="mtd").

    Columns: method, variant, dataset, category, shots ("full" or a number as text), metric, value and std (percent),
    source, how_read. Raises InputError on an unknown column.
    """
    with files("adlib.experiments").joinpath("published.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file, dtype={"shots": str, "variant": str}, keep_default_na=False, na_values={"std": [""]})
    for column, value in where.items():
        if column not in table:
            raise InputError(f"Published numbers have no column {column!r}; they have {', '.join(table.columns)}.")
        table = table[table[column] == value]
    return table
