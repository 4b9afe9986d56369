"""A task and its answer, as JSON and plain arrays: the only things that travel between client and workers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from adlib.cluster.fitness import Needs
from adlib.data import Dataset, load_dataset
from adlib.data.names import real_path
from adlib.experiments.planning import Machine
from adlib.experiments.protocol import Protocol
from adlib.experiments.store import Result

Grids = list[np.ndarray]
Message = tuple[str, dict[str, np.ndarray]]  # JSON, and the arrays that it names


@dataclass(frozen=True)
class Source:
    """Where a worker reads the data of a category.

    reading: arguments of `load_dataset`.
    category: the name of the category.
    name: of the data set, as protocols have it.
    """

    reading: Mapping[str, Any]
    category: str
    name: str

    def load(self) -> Dataset:
        """The data set of the category. Raises InputError as `load_dataset` does."""
        return replace(load_dataset(**self.reading).category(self.category), name=self.name)


@dataclass(frozen=True)
class Task:
    """Runs that a worker does together, in this order.

    needs: what the worker must have.
    source: the data.
    machine: weights and device on the worker.
    runs: the protocols of the runs.
    unit: protocols of all runs of this category that share features with these, and distances.
    notebook: parameters of the run notebook, which then does the runs; None for none.
    title: name of the executed notebook, without its ending.
    own_cache: whether features are kept in a folder of the worker, until the unit's last task, instead of the cache.
    last: whether the unit ends with this task.
    """

    needs: Needs
    source: Source
    machine: Machine
    runs: tuple[Protocol, ...]
    unit: tuple[Protocol, ...] = ()
    notebook: Mapping[str, Any] | None = None
    title: str = ""
    own_cache: bool = False
    last: bool = False

    @property
    def text(self) -> str:
        """The task as JSON."""
        values = {name: getattr(self, name) for name in ("notebook", "title", "own_cache", "last")}
        values |= {"needs": self.needs.as_dict(), "source": asdict(self.source), "machine": asdict(self.machine)}
        values |= {"runs": [p.as_dict() for p in self.runs], "unit": [p.as_dict() for p in self.unit]}
        return json.dumps(values, sort_keys=True, allow_nan=False)

    @property
    def of_unit(self) -> str:
        """What all tasks of the unit have in common, as the JSON of a task without runs."""
        return replace(self, runs=(), notebook=None, title="", last=False).text

    @classmethod
    def from_text(cls, text: str) -> "Task":
        """The inverse of `text`."""
        values = json.loads(text)
        values |= {name: tuple(map(Protocol.from_dict, values[name])) for name in ("runs", "unit")}
        values |= {"needs": Needs.from_dict(values["needs"]), "source": Source(**values["source"])}
        return cls(**values | {"machine": Machine(**values["machine"])})


@dataclass(frozen=True)
class Answer:
    """What a worker gives back for a task.

    results: the finished runs, each with its patch scores.
    failed: why the other runs failed, or the notebook; "" where all went well.
    unfit: why the worker cannot do any task, as the end of "the worker ..."; "" where it can.
    notebook: text of the executed notebook, "" for none.
    """

    results: Sequence[tuple[Result, Grids | None]] = ()
    failed: str = ""
    unfit: str = ""
    notebook: str = ""

    @property
    def message(self) -> Message:
        """The answer as JSON and plain arrays, as they travel."""
        parts = [_packed(result, grids) for result, grids in self.results]
        arrays = {f"{i}/{name}": array for i, (_, own) in enumerate(parts) for name, array in own.items()}
        values = {"failed": self.failed, "unfit": self.unfit, "notebook": self.notebook}
        return json.dumps(values | {"runs": [row for row, _ in parts]}, allow_nan=False), arrays

    @classmethod
    def from_message(cls, message: Message) -> "Answer":
        """The inverse of `message`."""
        text, arrays = message
        values = json.loads(text)
        runs = values.pop("runs")
        return cls(results=[_unpacked(row, arrays, f"{i}/") for i, row in enumerate(runs)], **values)


def elsewhere(machine: Machine) -> Machine:
    """The same machine, with a path that is valid in every folder."""
    return replace(machine, weights=str(real_path(machine.weights)) if machine.weights else None)


def _packed(result: Result, grids: Grids | None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    columns = {name: result.scores[name].tolist() for name in ("image", "label", "defect")}
    arrays = {f"grid{i:06d}": np.asarray(grid) for i, grid in enumerate(grids or ())}
    row = {"protocol": result.protocol.as_dict(), "row": result.row, "columns": columns, "grids": grids is not None}
    return row, arrays | {"score": result.scores["score"].to_numpy()}


def _unpacked(row: Mapping[str, Any], arrays: Mapping[str, np.ndarray], prefix: str) -> tuple[Result, Grids | None]:
    scores = pd.DataFrame(row["columns"] | {"score": arrays[f"{prefix}score"]})
    names = sorted(name for name in arrays if name.startswith(f"{prefix}grid"))
    grids = [arrays[name] for name in names] if row["grids"] else None
    return Result(Protocol.from_dict(row["protocol"]), row["row"], scores), grids
