"""Many methods: a grid of values, average ranks with a critical difference, accuracy against cost (chapter 14)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from adlib.errors import InputError
from adlib.plots.curves import need_columns
from adlib.plots.figure import legend_below, new_figure, plain_log, tidy
from adlib.plots.style import (
    FAINT,
    FONT_SIZE,
    GOOD,
    INK,
    WIDTH,
    series_look,
    shorten,
    showable,
    styled,
    text_width,
)

_PALE_TO_BLUE = LinearSegmentedColormap.from_list("pale to blue", ["#FFFFFF", "#8FC1E3"])
_GAP = "#F0F0F0"


@styled
def score_grid(table: pd.DataFrame, *, title: str = "", missing: str = "not run", decimals: int = 3) -> Figure:
    """A table as a figure: the darker a cell, the better its value within the column; gaps are grey.

    The best value of a column is bold, and so are values equal to it.

    table: methods as index, data sets as columns, higher is better, NaN where there is no value.
    title: over the table.
    missing: text in gaps.
    decimals: of the values.
    Raises InputError for an empty table.
    """
    if table.empty:
        raise InputError("there is nothing to plot; pass at least one method and one data set.")
    values = table.to_numpy(float)
    figure, axes = new_figure(1.9 + 0.85 * table.shape[1], 0.9 + 0.27 * table.shape[0])
    ax = axes[0, 0]
    rounded = np.round(values, decimals)
    best = [column[~np.isnan(column)].max(initial=-np.inf) for column in rounded.T]
    places = table.rank(method="average", pct=True).to_numpy(
        float
    )  # by rank: one poor method would otherwise lighten the others
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        measured = np.isfinite(value)
        colour = _PALE_TO_BLUE(places[row, column]) if measured else _GAP
        ax.fill_between([column, column + 1], row, row + 1, color=colour, edgecolor="white", linewidth=1.2)
        ax.text(
            column + 0.5,
            row + 0.5,
            f"{value:.{decimals}f}" if measured else missing,
            ha="center",
            va="center",
            fontsize=FONT_SIZE - 1 if measured else FONT_SIZE - 2,
            color=INK if measured else FAINT,
            fontweight="bold" if measured and rounded[row, column] == best[column] else "normal",
        )
    tidy(ax, title=title)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_xlim(0, table.shape[1])
    ax.set_ylim(table.shape[0], 0)
    ax.set_xticks(np.arange(table.shape[1]) + 0.5, [showable(shorten(name, 14)) for name in table.columns])
    ax.set_yticks(np.arange(table.shape[0]) + 0.5, [showable(shorten(name, 28)) for name in table.index])
    ax.tick_params(length=0)
    ax.xaxis.tick_top()
    return figure


@styled
def rank_diagram(
    ranks: pd.DataFrame, difference: float, groups: Sequence[tuple[int, int]], *, title: str = ""
) -> Figure:
    """Average ranks, best on top; bars at the right join methods without a significant difference (Demšar 2006).

    A large dot is a method's mean with its number, a faint dot its rank on one data set.

    ranks: methods as columns, one row per data set, 1 is best.
    difference: the critical difference, shown to scale above the ranks.
    groups: (first, last) positions among the means in ascending order, see `adlib.evaluation.comparison.groups`.
    title: over the chart.
    Raises InputError for gaps and empty tables.
    """
    if ranks.empty or ranks.isna().any(axis=None):
        raise InputError(
            "average ranks need at least one method and a rank on every data set; leave out methods without one."
        )
    means = ranks.mean().sort_values(kind="stable")
    figure, axes = new_figure(7.4, 1.2 + 0.3 * len(means))
    ax = axes[0, 0]
    for row, (method, mean) in enumerate(means.items()):
        ax.plot(ranks[method], np.full(len(ranks), row), "o", color=GOOD, alpha=0.25, markersize=5, markeredgewidth=0)
        ax.plot([mean], [row], "o", color=GOOD, markersize=9, markeredgecolor="white")
        place = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": FONT_SIZE - 1}
        ax.annotate(f"{mean:.1f}", (1.01, row), **place)
    at_right = ax.get_yaxis_transform()  # x as a fraction of the axes, y in rows
    for number, (first, last) in enumerate(groups):
        x = 1.09 + 0.02 * number
        ax.plot([x, x], [first - 0.25, last + 0.25], color=INK, linewidth=2.5, transform=at_right, clip_on=False)
    ax.errorbar([1 + difference / 2], [-1], xerr=difference / 2, color=INK, capsize=4, elinewidth=1.8)
    above = {"xytext": (0, 5), "textcoords": "offset points", "ha": "left", "va": "bottom", "fontsize": FONT_SIZE - 1}
    ax.annotate(f"critical difference {difference:.1f}", (1, -1), **above)
    label = "rank, 1 is best (large: mean, small: data sets); bars: no significant difference"
    tidy(ax, title=title, x_label=label, grid="x")
    ax.set_yticks(range(len(means)), [showable(shorten(method, 28)) for method in means.index])
    ax.set_ylim(len(means) - 0.4, -2.1)
    ax.set_xlim(0.5, max(len(means), 1 + difference) + 0.5)
    return figure


@styled
def accuracy_against_cost(
    frame: pd.DataFrame, cost: str, accuracy: str, *, by: str, x_label: str, y_label: str, title: str = ""
) -> Figure:
    """One named point per method, cost on a logarithmic axis; a dashed line joins those that nothing beats in both.

    frame: methods as index. A method without a cost or an accuracy is left out.
    cost: column of positive costs, lower is better.
    accuracy: column, higher is better.
    by: column of groups, which differ in colour and marker.
    x_label, y_label: of the axes.
    title: over the chart.
    Raises InputError where a column is missing or no method has both values.
    """
    need_columns(frame, [cost, accuracy, by])
    measured = frame.dropna(subset=[cost, accuracy]).sort_values([cost, accuracy], ascending=[True, False])
    if measured.empty:
        raise InputError("there is nothing to plot; pass at least one method with a cost and an accuracy.")
    figure, axes = new_figure(WIDTH, 5.0)
    ax = axes[0, 0]
    for number, group in enumerate(dict.fromkeys(frame[by])):
        of_group = measured[measured[by] == group]
        look = series_look(number) | {"linestyle": "none", "markersize": 8, "label": showable(group)}
        ax.plot(of_group[cost], of_group[accuracy], **look)
    unbeaten = measured[measured[accuracy] > measured[accuracy].cummax().shift(fill_value=-np.inf)]
    look = {"color": FAINT, "linewidth": 1.2, "zorder": 1, "label": "nothing is cheaper and better"}
    ax.plot(unbeaten[cost], unbeaten[accuracy], "--", **look)
    tidy(ax, title=title, x_label=x_label, y_label=y_label)
    plain_log(ax, "x")
    ax.margins(x=0.12, y=0.1)
    legend_below(figure, axes)
    _name_points(figure, measured[[cost, accuracy]])
    return figure


def _name_points(figure: Figure, places: pd.DataFrame) -> None:
    """Write each index name next to its point, at the first of eight sides that is free of others."""
    figure.draw_without_rendering()  # the transform to pixels is known only after the layout
    ax, scale = figure.axes[0], figure.dpi / 72
    centres = ax.transData.transform(places.to_numpy(float))
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in centres]
    for name, place, (x, y) in zip(places.index, places.to_numpy(float), centres, strict=True):
        half, options = 0.32 * FONT_SIZE * scale * text_width(str(name)), []
        for across, up in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]:
            middle = x + across * (half + 9), y + up * (14 if across == 0 else 9)
            box = (middle[0] - half, middle[1] - 7, middle[0] + half, middle[1] + 7)
            hits = sum(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken)
            options.append((hits, len(options), middle, box))
        _, _, middle, box = min(options)
        taken.append(box)
        offset = ((middle[0] - x) / scale, (middle[1] - y) / scale)
        look = {"ha": "center", "va": "center", "fontsize": FONT_SIZE - 1, "textcoords": "offset points"}
        clear = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # the dashed line must not cross a name
        ax.annotate(showable(str(name)), place, xytext=offset, bbox=clear, **look)
