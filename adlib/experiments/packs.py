"""Packed studies: the runs of one folder in three files, as they are committed. A user's runs stay one file each.

`rows.jsonl`: one line per run, its JSON row with the hash of its protocol in front. `images.csv`: every test image of
the study once, in an order that agrees with the order of every run (columns image, label, defect). `scores.csv`: one
line per run (first column `run`: the hash) and one column per image, blank where the run did not score it; scores as
they were written. So a new run adds one line to two files.

A run counts when its line is in `rows.jsonl`, which is written last. Images and scores without such a line are ignored,
so a pack whose writing was killed still reads as it did before.
"""

import csv
import heapq
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from adlib.errors import InputError
from adlib.experiments.protocol import Protocol
from adlib.files import atomic_write
from adlib.spreadsheets import csv_rows

COLUMNS = ("image", "label", "defect", "score")
ROWS, IMAGES, SCORES = "rows.jsonl", "images.csv", "scores.csv"
_TITLE = re.compile(r".+-s\d+-[0-9a-f]{10}")  # the end of `Protocol.title`
_PROTOCOL = re.compile(rb'"protocol":\s*\{')
RESTORE, REPEAT = "restore it from version control", "delete it and run again"  # what to do about damage


@dataclass(frozen=True)
class Run:
    """One run as it is written.

    protocol: what was run.
    row: its whole JSON row, the protocol included.
    scores: image -> score as text, in the run's order.
    """

    protocol: Protocol
    row: dict[str, Any]
    scores: dict[str, str]


@dataclass(frozen=True)
class Pack:
    """The runs of a study.

    images: image -> (label, defect), both as text.
    runs: hash of the protocol -> run.
    """

    images: dict[str, tuple[str, str]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)

    def lines(self, run: Run) -> Iterator[tuple[str, str, str, str]]:
        """Image, label, defect and score of a run: the lines of its CSV, as text."""
        for image, score in run.scores.items():
            yield image, *self.images[image], score

    def frame(self, run: Run) -> pd.DataFrame:
        """The scores of a run, one row per image: the columns of `adlib.experiments.store.Result.scores`."""
        known = [self.images[image] for image in run.scores]
        columns = {"image": list(run.scores), "label": [int(label) for label, _ in known]}
        columns |= {"defect": [defect for _, defect in known], "score": [float(text) for text in run.scores.values()]}
        return pd.DataFrame(columns)


def read_pack(folder: Path) -> Pack:
    """The pack of a folder. Raises InputError with file and line on damage, a changed protocol included."""
    images = _read_images(folder / IMAGES)
    return Pack(images, _read_rows(folder / ROWS, _read_scores(folder / SCORES, images)))


def write_pack(folder: Path, pack: Pack) -> None:
    """Write the three files of a pack, `rows.jsonl` last: until then its new runs do not count."""
    _write_csv(folder / IMAGES, COLUMNS[:3], ((image, *meaning) for image, meaning in pack.images.items()))
    scores = ((name, *(run.scores.get(image, "") for image in pack.images)) for name, run in pack.runs.items())
    _write_csv(folder / SCORES, ("run", *pack.images), scores)
    with atomic_write(folder / ROWS) as file:
        file.writelines(_as_line(name, run) for name, run in pack.runs.items())


def is_result(path: Path) -> bool:
    """Whether a JSON file is, or was before damage, the row of a run: by its name or by a protocol in it.

    Folders of results may also hold what other commands and programs write.
    """
    try:
        return bool(_TITLE.fullmatch(path.stem) or _PROTOCOL.search(path.read_bytes()))
    except OSError:
        return True  # whoever reads it says why it cannot be read


def pack_folder(folder: Path) -> tuple[int, int]:
    """Move the single files of a folder into its pack, or into a new one.

    The files are removed once the pack was read back and gives the same rows, scores and orders; a kill at any moment
    loses nothing. Patch scores stay where they are.

    Returns the number of runs moved and the number of runs now in the pack. Raises InputError on damage, where a file
    is not named by its protocol, and where runs disagree on an image or on an order; nothing is written then.
    """
    singles = [_read_single(path) for path in sorted(folder.glob("*.json")) if is_result(path)]
    packed = [read_pack(folder)] if (folder / ROWS).exists() else []
    whole = merged([*packed, *singles])
    if singles:
        write_pack(folder, whole)
    stored = read_pack(folder) if whole.runs else whole
    for single in [*packed, *singles]:
        _check_same(folder, single, stored, whole)
    for run in stored.runs.values():
        for ending in ("json", "csv"):  # in this order: a row without scores would be damage
            (folder / f"{run.protocol.title}.{ending}").unlink(missing_ok=True)
    return len(singles), len(stored.runs)


def merged(packs: Iterable[Pack]) -> Pack:
    """All runs of some packs, sorted by title; of equal protocols the last counts. Raises InputError as pack_folder."""
    images: dict[str, tuple[str, str]] = {}
    runs: dict[str, Run] = {}
    for pack in packs:
        for image, meaning in pack.images.items():
            if images.setdefault(image, meaning) != meaning:
                labels = " and ".join(" ".join(words) for words in (images[image], meaning))
                raise InputError(f"Runs disagree on {image} ({labels}); put them into separate folders.")
        runs |= pack.runs
    order = _common_order({tuple(run.scores) for run in runs.values()})
    by_title = sorted(runs.items(), key=lambda item: item[1].protocol.title)
    return Pack({image: images[image] for image in order}, dict(by_title))


def _common_order(orders: Iterable[Iterable[str]]) -> list[str]:
    """Every image once, in agreement with all orders; of several that may come next, the first by name."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for order in map(list, orders):
        for image in order[:1]:
            sorter.add(image)
        for before, after in pairwise(order):
            sorter.add(after, before)
    try:
        sorter.prepare()
    except CycleError as error:
        one, other = sorted(error.args[1][:2])
        raise InputError(f"Runs disagree on the order of {one} and {other}; put them into separate folders.") from error
    ready, common = list(sorter.get_ready()), []
    heapq.heapify(ready)
    while ready:
        common.append(heapq.heappop(ready))
        sorter.done(common[-1])
        for image in sorter.get_ready():
            heapq.heappush(ready, image)
    return common


def _check_same(folder: Path, single: Pack, stored: Pack, whole: Pack) -> None:
    for name, run in single.runs.items():
        if whole.runs[name] is not run:
            continue  # a newer single file has replaced it
        read_back = stored.runs[name]
        same_row = _as_line(name, read_back) == _as_line(name, run)
        if not same_row or list(stored.lines(read_back)) != list(single.lines(run)):
            raise InputError(f"The pack {folder} does not give back {run.protocol.title}; its files were kept.")


def _as_line(name: str, run: Run) -> str:
    """JSON with the hash and the protocol in front, for readers, and everything else sorted, for diffs."""
    row = json.loads(json.dumps(run.row, sort_keys=True))
    row = {"hash": name, "protocol": row.pop("protocol"), **row}
    return json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def _write_csv(path: Path, head: Iterable[str], lines: Iterable[Iterable[str]]) -> None:
    with atomic_write(path) as file:
        csv.writer(file, lineterminator="\n").writerows([head, *lines])


def _read_single(path: Path) -> Pack:
    """A single run's JSON and CSV."""
    with _lines(path, lambda file: [file.read()], REPEAT) as texts:
        row = dict(json.loads(next(texts)))
        protocol = Protocol.from_dict(row["protocol"])
        if protocol.title != path.stem:
            raise ValueError(f"its protocol's name is {protocol.title}")
    images, scores = {}, {}
    with _lines(path.with_suffix(".csv"), csv_rows, REPEAT) as lines:
        _expect(next(lines, []), COLUMNS)
        for image, label, defect, score in lines:
            _add_once(images, image, (str(int(label)), defect))
            float(score)  # blank is an error too: in a pack it would mean that the image was not scored
            scores[image] = score
    return Pack(images, {protocol.hash: Run(protocol, row, scores)})


def _read_images(path: Path) -> dict[str, tuple[str, str]]:
    images: dict[str, tuple[str, str]] = {}
    with _lines(path, csv.reader) as lines:
        _expect(next(lines, []), COLUMNS[:3])
        for image, label, defect in lines:
            _add_once(images, image, (str(int(label)), defect))
    return images


def _read_scores(path: Path, images: dict[str, tuple[str, str]]) -> dict[str, dict[str, str]]:
    """Hash -> image -> score."""
    scores: dict[str, dict[str, str]] = {}
    with _lines(path, csv.reader) as lines:
        first, *columns = next(lines, [""])
        _expect([first], ["run"])
        _expect(columns, [image for image in dict.fromkeys(columns) if image in images])
        for name, *cells in lines:
            _add_once(scores, name, {i: cell for i, cell in zip(columns, cells, strict=True) if cell})
            for cell in scores[name].values():
                float(cell)
    return scores


def _read_rows(path: Path, scores: dict[str, dict[str, str]]) -> dict[str, Run]:
    runs: dict[str, Run] = {}
    with _lines(path, iter) as lines:
        for line in lines:
            row = dict(json.loads(line))
            name, protocol = row.pop("hash"), Protocol.from_dict(row["protocol"])
            if protocol.hash != name:
                raise ValueError(f"the hash of its protocol is {protocol.hash}, not {name}")
            if name not in scores:
                raise ValueError(f"{SCORES} has no line {name}")
            _add_once(runs, name, Run(protocol, row, scores[name]))
    return runs


@contextmanager
def _lines(path: Path, reader: Callable[[Any], Iterable[Any]], advice: str = RESTORE) -> Iterator[Iterator[Any]]:
    """What `reader` reads from a file, item by item; an error becomes an InputError with file and line."""
    number = 1

    def counted(lines: Iterable[Any]) -> Iterator[Any]:
        nonlocal number
        for line in lines:
            yield line
            number += 1

    try:
        with open(path, encoding="utf-8", newline="") as file:
            yield counted(reader(file))
    except OSError as error:
        raise InputError(f"Cannot read {path} ({error.strerror}); {advice}.") from error
    except (ValueError, KeyError, TypeError, csv.Error, InputError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else getattr(error, "msg", str(error)).rstrip(".")
        raise InputError(f"{path} is damaged in line {number} ({reason}); {advice}.") from error


def _expect(columns: Iterable[str], expected: Iterable[str]) -> None:
    columns, expected = list(columns), list(expected)
    if columns != expected:
        wrong = [name for name in columns if name not in expected] or columns
        raise ValueError(f"the columns are not as expected: {', '.join(map(repr, wrong[:3]))}")


def _add_once(entries: dict[str, Any], name: str, value: Any) -> None:
    if name in entries:
        raise ValueError(f"{name} is there twice")
    entries[name] = value
