"""Panels side by side that share one legend: curves over a setting, and points of several groups."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from adlib.errors import InputError
from adlib.plots.curves import need_columns
from adlib.plots.figure import legend_below, new_figure, plain_log, tidy
from adlib.plots.style import FIXED_LOOKS, PALETTE, WIDTH, series_look, shorten, showable, styled

_MOST_TICKS = 8  # more labels would touch in half a figure's width


@styled
def line_panels(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    x: Sequence[float] | Sequence[str],
    *,
    x_label: str,
    log: Collection[str] = (),
) -> Figure:
    """Curves in panels side by side, each with a y axis of its own.

    panels: {y label: {series: values}}, one value per x; the series "good" and "defective" have the same colours as in
        other figures. Values that are not positive are left out of a logarithmic panel.
    x: places of the values; words, or numbers that are plotted at equal distances.
    x_label: of all panels.
    log: y labels of the panels with a logarithmic axis.
    Raises InputError for a series of another length than x, and for a name in log that is no panel.
    """
    if unknown := set(log) - set(panels):
        raise InputError(f"log names {unknown.pop()!r}, which is no panel; the panels are {', '.join(panels)}.")
    figure, axes = new_figure(WIDTH, 3.6, 1, len(panels))
    places, names = range(len(x)), [name for series in panels.values() for name in series]
    others = [name for name in dict.fromkeys(names) if name not in FIXED_LOOKS]
    for ax, (y_label, series) in zip(axes.flat, panels.items(), strict=True):
        for name, values in series.items():
            if len(values) != len(x):
                raise InputError(f"series {name!r} has {len(values)} values for {len(x)} places; give one for each.")
            shown = [(p, v) for p, v in zip(places, values, strict=True) if v > 0 or y_label not in log]
            look = FIXED_LOOKS.get(name) or series_look(2 + others.index(name) % (len(PALETTE) - 2))
            ax.plot([p for p, _ in shown], [v for _, v in shown], label=showable(shorten(name, 40)), **look)
        tidy(ax, x_label=x_label, y_label=y_label)
        every = -(-len(x) // _MOST_TICKS)
        ax.set_xticks(list(places)[every - 1 :: every], [str(value) for value in x][every - 1 :: every])
        if y_label in log:
            plain_log(ax, "y")
    legend_below(figure, axes)
    return figure


@styled
def scatter_panels(
    frame: pd.DataFrame, x: Sequence[str], y: str, by: str, *, names: Mapping[str, str] | None = None, log: str = ""
) -> Figure:
    """One y column against several x columns, a panel for each; groups differ in colour and marker.

    frame: one row per point.
    x: columns, one per panel.
    y: the column of all y axes.
    by: the column of the groups.
    names: column -> label of its axis; a missing one is its own label.
    log: the column whose axis is logarithmic.
    Raises InputError where a column is missing.
    """
    need_columns(frame, [*x, y, by])
    names = names or {}
    figure, axes = new_figure(WIDTH, 3.8, 1, len(x))
    for ax, column in zip(axes.flat, x, strict=True):
        for number, (group, rows) in enumerate(frame.groupby(by, sort=False)):
            look = series_look(number) | {"linestyle": "none", "markerfacecolor": "none", "markeredgewidth": 1.6}
            ax.plot(rows[column], rows[y], label=showable(str(group)), **look)  # hollow: none hides another
        tidy(ax, x_label=names.get(column, column), y_label=names.get(y, y))
        if column == log:
            plain_log(ax, "x")
    legend_below(figure, axes)
    return figure
