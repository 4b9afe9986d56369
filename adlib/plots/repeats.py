"""Experiments that were repeated: mean and standard deviation of several runs, one panel for each column."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from adlib.errors import InputError
from adlib.plots.curves import need_columns
from adlib.plots.figure import headline, legend_below, new_figure, tidy
from adlib.plots.style import WIDTH, series_look, shorten, showable, styled


@styled
def repeats(
    frame: pd.DataFrame,
    x: str,
    columns: Mapping[str, str],
    *,
    by: str | None = None,
    log: str = "",
    apart: float = 0.0,
    bands: bool = False,
    x_label: str = "",
    title: str = "",
) -> Figure:
    """Curves through the means over all rows with the same x, with bars or bands of one sample standard deviation.

    frame: one row per run.
    x: column of the horizontal axis: numbers, or names, which are spaced evenly in the order of the frame.
    columns: {column: label of the vertical axis}, one panel each. NaN (not available) is left out.
    by: column that names the curve of a row; None for one curve.
    log: the logarithmic axes, "", "x", "y" or "xy"; names have no logarithm.
    apart: distance between the curves along a linear axis, so that their bars do not hide each other.
    bands: shade the standard deviation between the values of x instead of bars.
    x_label: of the horizontal axis; the name of the column if empty.
    title: over all panels.
    Raises InputError where a column is missing or there is no row.
    """
    need_columns(frame, [x, *columns, *([by] if by else [])])
    if frame.empty or not columns:
        raise InputError("there is nothing to plot; pass at least one column and one row.")
    numeric = pd.api.types.is_numeric_dtype(frame[x])
    names = list(dict.fromkeys(frame[x]))
    groups = {"": frame} if by is None else {str(name): frame[frame[by] == name] for name in dict.fromkeys(frame[by])}
    figure, axes = new_figure(WIDTH if len(columns) > 1 else 6.5, 3.3, 1, len(columns))
    for ax, (column, label) in zip(axes[0], columns.items(), strict=True):
        for number, (group, runs) in enumerate(groups.items()):
            of_x = runs.dropna(subset=[column]).groupby(x, sort=numeric)[column]
            mean, std = of_x.mean(), of_x.std(ddof=1)  # a single run has no standard deviation: NaN gives no bar
            places = mean.index.to_numpy() if numeric else np.array([names.index(name) for name in mean.index])
            places = places + apart * (number - (len(groups) - 1) / 2)
            look = series_look(number)
            ax.plot(places, mean, label=showable(shorten(group, 60)) if by else None, gid="means", **look)
            if bands:
                ax.fill_between(places, mean - std, mean + std, color=look["color"], alpha=0.18, linewidth=0)
            else:
                ax.errorbar(places, mean, yerr=std, linestyle="none", ecolor=look["color"], capsize=3, elinewidth=1.2)
        tidy(ax, x_label=x_label or x, y_label=label)
        ax.set(xscale="log" if "x" in log and numeric else "linear", yscale="log" if "y" in log else "linear")
        if not numeric:
            ax.set_xticks(range(len(names)), [showable(str(name)) for name in names])
            ax.xaxis.set_minor_locator(NullLocator())
    headline(figure, title)
    legend_below(figure, axes)
    return figure
