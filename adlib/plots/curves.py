"""Line charts: quality over the number of shots (chapter 22), and any other series."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from adlib.errors import InputError
from adlib.plots.figure import headline, legend_below, new_figure, tidy
from adlib.plots.style import FAINT, INK, WIDTH, series_look, shorten, showable, styled

METRIC_NAMES = {
    "image_auroc": "image AUROC",
    "image_ap": "image AP",
    "image_f1max": "image F1-max (oracle)",
    "pixel_auroc": "pixel AUROC",
    "pixel_ap": "pixel AP",
    "pixel_f1max": "pixel F1-max (oracle)",
    "aupro": "AUPRO",
}


@styled
def learning_curve(
    frame: pd.DataFrame,
    metric: str | Sequence[str] = "image_auroc",
    *,
    references: Mapping[str, Mapping[str, float | Mapping[int, float]]] | None = None,
    title: str = "",
) -> Figure:
    """Mean metric over the number of shots, one curve per method, one panel per metric.

    Curves join the means over the rows of a method and a number of shots, error bars are their sample standard
    deviation (none for one row), and faint dots are the rows. NaN (not available) is left out. The axis of shots is
    log2, with 0 (zero-shot) one step left of the smallest number.

    frame: columns method, shots, seed and the metrics; one row per run.
    metric: one column, or several.
    references: {metric: {label: value}} plots a published value as a dashed line, {metric: {label: {shots: value}}} as
        points joined by a dashed line.
    title: over all panels.
    Raises InputError where a column is missing, there is no row, or a number of shots is missing or negative.
    """
    metrics = [metric] if isinstance(metric, str) else list(metric)
    need_columns(frame, ["method", "shots", *metrics])
    if not metrics or frame.empty:
        raise InputError("there is nothing to plot; pass at least one metric and one row.")
    if frame["shots"].isna().any() or (frame["shots"] < 0).any():
        raise InputError("column 'shots' has missing or negative values; pass full-shot runs as references.")
    references = references or {}
    curves = [points for of in references.values() for points in of.values() if isinstance(points, Mapping)]
    all_shots = sorted({int(shots) for shots in frame["shots"]} | {int(shots) for points in curves for shots in points})
    methods = list(dict.fromkeys(frame["method"]))
    columns = 2 if len(metrics) == 4 else min(len(metrics), 3)
    rows = -(-len(metrics) // columns)
    figure, axes = new_figure(WIDTH if columns > 1 else 7.0, (2.9 if columns == 3 else 3.3) * rows + 0.9, rows, columns)
    for ax in axes.flat[len(metrics) :]:
        ax.set_axis_off()
    for ax, name in zip(axes.flat, metrics, strict=False):
        for number, method in enumerate(methods):
            # Shifted slightly, so that error bars at the same number of shots do not overlap.
            shift = 0.09 * (number - (len(methods) - 1) / 2)
            _plot_method(ax, frame[frame["method"] == method], name, all_shots, shift, str(method), series_look(number))
        for number, (label, value) in enumerate(references.get(name, {}).items()):
            _plot_reference(ax, label, value, all_shots, number)
        tidy(ax, x_label="shots (good training images)", y_label=METRIC_NAMES.get(name, name))
        places = [_place(shots, all_shots) for shots in all_shots]
        ax.xaxis.set_major_locator(FixedLocator(places))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xticklabels([str(shots) for shots in all_shots], rotation=_tick_rotation(places, all_shots, columns))
        ax.margins(x=0.06)
    headline(figure, title)
    legend_below(figure, axes)
    return figure


@styled
def lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x_label: str,
    y_label: str,
    references: Mapping[str, float] | None = None,
    thresholds: Mapping[str, float] | None = None,
    log: str = "",
    ticks: Sequence[float] = (),
    paired: bool = False,
    title: str = "",
) -> Figure:
    """Plain curves, such as losses over steps, overlap over false-positive rate, time over bank size.

    series: {label: (x, y)}.
    x_label, y_label: of the axes.
    references: {label: value}, plotted as dashed horizontal lines.
    thresholds: {label: x}, plotted as vertical lines, the first dashed, the second dotted.
    log: the logarithmic axes, "", "x", "y" or "xy".
    ticks: the only ticks of the horizontal axis, in plain numbers; none given: chosen by matplotlib.
    paired: the references belong to the series, in their order, and have their colours.
    title: over the chart.
    """
    figure, axes = new_figure(7.0, 3.8)
    ax = axes[0, 0]
    for number, (label, (x, y)) in enumerate(series.items()):
        look = series_look(number) if len(x) <= 25 else {"color": series_look(number)["color"]}  # markers would merge
        ax.plot(x, y, label=showable(shorten(label, 60)), **look)
    for number, (label, value) in enumerate((references or {}).items()):
        _plot_reference(ax, label, value, [], number, series_look(number)["color"] if paired else FAINT)
    for number, (label, value) in enumerate((thresholds or {}).items()):
        ax.axvline(value, label=showable(label), color=INK, linewidth=1.2, linestyle=["--", ":", "-."][number % 3])
    tidy(ax, title=title, x_label=x_label, y_label=y_label)
    ax.set(xscale="log" if "x" in log else "linear", yscale="log" if "y" in log else "linear")
    if len(ticks):
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.xaxis.set_minor_locator(NullLocator())
    legend_below(figure, axes)
    return figure


def need_columns(frame: pd.DataFrame, columns: list[str]) -> None:
    """Raise InputError, naming the missing columns and those of the table."""
    missing = [column for column in columns if column not in frame]
    if missing:
        raise InputError(f"the table has no column {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}.")


def _plot_method(
    ax: Axes, runs: pd.DataFrame, metric: str, all_shots: list[int], shift: float, label: str, look: dict[str, Any]
) -> None:
    runs = runs.dropna(subset=[metric])
    if runs.empty:
        return
    groups = runs.groupby("shots")[metric]
    mean, std = groups.mean(), groups.std(ddof=1)
    places = [_place(shots, all_shots) + shift for shots in mean.index]
    ax.plot(
        [_place(shots, all_shots) + shift for shots in runs["shots"]],
        runs[metric],
        linestyle="none",
        alpha=0.45,
        markersize=4,
        markeredgewidth=0,
        zorder=3,
        **look,
    )
    # A single run has no standard deviation: NaN gives no bar.
    ax.errorbar(places, mean, yerr=std, linestyle="none", ecolor=look["color"], capsize=3, elinewidth=1.2, alpha=0.7)
    ax.plot(places, mean, label=showable(shorten(label, 60)), gid="means", **look)


def _plot_reference(
    ax: Axes, label: str, value: float | Mapping[int, float], all_shots: list[int], number: int, colour: str = FAINT
) -> None:
    look = {"color": colour, "linewidth": 1.3, "linestyle": ["--", ":", "-."][number % 3]}
    label = showable(shorten(label, 60))
    if isinstance(value, Mapping):
        shots = sorted(value)
        places = [_place(int(count), all_shots) for count in shots]
        ax.plot(places, [value[count] for count in shots], marker="D", markerfacecolor="white", label=label, **look)
    else:
        ax.axhline(value, label=label, **look)


def _place(shots: int, all_shots: list[int]) -> float:
    """Position of a number of shots on the axis: log2, and 0 one step left of the smallest number."""
    if shots > 0:
        return float(np.log2(shots))
    fewest = min((other for other in all_shots if other > 0), default=1)
    return float(np.log2(fewest)) - 1


def _tick_rotation(places: list[float], all_shots: list[int], columns: int) -> int:
    """45 degrees where the tick labels would touch in a figure of that many columns, otherwise 0."""
    inches = (WIDTH / columns - 0.8) / max(places[-1] - places[0], 1.0)
    wanted = 0.04 * (len(str(all_shots[-1])) + len(str(all_shots[-2]))) + 0.08 if len(places) > 1 else 0.0
    return 45 if min(np.diff(places), default=np.inf) * inches < wanted else 0
