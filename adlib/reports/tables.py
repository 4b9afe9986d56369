"""Tables and curves over draws (random samples of the shots), for the output of a sweep and the README."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from adlib import plots
from adlib.errors import InputError
from adlib.experiments.store import Result, each_run_once
from adlib.reports.titles import method_title

METRICS = {
    "image_auroc": "image AUROC",
    "image_ap": "image AP",
    "image_f1max": "image F1-max",
    "pixel_auroc": "pixel AUROC",
    "pixel_f1max": "pixel F1-max",
    "aupro": "AUPRO",
}
DECISIONS = {
    "false_alarm_rate": "false alarms",
    "recall": "recall",
    "precision": "precision",
    "accuracy": "accuracy",
}
GROUP = ("dataset", "category", "method", "backbone", "shots")


def summary(frame: pd.DataFrame, by: Sequence[str] = GROUP) -> pd.DataFrame:
    """Mean and sample standard deviation over draws: one row per group, columns (metric, "mean" | "std" | "count").

    Metrics that no row has are left out, unless no row has any; the std of a single draw is NaN.

    frame: from `as_frame`.
    by: columns that define a group.
    Raises InputError where there are no results, and where rows of one group differ in anything but their draw,
    because a mean over two protocols is meaningless. A protocol that is there twice, as in a copied file, counts once,
    and so does a run that was done again because its row did not say what the images and masks held.
    """
    if frame.empty:
        raise InputError("There are no results to report; run a sweep first.")
    frame = each_run_once(frame)
    _require_one_state(frame, by)
    metrics = _available(frame, METRICS) or [name for name in METRICS if name in frame]
    options = [c for c in frame if c.startswith("option.")]
    settings = (*options, "selection", "map_frame", "weights_sha256", "revision", "group_by", "noise", "labelled")
    fixed = [c for c in settings if c not in by]
    grouped = frame.groupby(list(by), dropna=False, sort=True)
    for name in fixed:
        if (grouped[name].nunique(dropna=False) > 1).any():
            raise InputError(f"Results of one group differ in {name}; add {name} to the columns to group by.")
    return grouped[metrics].agg(["mean", "std", "count"])


def _available(frame: pd.DataFrame, metrics: Iterable[str]) -> list[str]:
    """The metrics that at least one row has."""
    return [name for name in metrics if name in frame and frame[name].notna().any()]


def _require_one_state(frame: pd.DataFrame, by: Sequence[str]) -> None:
    """InputError where one seed was run on two states of the data: that is no repetition."""
    draw = list(dict.fromkeys((*by, "dataset", "category", "seed", "split_seed")))
    for digest in ("data_digest", "content_digest"):
        known = frame[frame[digest] != ""]  # contents are unknown in older rows
        states = known.groupby(draw, dropna=False)[digest].unique()
        several = states[states.map(len) > 1]
        if len(several):
            at = dict(zip(draw, several.index[0], strict=True))
            raise InputError(
                f"{at['dataset']} {at['category']} was run with seed {at['seed']} on {len(several.iloc[0])} states of "
                f"its data ({digest} {', '.join(several.iloc[0])}); delete the results of all but one, or add {digest} "
                "to the columns to group by."
            )


def table(frame: pd.DataFrame, by: Sequence[str] = GROUP) -> pd.DataFrame:
    """`summary` as text, in percent with one decimal: 'mean ± std' over draws, 'mean' for a single draw."""
    numbers = summary(frame, by)
    shown = {}
    for metric in numbers.columns.get_level_values(0).unique():
        values = numbers[metric]
        shown[METRICS[metric]] = [_percent(mean, std) for mean, std in zip(values["mean"], values["std"], strict=True)]
    draws = each_run_once(frame).groupby(list(by), dropna=False, sort=True).size()
    text = pd.DataFrame(shown, index=numbers.index).reset_index()
    text.insert(len(by), "draws", draws.to_numpy())
    if "shots" in text:
        text["shots"] = _shots(text["shots"])
    return text


def runs_table(results: Iterable[Result]) -> pd.DataFrame:
    """One row of text per run, in percent: its metrics, and its decisions at the threshold of its row.

    Metrics and decisions that no run has are left out. The index is that of the results; rows are in the order of data
    set, category, method, backbone, shots and seed.
    """
    rows = []
    for result in results:
        p, decisions = result.protocol, result.row.get("decisions") or {}
        values = {label: result.metrics.get(name) for name, label in METRICS.items()}
        values |= {label: decisions.get(name) for name, label in DECISIONS.items()}
        run = (p.dataset, p.category, method_title(p), p.backbone, p.shots, p.seed)
        rows.append(dict(zip((*GROUP, "seed"), run, strict=True)) | values)
    frame = pd.DataFrame(rows).astype({"shots": float}).sort_values([*GROUP, "seed"])
    numbers = [*METRICS.values(), *DECISIONS.values()]
    shown = frame.drop(columns=[name for name in numbers if frame[name].isna().all()])
    for name in shown.columns.intersection(numbers):
        shown[name] = [_percent(float(value), float("nan")) for value in shown[name].astype(float)]
    shown["shots"] = _shots(shown["shots"])
    return shown


def _shots(values: pd.Series) -> list[int | str]:
    return ["all" if pd.isna(shots) else int(shots) for shots in values]


def _percent(mean: float, std: float) -> str:
    if np.isnan(mean):
        return "n/a"
    return f"{100 * mean:.1f}" if np.isnan(std) else f"{100 * mean:.1f} ± {100 * std:.1f}"


def learning_curves(frame: pd.DataFrame, metrics: Sequence[str] = ("image_auroc",)) -> Figure | None:
    """Metrics over shots, one curve per method, for one data set and backbone; categories are averaged per draw.

    frame: from `as_frame`; a run that is there twice counts once, as in `summary`.
    metrics: those that no row has are left out; None is returned where none is left.
    Raises InputError where one seed was run on two states of the data.
    """
    frame = each_run_once(frame)
    _require_one_state(frame, GROUP)
    metrics = _available(frame, metrics)
    if not metrics:
        return None
    draws = frame.groupby(["method", "shots", "seed"], as_index=False)[metrics].mean()
    categories = ", ".join(sorted(frame["category"].unique()))
    title = f"{frame['dataset'].iloc[0]} ({categories}), {frame['backbone'].iloc[0]}"
    return plots.learning_curve(draws, metric=metrics, title=title)
