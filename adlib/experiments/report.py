"""Tables, figures and one self-contained HTML page, made from result files alone.

Heat maps need the pictures as well; where these are not at hand, the page says so and does without.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from adlib import plots
from adlib.data import Dataset
from adlib.data.images import read_image
from adlib.errors import InputError
from adlib.experiments.run import HERE, Machine, build
from adlib.experiments.store import Result, ResultStore, as_frame
from adlib.files import atomic_write

METRICS = {
    "image_auroc": "image AUROC",
    "image_ap": "image AP",
    "image_f1max": "image F1-max",
    "pixel_auroc": "pixel AUROC",
    "pixel_f1max": "pixel F1-max",
    "aupro": "AUPRO",
}
GROUP = ("dataset", "category", "method", "backbone", "shots")
TEMPLATE = Path(__file__).with_name("report.html.j2")


def summary(frame: pd.DataFrame, by: Sequence[str] = GROUP) -> pd.DataFrame:
    """Mean and sample standard deviation over draws: one row a group, columns (metric, "mean" | "std" | "count").

    frame: from `as_frame`; metrics that no row has are left out; the std of a single draw is NaN.
    Raises InputError where there are no results, and where rows of one group differ in anything but their draw,
    because a mean over two protocols means nothing.
    """
    if frame.empty:
        raise InputError("There are no results to report; run a sweep first.")
    metrics = [name for name in METRICS if name in frame and frame[name].notna().any()]
    options = [c for c in frame if c.startswith("option.")]
    fixed = [c for c in (*options, "selection", "map_frame", "weights_sha256") if c not in by]
    grouped = frame.groupby(list(by), dropna=False, sort=True)
    for name in fixed:
        if (grouped[name].nunique(dropna=False) > 1).any():
            raise InputError(f"Results of one group differ in {name}; give it as a further column to group by.")
    return grouped[metrics].agg(["mean", "std", "count"])


def table(frame: pd.DataFrame, by: Sequence[str] = GROUP) -> pd.DataFrame:
    """`summary` as text, percent with one decimal: 'mean ± std' over draws, 'mean' where there is one draw."""
    numbers = summary(frame, by)
    shown = {}
    for metric in numbers.columns.get_level_values(0).unique():
        values = numbers[metric]
        shown[METRICS[metric]] = [_percent(mean, std) for mean, std in zip(values["mean"], values["std"], strict=True)]
    draws = numbers[numbers.columns[0][0]]["count"]
    text = pd.DataFrame(shown, index=numbers.index).reset_index()
    text.insert(len(by), "draws", draws.to_numpy())
    if "shots" in text:
        text["shots"] = ["all" if pd.isna(s) else int(s) for s in text["shots"]]
    return text


def _percent(mean: float, std: float) -> str:
    if np.isnan(mean):
        return "n/a"
    return f"{100 * mean:.1f}" if np.isnan(std) else f"{100 * mean:.1f} ± {100 * std:.1f}"


def learning_curves(frame: pd.DataFrame, metrics: Sequence[str] = ("image_auroc",)) -> Figure:
    """Metric against shots, a line a method, for one data set and backbone; categories are averaged per draw."""
    draws = frame.groupby(["method", "shots", "seed"], as_index=False)[list(metrics)].mean()
    categories = ", ".join(sorted(frame["category"].unique()))
    title = f"{frame['dataset'].iloc[0]} ({categories}), {frame['backbone'].iloc[0]}"
    return plots.learning_curve(draws, metric=list(metrics), title=title)


@dataclass(frozen=True)
class Extremes:
    """The most and the least anomalous test pictures of a run, as one figure."""

    title: str
    figure: Figure
    note: str


def extremes(
    result: Result, store: ResultStore, dataset: Dataset, machine: Machine = HERE, count: int = 4
) -> Extremes | None:
    """Overlays of the `count` highest and lowest scores of a run; None where its patch scores were not kept.

    Colour limits come from the good test pictures of the run and are shared by all panels.
    """
    grids = store.grids(result.protocol)
    if grids is None or len(grids) != len(result.scores):
        return None
    detector = build(result.protocol, machine)
    preprocess = detector.spec().preprocess
    order = np.argsort(result.scores["score"].to_numpy(), kind="stable")
    chosen = [*order[::-1][:count], *order[:count][::-1]]
    pictures = {i: read_image(dataset.root / result.scores["image"].iloc[i]) for i in chosen}
    good = np.flatnonzero(result.scores["label"].to_numpy() == 0)
    frame_of = {i: preprocess(picture)[1] for i, picture in pictures.items()}
    # Limits are taken from patch scores: good pictures need not be decoded for them.
    limits = plots.colour_limits([grids[i] for i in good])
    predictions = detector.assemble(
        result.scores["score"].to_numpy()[chosen], [grids[i] for i in chosen], [frame_of[i] for i in chosen]
    )
    names = [Path(result.scores["image"].iloc[i]).name for i in chosen]
    defects = [result.scores["defect"].iloc[i] for i in chosen]
    titles = [
        f"{name}\n{defect}, {score:.3g}" for name, defect, score in zip(names, defects, predictions.scores, strict=True)
    ]
    maps = [predictions.anomaly_map(i) for i in range(len(chosen))]
    figure = plots.gallery([pictures[i] for i in chosen], maps, titles=titles, limits=limits, columns=count)
    p = result.protocol
    return Extremes(
        f"{p.method}, {p.category}, {p.shots} shots, seed {p.seed}",
        figure,
        f"Above, the {count} test images with the highest scores; below, the {count} with the lowest. "
        "Title: file, label, image score.",
    )


def write_report(
    results: Sequence[Result],
    store: ResultStore,
    target: Path,
    datasets: dict[str, Dataset],
    machine: Machine = HERE,
    figures: Path | None = None,
) -> Path:
    """Write the self-contained HTML page: table, learning curve, extremes of the largest shot count, protocols.

    store: where the patch scores of the results lie; datasets: category -> data set, for the pictures; figures: a
    folder for `curve_DATASET.png` and `overlays_DATASET.png` (the first of the extremes) beside the page.
    """
    frame = as_frame(results)
    shown = []
    for result in _representatives(results):
        dataset = datasets.get(result.protocol.category)
        picture = extremes(result, store, dataset, machine) if dataset is not None else None
        if picture is not None:
            shown.append(picture)
    curve = learning_curves(frame, [m for m in ("image_auroc", "image_ap", "image_f1max") if m in frame])
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=f"Shot sweep on {', '.join(frame['dataset'].unique())} with {', '.join(frame['backbone'].unique())}",
        table=_without_constants(table(frame)).to_dict("split"),
        text_columns=("dataset", "category", "method", "backbone"),
        curve=plots.png_data_uri(curve),
        extremes=[{"title": e.title, "note": e.note, "picture": plots.png_data_uri(e.figure)} for e in shown],
        protocols=_protocol_lines(results),
        environment=results[0].row["environment"],
        images=_counts(results),
    )
    if figures is not None:
        for kind, figure in [("curve", curve), *(("overlays", e.figure) for e in shown[:1])]:
            with atomic_write(figures / f"{kind}_{frame['dataset'].iloc[0]}.png", "wb") as file:
                file.write(plots.figure_to_png(figure))
    with atomic_write(target) as file:
        file.write(page)
    return target


def _without_constants(shown: pd.DataFrame) -> pd.DataFrame:
    """The table without what the title says already."""
    return shown.drop(columns=[c for c in ("dataset", "backbone") if shown[c].nunique() == 1])


def _representatives(results: Sequence[Result]) -> list[Result]:
    """Of each category and method: the most shots, its lowest seed."""
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
    """A line a method: what its runs have in common."""
    lines = {}
    for result in results:
        p = result.protocol
        options = json.dumps(dict(p.options), sort_keys=True, ensure_ascii=False)
        lines[p.method, options] = {
            "method": p.method,
            "backbone": f"{p.backbone} (weights sha256 {p.weights_sha256[:12]}...)",
            "selection": p.selection,
            "map_frame": p.map_frame,
            "options": options,
        }
    return list(lines.values())
