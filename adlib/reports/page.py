"""A self-contained HTML page of a sweep, made from result files: styles, scripts, figures and scores are inside.

Without JavaScript everything but the movable thresholds can be read, and tables stay in their order.
Heat maps also need the images; where the images are not available, the page says so and omits the maps.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from matplotlib.figure import Figure

from adlib import plots
from adlib.data import Dataset
from adlib.data.check import describe
from adlib.evaluation import IMAGE_METRICS, PIXEL_METRICS
from adlib.experiments.calibrate import FALSE_ALARM_RATE, at_rate, explain
from adlib.experiments.planning import HERE, Machine
from adlib.experiments.store import Result, ResultStore, as_frame
from adlib.files import atomic_write, short_name
from adlib.outputs import write_output
from adlib.plots.style import text_width
from adlib.reports.figures import (
    EXTREMES_NOTE,
    MASK_NOTE,
    MISTAKES_NOTE,
    colour_note,
    extremes,
    histogram,
    mask,
    mistakes,
    recall_by_defect,
    showcase,
)
from adlib.reports.scores import SCRIPT, STYLE, page_scores
from adlib.reports.tables import METRICS, learning_curves, runs_table, table
from adlib.reports.titles import method_title, titled

TEMPLATE = Path(__file__).with_name("page.html.j2")


def write_report(
    results: Sequence[Result],
    store: ResultStore,
    target: Path,
    datasets: dict[str, Dataset],
    machine: Machine = HERE,
    false_alarms: float = FALSE_ALARM_RATE,
) -> Path:
    """Write the self-contained HTML page: table, learning curve, sections per method, runs, data, protocols, versions.

    The section of a method shows, for its largest number of shots, the object mask, the threshold, scores, recall of
    each defect, worst mistakes and extremes. Each run's scores are there, with a threshold that a reader can move.

    results: of all runs.
    store: holds the patch scores of the results.
    target: the file to write.
    datasets: category -> data set, for the images.
    machine: where the networks run.
    false_alarms: the rate of the thresholds, instead of the rate stored with the results.
    Returns target.
    """
    frame, curve = as_frame(results), _curve(results)
    at_threshold = [replace(r, row=at_rate(r.row, r.scores, false_alarms)) for r in results]
    numbers = {id(result): i for i, result in enumerate(at_threshold)}
    every = _without_constants(runs_table(at_threshold))
    page = _template().render(
        style=STYLE.read_text(encoding="utf-8"),
        script=SCRIPT.read_text(encoding="utf-8"),
        title=f"Shot sweep on {', '.join(frame['dataset'].unique())} with {', '.join(frame['backbone'].unique())}",
        shows=_contents(results, false_alarms),
        table=_without_constants(table(titled(results))).to_dict("split"),
        every=every.to_dict("split"),
        scores=[page_scores(result) for result in at_threshold],
        text_columns=("dataset", "category", "method", "backbone"),
        curve=curve and plots.png_data_uri(curve),
        sections=[
            {"number": numbers[id(r)]}
            | _run_section(r, store, datasets.get(r.protocol.category), machine, false_alarms)
            for r in _representatives(at_threshold)
        ],
        data=[line for name in sorted(datasets) for line in describe(datasets[name])],
        protocols=_protocol_lines(results),
        environment=results[0].row["environment"],
        images=_counts(results),
        boxes=plots.chinese_font() is None and not _is_latin(results),
    )
    with atomic_write(target) as file:
        file.write(page)
    return target


def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def write_figures(
    results: Sequence[Result],
    store: ResultStore,
    folder: Path,
    datasets: dict[str, Dataset],
    machine: Machine = HERE,
) -> None:
    """Write the learning curve and the overlays of `showcase` as `curve_DATASET.png` and `overlays_DATASET.png`.

    The overlays are those of the page's first section. A figure that cannot be made is left out.

    results: of all runs.
    store: holds the patch scores of the results.
    folder: where the files go.
    datasets: category -> data set, for the images.
    machine: where the networks run.
    """
    first = _representatives(results)[0]
    dataset = datasets.get(first.protocol.category)
    overlays = showcase(first, store, dataset, machine) if dataset is not None else None
    for kind, figure in (("curve", _curve(results)), ("overlays", overlays)):
        if figure is not None:
            name = short_name(f"{kind}_{first.protocol.dataset}")
            write_output(folder / f"{name}.png", plots.figure_to_png(figure))


def _curve(results: Sequence[Result]) -> Figure | None:
    """The learning curve of the image metrics, or, where no run has any, of the pixel metrics."""
    frame = titled(results)
    return learning_curves(frame, IMAGE_METRICS) or learning_curves(frame, PIXEL_METRICS)


def page_shows(page: Path, results: Sequence[Result], false_alarms: float) -> bool:
    """Whether a page is that of these results at this false-alarm rate; False where there is none."""
    try:
        with open(page, encoding="utf-8") as file:
            return f'name="shows" content="{_contents(results, false_alarms)}"' in file.read(2000)
    except (OSError, ValueError):
        return False


def _contents(results: Sequence[Result], false_alarms: float) -> str:
    """What decides the content of a page: the runs, in any order, the false-alarm rate, and how a page is made."""
    made_by = (path.read_text(encoding="utf-8") for path in (TEMPLATE, SCRIPT, STYLE))
    names = " ".join((*sorted(result.protocol.hash for result in results), *made_by))
    return f"{hashlib.sha256(names.encode()).hexdigest()[:16]} {false_alarms!r}"


def _is_latin(results: Sequence[Result]) -> bool:
    """Whether no name of an image or a defect needs a Chinese font."""
    names = (name for result in results for column in ("image", "defect") for name in result.scores[column])
    return all(text_width(name) == len(name) for name in names)


def _run_section(
    result: Result, store: ResultStore, dataset: Dataset | None, machine: Machine, rate: float
) -> dict[str, Any]:
    """The page's section on one run."""
    highest = extremes(result, store, dataset, machine) if dataset is not None else None
    worst = mistakes(result, store, dataset, machine) if dataset is not None else None
    masked = mask(result, dataset, machine) if dataset is not None else None
    p = result.protocol
    shots = "all" if p.shots is None else p.shots
    return {
        "title": f"{method_title(p)}, {p.category}, {shots} shots, seed {p.seed}",
        "colours": colour_note(result),
        "sentences": explain(result.row, rate),
        "metrics": [
            (METRICS[m], f"{100 * v:.1f}") for m, v in result.metrics.items() if v is not None and m in METRICS
        ],
        "accuracy": None if result.row["decisions"] is None else f"{100 * result.row['decisions']['accuracy']:.1f}",
        "mask": {"note": MASK_NOTE, "image": plots.png_data_uri(masked)} if masked is not None else None,
        "histogram": plots.png_data_uri(histogram(result)),
        "defects": recall_by_defect(result),
        "figures": [
            {"title": title, "note": note, "image": plots.png_data_uri(figure)}
            for title, note, figure in (
                ("Worst mistakes", MISTAKES_NOTE, worst),
                ("Most and least anomalous test images", EXTREMES_NOTE, highest),
            )
            if figure is not None
        ],
    }


def _without_constants(shown: pd.DataFrame) -> pd.DataFrame:
    """The table without columns that repeat the title."""
    return shown.drop(columns=[c for c in ("dataset", "backbone") if shown[c].nunique() == 1])


def _representatives(results: Sequence[Result]) -> list[Result]:
    """For each category and method, the run with the most shots and, of these, the lowest seed."""
    best: dict[tuple[str, str], Result] = {}
    for result in results:
        p = result.protocol
        key, rank = (p.category, p.method), (-(p.shots or 0), p.seed)
        if key not in best or rank < (-(best[key].protocol.shots or 0), best[key].protocol.seed):
            best[key] = result
    return [best[key] for key in sorted(best)]


def _counts(results: Sequence[Result]) -> list[dict[str, Any]]:
    rows = {r.protocol.category: {"category": r.protocol.category, **r.row["images"]} for r in results}
    return [rows[name] for name in sorted(rows)]


def _protocol_lines(results: Sequence[Result]) -> list[dict[str, str]]:
    """One entry per method: the protocol that its runs share."""
    lines = {}
    for result in results:
        p = result.protocol
        options = json.dumps(dict(p.options), sort_keys=True, ensure_ascii=False)
        lines[p.method, options] = {
            "method": method_title(p),
            "backbone": f"{p.backbone} (weights sha256 {p.weights_sha256[:12]}...)",
            "selection": p.selection,
            "map_frame": p.map_frame,
            "options": options,
        }
    return list(lines.values())
