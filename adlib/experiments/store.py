"""Results on disk: one JSON row, one CSV of per-image scores and, for figures, the patch scores of a run.

Each file is written under a temporary name and renamed; the row comes last, so a run counts as done only when all of
its files are on disk. A killed sweep resumes where it stopped, and two sweeps on one folder do no harm: they write the
same content under the same name. Committed studies are packed (`adlib.experiments.packs`); a store reads both forms and
writes single files.
"""

import copy
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load, save

from adlib.errors import InputError
from adlib.experiments.packs import COLUMNS, ROWS, Pack, Run, is_result, read_pack
from adlib.experiments.protocol import Protocol
from adlib.files import atomic_write, write_json
from adlib.spreadsheets import csv_text, has_mark, unescaped

_PROTOCOL = {field.name for field in fields(Protocol)}


@dataclass(frozen=True)
class Result:
    """One run.

    protocol: what was run.
    row: metrics, threshold, references, timings, environment.
    scores: one row per test image; columns image (path below the data set's root), label, defect, score.
    """

    protocol: Protocol
    row: dict[str, Any]
    scores: pd.DataFrame

    @property
    def metrics(self) -> dict[str, float | None]:
        """Name -> value; None where a metric is not available."""
        return self.row["metrics"]

    @property
    def content_digest(self) -> str:
        """Content of every image and mask, by the protocol or next to it; "" where it is unknown."""
        return self.protocol.content_digest or self.row.get("content_digest", "")


class ResultStore:
    """A folder of results, named by their protocols; a pack is read once in the life of the store.

    folder: need not exist yet.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._packs: dict[Path, Pack] = {}

    def __contains__(self, protocol: Protocol) -> bool:
        return self.get(protocol) is not None

    def get(self, protocol: Protocol) -> Result | None:
        """The stored result of a protocol, or None; a damaged file counts as missing, so that the run is done again.

        A single file takes precedence over the folder's pack. A row made before contents were part of the protocol
        counts where it holds, next to its protocol, the `content_digest` asked for: only then is it about the same
        images and masks. Raises InputError on a damaged pack: it holds many runs.
        """
        found = self._named(protocol)
        if found is None and protocol.content_digest:
            older = self._named(replace(protocol, content_digest=""))
            found = older if older is not None and older.content_digest == protocol.content_digest else None
        return found

    def _named(self, protocol: Protocol) -> Result | None:
        path = self._path(protocol, "json")
        if path.exists():
            try:
                return self._read(path)
            except InputError:
                return None
        pack = self._pack(self.folder)
        return _unpacked(pack, pack.runs[protocol.hash]) if protocol.hash in pack.runs else None

    def put(self, result: Result, grids: list[np.ndarray] | None = None) -> None:
        """Store a result.

        result: the run.
        grids: patch scores (h, w) of each image, in the order of `result.scores`; None to store none.
        """
        if grids is not None:
            content = save({f"{i:05d}": np.ascontiguousarray(g, dtype=np.float32) for i, g in enumerate(grids)})
            with atomic_write(self._path(result.protocol, "safetensors"), "wb") as file:
                file.write(content)
        with atomic_write(self._path(result.protocol, "csv")) as file:
            file.write(csv_text(result.scores, "%.8g"))
        write_json(self._path(result.protocol, "json"), {"protocol": result.protocol.as_dict(), **result.row})

    def grids(self, protocol: Protocol) -> list[np.ndarray] | None:
        """Patch scores (h, w) of each image of a run, or None where they were not kept (they are not committed)."""
        found = self.get(protocol)  # its row may have an older name
        try:
            path = self._path(found.protocol if found else protocol, "safetensors")
            stored = load(path.read_bytes())
        except (OSError, SafetensorError):
            return None
        return [stored[name] for name in sorted(stored)]

    def results(self) -> Iterator[Result]:
        """Every result in or below the folder, by name; a single file takes precedence over a packed run.

        Files of something else are left out. Raises InputError on a damaged file.
        """
        packs = [(path.parent, self._pack(path.parent)) for path in self.folder.glob(f"**/{ROWS}")]
        packed = {at / f"{r.protocol.title}.json": (pack, r) for at, pack in packs for r in pack.runs.values()}
        single = {path for path in self.folder.glob("**/*.json") if is_result(path)}
        for path in sorted(packed.keys() | single):
            yield self._read(path) if path in single else _unpacked(*packed[path])

    def _pack(self, folder: Path) -> Pack:
        if folder not in self._packs:
            if not (folder / ROWS).exists():
                return Pack()  # not kept: a pack may appear while this store is in use
            self._packs[folder] = read_pack(folder)
        return self._packs[folder]

    def _path(self, protocol: Protocol, ending: str) -> Path:
        return self.folder / f"{protocol.title}.{ending}"

    @staticmethod
    def _read(path: Path) -> Result:
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
            protocol = Protocol.from_dict(row.pop("protocol"))
            scores = _read_scores(path.with_suffix(".csv"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"The result {path} is damaged ({error}); delete it and run again.") from error
        return Result(protocol, row, scores)


def _read_scores(path: Path) -> pd.DataFrame:
    scores = pd.read_csv(path, dtype={"image": str, "defect": str}, keep_default_na=False, encoding="utf-8")
    if tuple(scores.columns) != COLUMNS:
        raise ValueError(f"{path.name} has columns {', '.join(scores.columns)}")
    return scores.map(unescaped) if has_mark(path) else scores


def _unpacked(pack: Pack, run: Run) -> Result:
    """A copy of a packed run: what a caller changes in it does not change the pack."""
    row = {name: copy.deepcopy(value) for name, value in run.row.items() if name != "protocol"}
    return Result(run.protocol, row, pack.frame(run))


def as_frame(results: Iterable[Result]) -> pd.DataFrame:
    """One row per result; columns: protocol (options as `option.NAME`), metrics and timings (`time.NAME`).

    `content_digest` is that of the result, by the protocol or next to it. Metrics are floats, NaN where they are not
    available.
    """
    return pd.DataFrame([_flat(result) for result in results])


def each_run_once(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame without copies of a run, and without rows of unknown content where the same run has one of known content.

    frame: from `as_frame`. What remains keeps its index.
    """
    values = [name for name in frame if name in _PROTOCOL or name.startswith("option.")]
    known = frame["content_digest"] != ""
    same = [frame[name] for name in values if name != "content_digest"]
    return frame[known | ~known.groupby(same, dropna=False).transform("any")].drop_duplicates(values)


def with_same_seeds(results: Iterable[Result]) -> list[Result]:
    """The results whose seed has, in their category, every method; the others are left out.

    Means over seeds compare methods only where the seeds are the same. In each category the methods are those of the
    seed with most methods, and among equals of the lowest such seed: where one method was run with seed 0 alone, and
    all others with seed 0 too, only the results of seed 0 remain.
    """
    results = list(results)
    methods: dict[tuple[str, str], dict[int, set[str]]] = {}
    for p in sorted((result.protocol for result in results), key=lambda p: p.seed):
        methods.setdefault((p.dataset, p.category), {}).setdefault(p.seed, set()).add(p.method)
    most = {category: max(by_seed.values(), key=len) for category, by_seed in methods.items()}  # the first of equals
    categories = [(result.protocol.dataset, result.protocol.category) for result in results]
    return [r for r, c in zip(results, categories, strict=True) if methods[c][r.protocol.seed] == most[c]]


def scores_by_method(results: Iterable[Result]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels (N,) of the test images, and method -> image scores (runs, N), runs and methods in the order given.

    results: of one test set. Raises InputError where there is none or their test images differ.
    """
    results = list(results)
    images = [result.scores[["image", "label"]].to_numpy().tolist() for result in results]
    if not results or images != images[:1] * len(images):
        raise InputError("Methods are compared on the same test images; choose results of one data set and split.")
    found: dict[str, list[np.ndarray]] = {}
    for result in results:
        found.setdefault(result.protocol.method, []).append(result.scores["score"].to_numpy())
    return results[0].scores["label"].to_numpy(), {method: np.stack(runs) for method, runs in found.items()}


def _flat(result: Result) -> dict[str, Any]:
    protocol = result.protocol.as_dict() | {"content_digest": result.content_digest}
    options = {f"option.{name}": str(value) for name, value in protocol.pop("options").items()}
    timings = {f"time.{name}": value for name, value in result.row["timings"].items()}
    metrics = {name: float("nan") if value is None else value for name, value in result.metrics.items()}
    return protocol | options | metrics | timings
