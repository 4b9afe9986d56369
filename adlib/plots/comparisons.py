"""Charts that compare: methods with each other, reproduced numbers with published ones (chapters 14, 16, 20 to 25)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from adlib.errors import InputError
from adlib.plots.curves import METRIC_NAMES, need_columns
from adlib.plots.figure import headline, legend_below, new_figure, tidy
from adlib.plots.style import DEFECTIVE, FAINT, FONT_SIZE, GOOD, WIDTH, shorten, showable, styled


@styled
def intervals(
    rows: Mapping[str, tuple[float, float, float]], *, x_label: str, reference: float | None = None, title: str = ""
) -> Figure:
    """One value with its interval per row, the first row on top.

    rows: {label: (value, low, high)}.
    x_label: of the axis.
    reference: marked by a dashed line, such as 0 for differences; None for none.
    title: over the chart.
    Raises InputError where there is no row and where a low end is above a high one.
    """
    bounds = np.array(list(rows.values()), dtype=float).reshape(-1, 3)
    if not rows or (bounds[:, 1] > bounds[:, 2]).any():
        raise InputError(
            "there is nothing to plot, or an interval's ends are exchanged; pass {label: (value, low, high)}."
        )
    figure, axes = new_figure(7.0, 1.0 + 0.32 * len(rows))
    ax, places = axes[0, 0], np.arange(len(rows))[::-1]
    ax.hlines(places, bounds[:, 1], bounds[:, 2], color=GOOD, linewidth=2)
    for ends in bounds[:, 1:].T:
        ax.plot(ends, places, "|", color=GOOD, markersize=9, markeredgewidth=2)
    ax.plot(bounds[:, 0], places, "o", color=GOOD, markersize=7)
    if reference is not None:
        ax.axvline(reference, color=FAINT, linestyle="--", linewidth=1.3)
    tidy(ax, title=title, x_label=x_label, grid="x")
    ax.set_yticks(places, [showable(shorten(label, 44)) for label in rows])
    ax.set_ylim(-0.6, len(rows) - 0.4)
    return figure


@styled
def ours_beside_published(frame: pd.DataFrame, *, metric: str = "image_auroc", title: str = "") -> Figure:
    """Reproduced numbers next to the published ones, one pair per row, with the difference at the right.

    frame: columns label, ours, published, in one unit; optionally ours_std and published_std. NaN: not available.
    metric: name of the metric, for the axis label.
    title: over the chart.
    Raises InputError where a column is missing or there is no row.
    """
    need_columns(frame, ["label", "ours", "published"])
    if frame.empty:
        raise InputError("there is nothing to plot; pass at least one row.")
    figure, axes = new_figure(7.4, 1.5 + 0.36 * len(frame))
    ax = axes[0, 0]
    rows = np.arange(len(frame))[::-1]
    ours, published = frame["ours"].to_numpy(float), frame["published"].to_numpy(float)
    ax.hlines(rows, ours, published, color="#C8C8C8", linewidth=2)
    for name, values, look in [
        ("published", published, {"marker": "D", "color": FAINT, "markerfacecolor": "white", "markersize": 7}),
        ("ours", ours, {"marker": "o", "color": GOOD, "markersize": 7}),
    ]:
        spread = frame[f"{name}_std"].to_numpy(float) if f"{name}_std" in frame else None
        ax.errorbar(values, rows, xerr=spread, linestyle="none", capsize=3, elinewidth=1.2, label=name, **look)
    for row, gap in zip(rows, ours - published, strict=True):
        if np.isfinite(gap):
            text = f"{gap:+.{_decimals(frame['published'])}f}".replace("-", "\N{MINUS SIGN}")
            ax.annotate(text, (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=FONT_SIZE - 1)
    tidy(ax, title=title, x_label=METRIC_NAMES.get(metric, metric) + "; at the right: ours minus published", grid="x")
    ax.set_yticks(rows, [showable(shorten(label, 40)) for label in frame["label"]])
    ax.set_ylim(-0.6, len(frame) - 0.4)
    legend_below(figure, axes)
    return figure


@styled
def effects(frame: pd.DataFrame, *, same_scale: bool = False, title: str = "") -> Figure:
    """Differences with their intervals, a panel per data set or metric; the look says what the interval says.

    A difference is beyond chance where its interval does not contain 0 (chapter 16). Those without an interval are
    hollow.

    frame: columns panel, label, change, low, high, in one unit (points); one row per panel and label, labels in the
        order from top to bottom. NaN in low and high: no interval; NaN in change, too, or a missing row: not run.
    same_scale: whether all panels have the same horizontal axis.
    title: over the chart.
    Raises InputError where a column is missing or there is no row.
    """
    need_columns(frame, ["panel", "label", "change", "low", "high"])
    if frame.empty:
        raise InputError("there is nothing to plot; pass at least one row.")
    labels, groups = list(dict.fromkeys(frame["label"])), list(frame.groupby("panel", sort=False))
    height = {label: len(labels) - 1 - number for number, label in enumerate(labels)}
    figure, axes = new_figure(WIDTH, 1.6 + 0.26 * len(labels), 1, len(groups))
    for ax, (panel, rows) in zip(axes[0], groups, strict=True):
        ax.axvline(0, color=FAINT, linewidth=1)
        for name, (mine, look) in _verdicts(rows).items():
            of_kind, places = rows[mine], rows.loc[mine, "label"].map(height)
            ax.hlines(places, of_kind["low"], of_kind["high"], color=look["color"], linewidth=1.5)
            ax.plot(of_kind["change"], places, linestyle="none", markersize=5, label=name, **look)
        tidy(ax, title=showable(METRIC_NAMES.get(panel, str(panel))), x_label="points", grid="x")
        names = [showable(shorten(label, 44)) for label in labels] if ax is axes[0, 0] else []
        ax.set_yticks(list(height.values()), names or [""] * len(labels))
        ax.set_ylim(-0.6, len(labels) - 0.4)
    if same_scale:
        ends = np.array([ax.get_xlim() for ax in axes[0]])
        for ax in axes[0]:
            ax.set_xlim(ends.min(), ends.max())
    headline(figure, title)
    legend_below(figure, axes)
    return figure


def _verdicts(rows: pd.DataFrame) -> dict[str, tuple[pd.Series, dict[str, str]]]:
    """{what the interval says: (which rows, their look)}, without what no interval says."""
    better, worse, none = rows["low"] > 0, rows["high"] < 0, rows["low"].isna() & rows["change"].notna()
    looks = {
        "better, beyond chance": (better, {"color": GOOD, "marker": "o"}),
        "worse, beyond chance": (worse, {"color": DEFECTIVE, "marker": "s"}),
        "within chance": ((rows["low"] <= 0) & (rows["high"] >= 0), {"color": FAINT, "marker": "D"}),
        "no interval": (none, {"color": FAINT, "marker": "o", "markerfacecolor": "white"}),
    }
    return {name: (mine, look) for name, (mine, look) in looks.items() if mine.any()}


def _decimals(values: pd.Series) -> int:
    """Three decimals for fractions, one for percentages."""
    return 1 if values.max() > 1.5 else 3
