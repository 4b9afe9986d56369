"""What repeated runs say about a setting: mean, spread over seeds, and every run (chapters 02 and 03)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from adlib.errors import InputError
from adlib.plots.curves import need_columns
from adlib.plots.figure import legend_below, new_figure, tidy
from adlib.plots.style import FAINT, series_look, showable, styled


@styled
def over_seeds(
    frame: pd.DataFrame,
    setting: str,
    values: Mapping[str, str],
    *,
    y_label: str,
    x_label: str = "",
    title: str = "",
    beside: float = 0.0,
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """Mean and sample standard deviation over the runs of each setting, and each run as a faint dot.

    Settings are at equal distances, in the order of their first row, so they may be numbers or words. No line connects
    them: there may be nothing between two settings.

    frame: column `setting` and the columns of values; one row per run.
    setting: the column of settings.
    values: {column: label}, one series each.
    y_label, x_label: of the axes.
    title: over the chart.
    beside: how far right of its bar a run's dot is, 1 to the next setting.
    levels: {label: value} of dashed, then dotted lines to compare with, such as chance.
    Raises InputError where a column is missing or there is no row.
    """
    need_columns(frame, [setting, *values])
    if frame.empty or not values:
        raise InputError("there is nothing to plot; pass at least one row and one column of values.")
    settings = list(dict.fromkeys(frame[setting]))
    places = np.arange(len(settings))
    figure, axes = new_figure(7.0, 3.8)
    ax = axes[0, 0]
    for number, (column, label) in enumerate(values.items()):
        look = series_look(number)
        shifted = places + 0.08 * (number - (len(values) - 1) / 2)  # error bars of two series must not overlap
        runs = frame.groupby(setting, sort=False)[column]
        ax.errorbar(shifted, runs.mean(), yerr=runs.std(ddof=1), linestyle="none", capsize=3, ecolor=look["color"])
        ax.plot(shifted, runs.mean(), linestyle="none", label=showable(label), gid="means", **look)
        each = [shifted[settings.index(value)] + beside for value in frame[setting]]
        ax.plot(each, frame[column], linestyle="none", alpha=0.4, markersize=4, markeredgewidth=0, **look)
    for number, (label, value) in enumerate((levels or {}).items()):
        dashes = ["--", ":"][number % 2]
        ax.axhline(value, label=showable(label), color=FAINT, linewidth=1.3, linestyle=dashes, gid="level")
    tidy(ax, title=title, x_label=x_label, y_label=y_label)
    ax.set_xticks(places, [showable(value) for value in settings])
    legend_below(figure, axes)
    return figure
