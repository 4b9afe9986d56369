"""Files of the repository that chapters read: found from any working folder, or named in one sentence.

The package's wheel holds no results, so a chapter needs a copy of the repository, and its notebook is started in it.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

import adlib
from adlib.errors import InputError
from adlib.experiments.store import Result, ResultStore


def repository_file(name: str) -> Path:
    """The absolute path of a file or folder of the repository.

    name: below the repository, with "/" between folders: "results/costs/methods.csv".
    Looked for in the working folder, in every folder above it, and next to the package (an editable install).
    Raises InputError where it is in none of them.
    """
    for root in _roots():
        if (root / name).exists():
            return root / name
    raise InputError(
        f"There is no {name} in {Path.cwd()}, in the folders above it or next to the package; it is part of adlib's "
        "repository, so start the notebook in a copy of the repository."
    )


def committed_results(*names: str) -> list[Result]:
    """The results of committed studies, in the order given.

    names: folders below results/, such as "elpv/sweep".
    Raises InputError where a folder is missing, holds no results, or is damaged.
    """
    return [result for name in names for result in stored_results(repository_file(f"results/{name}"))]


def stored_results(folder: str | Path) -> list[Result]:
    """The results in or below a folder; InputError where there are none, so that no table is empty by a wrong path."""
    found = list(ResultStore(folder).results())
    if not found:
        raise InputError(f"There are no results in {folder}; give a folder of results, such as runs/elpv/results.")
    return found


def stored_localisation(folder: str | Path) -> pd.DataFrame:
    """Pixel AUROC within each defective image, from the tables of benchmarks/localisation.py below a folder.

    folder: looked through for DATASET/localisation/CATEGORY.csv.
    Returns columns image, method, seed, protocol (the hash of the run), category and auroc, one row per image and run.
    Raises InputError where there is no such table.
    """
    tables = {path.stem: path for path in sorted(Path(folder).glob("*/localisation/*.csv"))}
    if not tables:
        raise InputError(f"There are no tables of localisation below {folder}; give the folder results.")
    found = {name: pd.read_csv(path, header=[0, 1, 2], index_col=0) for name, path in tables.items()}
    rows = pd.concat({name: table.stack([0, 1, 2], future_stack=True).dropna() for name, table in found.items()})
    return rows.rename_axis(["category", "image", "method", "seed", "protocol"]).reset_index(name="auroc")


def _roots() -> Iterator[Path]:
    here = Path.cwd()
    yield from (here, *here.parents)
    yield Path(adlib.__file__).parents[1]
