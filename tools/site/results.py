"""Committed rows as files for the browser of results: one with a line for each run, one per study with its scores.

They are scripts that hand JSON to the page (`adlibResults({...})`), since a page that was opened from a disk may not
read files of data.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from adlib.experiments.packs import ROWS
from adlib.experiments.store import Result, ResultStore
from adlib.papers.catalogue import published
from adlib.reports.scores import page_scores
from tools.site.languages import translations

METRICS = ("image_auroc", "image_ap", "image_f1max", "pixel_auroc", "aupro")
COLUMNS = ("study", "run", "dataset", "category", "method", "backbone", "shots", "seed", *METRICS, "published")
# Names of methods in the papers, in small letters without signs -> the library's.
_OTHER_NAMES = {"rd4ad": "reversedistillation"}


def write(results: Path, folder: Path) -> None:
    """Write `rows.js` and `study-NAME.js` for every folder of runs below `results` into a new folder."""
    folder.mkdir(parents=True)
    numbers, rows = _numbers(), []
    for path in sorted(results.glob(f"**/{ROWS}")):
        study = path.parent.relative_to(results).as_posix()
        details = {}
        for result in ResultStore(path.parent).results():
            beside = list(published_for(result, numbers))
            rows.append(row(study, result, len(beside)))
            details[result.protocol.hash] = detail(result) | {"published": beside}
        _write(folder / f"study-{study.replace('/', '-')}.js", f"adlibStudy({json.dumps(study)}, ", details)
    _write(folder / "rows.js", "adlibResults(", {"columns": COLUMNS, "rows": rows})


def write_words(folder: Path, language: str) -> None:
    """Write `words.js`: the translations of what the browser of results says, by its own English words."""
    _write(folder / "words.js", "adlibWords(", translations("words", language))


def _write(path: Path, call: str, content: Any) -> None:
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    path.write_text(f"{call}{text});\n", encoding="utf-8")


def row(study: str, result: Result, beside: int) -> list[Any]:
    """The values of `COLUMNS` of one run; shots null where all good images were learned from.

    study: its folder below results/.
    result: the run.
    beside: how many published numbers stand next to it.
    """
    p = result.protocol
    metrics = (result.metrics.get(name) for name in METRICS)
    rounded = (None if value is None else round(value, 5) for value in metrics)
    return [study, p.hash, p.dataset, p.category, p.method, p.backbone, p.shots, p.seed, *rounded, beside]


def detail(result: Result) -> dict[str, Any]:
    """What a row shows when it is opened: its protocol, its threshold, and the scores of good and defective images."""
    return {
        "protocol": result.protocol.as_dict(),
        "references": len(result.row.get("references") or ()),
        "decisions": result.row.get("decisions"),
        "seconds": result.row.get("timings"),
        **page_scores(result),
    }


def published_for(result: Result, numbers: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Published numbers of a run's method on its data set, with as many shots, in its category, then averaged over all.

    numbers: from `adlib.papers.published`, with the method's name as a column `key`.
    """
    p = result.protocol
    shots = "full" if p.shots is None else str(p.shots)
    same = numbers[(numbers["key"] == _key(p.method)) & (numbers["dataset"] == p.dataset) & (numbers["shots"] == shots)]
    for number in pd.concat([same[same["category"] == name] for name in (p.category, "mean")]).itertuples():
        ours = result.metrics[number.metric]
        yield {
            "variant": number.variant,
            "category": number.category,
            "metric": number.metric,
            "value": number.value,
            "std": None if pd.isna(number.std) else number.std,
            "ours": None if ours is None else round(100 * ours, 2),
            "source": number.source,
        }


def _numbers() -> pd.DataFrame:
    numbers = published()
    return numbers[numbers["metric"].isin(METRICS)].assign(key=numbers["method"].map(_key))


def _key(method: str) -> str:
    name = re.sub(r"[^a-z0-9]", "", method.lower())
    return _OTHER_NAMES.get(name, name)
