"""Points in the plane: two-dimensional examples in which chapters derive their methods before using images."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from adlib.errors import InputError
from adlib.plots.figure import legend_below, new_figure, tidy
from adlib.plots.style import (
    DEFECTIVE,
    FAINT,
    FIXED_LOOKS,
    FONT_SIZE,
    INK,
    PALETTE,
    WIDTH,
    series_look,
    showable,
    styled,
)

_LIGHT_TO_YELLOW = ("#FFFFFF", "#DADADA", "#F5E58A", "#FFE600")


@styled
def points(
    groups: Mapping[str, np.ndarray],
    *,
    field: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    threshold: float | None = None,
    links: Sequence[tuple[np.ndarray, np.ndarray]] = (),
    x_label: str = "feature 1",
    y_label: str = "feature 2",
    title: str = "",
    height: float = 5.0,
) -> Figure:
    """Named groups of points in the plane, on equal axes.

    groups: {name: (n, 2) points}; "good" and "defective" (or "strange") have the same colours as in other figures.
    field: x (w,), y (h,) and anomaly scores (h, w), plotted behind the points, yellow where the score is high.
    threshold: score at which a contour of the field is plotted; None for none.
    links: pairs of points, joined by a dashed line; the length of the line stands at its second point.
    x_label, y_label: of the axes.
    title: over the figure.
    height: of the figure in inches.
    Raises InputError for a threshold without a field and for a field of the wrong shape.
    """
    if threshold is not None and field is None:
        raise InputError("points got a threshold but no field; pass field=(x, y, scores) too.")
    figure, axes = new_figure(6.4 if field is None else 5.7, height)
    ax = axes[0, 0]
    if field is not None:
        x, y, scores = (np.asarray(part, dtype=float) for part in field)
        if scores.shape != (y.size, x.size):
            raise InputError(f"field has {x.size} x, {y.size} y and scores of shape {scores.shape}; pass scores[y, x].")
        filled = ax.contourf(x, y, scores, levels=12, cmap=LinearSegmentedColormap.from_list("field", _LIGHT_TO_YELLOW))
        bar = figure.colorbar(filled, ax=ax, aspect=25, pad=0.02, label="anomaly score")
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=FONT_SIZE - 1, labelcolor=INK)
        if threshold is not None and np.nanmin(scores) < threshold < np.nanmax(scores):
            ax.contour(x, y, scores, levels=[threshold], colors=INK, linestyles="--", linewidths=1.4)
            ax.plot([], [], "--", color=INK, linewidth=1.4, label=f"threshold {threshold:.3g}")
            bar.ax.axhline(threshold, color=INK, linestyle="--", linewidth=1.4)
        ax.margins(0.0)
    others = 0
    for name, places in groups.items():
        places = np.asarray(places, dtype=float).reshape(-1, 2)
        if name in FIXED_LOOKS:
            look = FIXED_LOOKS[name]
        else:
            look = series_look(2 + others % (len(PALETTE) - 2))
            others += 1
        size, alpha = (5, 0.85) if len(places) <= 300 else (3, 0.5)
        if len(places) <= 3:  # single points must not be lost in a cloud
            size, alpha, look = 10, 1.0, look | {"markeredgecolor": INK, "zorder": 4}
        ax.plot(*places.T, linestyle="none", markersize=size, alpha=alpha, label=showable(name), **look)
    for start, end in np.asarray(links, dtype=float).reshape(-1, 2, 2):
        ax.plot(*np.stack([start, end]).T, "--", color=FAINT, linewidth=1.0, zorder=1, gid="link")
        length, (right, up) = np.linalg.norm(end - start), np.sign(end - start)
        ax.annotate(f"{length:.1f}", end, (9 * right, 9 * up), textcoords="offset points", ha="center", va="center")
    tidy(ax, title=title, x_label=x_label, y_label=y_label)
    ax.set_aspect("equal", adjustable="datalim" if field is None else "box")
    legend_below(figure, axes)
    return figure


@styled
def panels(
    stages: Mapping[str, Mapping[str, np.ndarray]],
    *,
    columns: int = 3,
    reach: float | None = None,
    x_label: str = "feature 1",
    y_label: str = "feature 2",
) -> Figure:
    """The same named groups of points at several stages, one panel a stage: what a map does to the plane.

    stages: {title: {name: (n, 2) points}}; a name has one colour in all panels, "good" and "defective" as in `points`.
    columns: panels per row.
    reach: all axes go from -reach to reach; None to fit each panel to its points.
    x_label, y_label: of the axes.
    Raises InputError where there is no stage.
    """
    if not stages:
        raise InputError("there is no stage to plot; pass at least one.")
    names = list(dict.fromkeys(name for groups in stages.values() for name in groups))
    looks = dict(zip((name for name in names if name not in FIXED_LOOKS), map(series_look, range(2, 99)), strict=False))
    columns = min(columns, len(stages))
    rows = -(-len(stages) // columns)
    figure, axes = new_figure(2.8 * columns, 2.7 * rows + 0.3, rows, columns)
    for ax, (title, groups) in zip(axes.flat, stages.items(), strict=False):
        for name, places in groups.items():
            look = FIXED_LOOKS.get(name) or looks[name]
            ax.plot(*np.asarray(places, dtype=float).T, linestyle="none", markersize=2.5, alpha=0.6, label=name, **look)
        tidy(ax, title=title, x_label=x_label, y_label=y_label)
        if reach is not None:
            ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
        ax.set_aspect("equal", adjustable="box" if reach is not None else "datalim")
    for ax in axes.flat[len(stages) :]:
        ax.set_visible(False)
    legend_below(figure, axes)
    return figure


@styled
def coverings(cloud: np.ndarray, picks: Mapping[str, np.ndarray], steps: Sequence[int]) -> Figure:
    """How well the first picks of several orders cover a cloud; a dashed line leads to the farthest point from them.

    cloud: (n, 2) points.
    picks: {name of the order: indices into the cloud, in the order picked}, one row of panels each.
    steps: numbers of picks, one column of panels each.
    Raises InputError for a step that is not from 1 to the number of picks.
    """
    cloud = np.asarray(cloud, dtype=float)
    most = min(len(order) for order in picks.values())
    if not all(1 <= step <= most for step in steps):
        raise InputError(f"steps are {list(steps)}; choose numbers from 1 to the {most} picks.")
    figure, axes = new_figure(WIDTH, 2.3 * len(picks) + 0.4, len(picks), len(steps))
    for number, (name, order) in enumerate(picks.items()):
        for ax, step in zip(axes[number], steps, strict=True):
            kept = cloud[np.asarray(order)[:step]]
            distances = np.linalg.norm(cloud[:, None] - kept[None], axis=2)  # (n, step)
            far = int(distances.min(axis=1).argmax())
            ends = np.stack([cloud[far], kept[distances[far].argmin()]])
            ax.plot(*cloud.T, "o", color=FAINT, markersize=2.5, alpha=0.5, label="patches")
            ax.plot(*kept.T, "D", color=PALETTE[2], markersize=7, label="kept")
            ax.plot(*ends.T, "--", color=DEFECTIVE, linewidth=1.3, label="covering radius")
            ax.set(xticks=[], yticks=[], aspect="equal")
            ax.set_title(f"{step} kept: radius {distances[far].min():.1f}", fontsize=FONT_SIZE - 1)
        axes[number, 0].set_ylabel(f"{showable(name)}\nfeature 2")
    for ax in axes[-1]:
        ax.set_xlabel("feature 1")
    legend_below(figure, axes)
    return figure
