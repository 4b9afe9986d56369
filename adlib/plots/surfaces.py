"""Surfaces as figures: height maps as if lit from one side, and clouds of points in projection (chapter 13)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from adlib.errors import InputError
from adlib.plots.figure import new_figure
from adlib.plots.heat import as_limits
from adlib.plots.style import FAINT, FONT_SIZE, INK, WIDTH, showable, styled

# Blue-grey to yellow: normal points stay visible on white, unlike in the maps over images.
_SCORES = LinearSegmentedColormap.from_list("cloud", ("#B9C6D3", "#7A6F9B", "#A32A46", "#F07818", "#FFC800"))
_ACROSS = 3.4  # inches: the widest panel


def shaded_relief(heights: np.ndarray, spacing: float, *, light: tuple[float, float] = (315.0, 45.0)) -> np.ndarray:
    """Grey values of a height map lit from one side: the cosine between its normals and the light (hillshading).

    Slopes become visible that grey values of the height itself hide, since a dent of 1 mm is little on a part of 14 mm.

    heights: (h, w), higher is nearer to the eye; NaN where nothing was measured.
    spacing: distance of two neighbouring pixels in the unit of the heights.
    light: azimuth in degrees clockwise from up, and angle above the plane.
    Returns (h, w) in [0, 1]; 1 (white) where nothing was measured. Raises InputError for other shapes and spacings.
    """
    heights = np.asarray(heights, dtype=float)
    if heights.ndim != 2 or min(heights.shape) < 2:
        raise InputError(f"a height map has shape {heights.shape}; pass (h, w) with at least two rows and columns.")
    if not spacing > 0:
        raise InputError(f"spacing is {spacing}; pass the distance of two pixels, above 0.")
    azimuth, above = np.deg2rad(light)
    down, right = np.gradient(_filled(heights), spacing)
    across = -right * np.sin(azimuth) + down * np.cos(azimuth)  # rows count downwards
    shade = (across * np.cos(above) + np.sin(above)) / np.sqrt(1 + right**2 + down**2)
    return np.where(np.isnan(heights), 1.0, np.clip(shade, 0, 1))


def _filled(heights: np.ndarray) -> np.ndarray:
    """Heights with each hole at the mean of its measured neighbours, ring by ring; 0 where nothing was measured."""
    filled = heights.copy()
    while np.isnan(filled).any() and not np.isnan(filled).all():
        framed = np.pad(filled, 1, constant_values=np.nan)
        near = np.stack([framed[1:-1, :-2], framed[1:-1, 2:], framed[:-2, 1:-1], framed[2:, 1:-1]])
        count = np.isfinite(near).sum(axis=0)
        fresh = np.isnan(filled) & (count > 0)
        filled[fresh] = np.nansum(near, axis=0)[fresh] / count[fresh]
    return np.nan_to_num(filled)


@styled
def clouds(
    points: Mapping[str, np.ndarray],
    scores: Mapping[str, np.ndarray] | None = None,
    *,
    limits: tuple[float, float] | None = None,
    view: tuple[float, float] = (-60.0, 35.0),
    columns: int | None = None,
    unit: str = "mm",
    label: str = "anomaly score",
) -> Figure:
    """Clouds of points in parallel projection, all on one scale of length and of colour; near points hide far ones.

    points: title -> (N, 3); z points up.
    scores: title -> (N,), one for each point; None to colour by z.
    limits: with scores, as from `colour_limits`.
    view: degrees that the cloud is turned about z, and degrees of the eye above the plane.
    columns: panels per row; None for at most 4.
    unit: of the coordinates, for the bar that shows their scale.
    label: of the colour bar with scores.
    Raises InputError where there is nothing to plot and where points and scores differ.
    """
    flat = {name: _project(name, cloud, view) for name, cloud in points.items()}
    if not flat:
        raise InputError("there is no cloud to plot; pass at least one.")
    values = {name: flat[name][3] for name in flat} if scores is None else dict(scores)
    for name, (x, *_) in flat.items():
        if name not in values or np.shape(values[name]) != x.shape:
            raise InputError(f"the cloud {name!r} has {len(x)} points; pass one score for each of them.")
    norm = Normalize(*(as_limits(limits) if scores is not None else _ends(values)))
    half = max(max(np.ptp(x) / 2, np.ptp(y) / 2) for x, y, *_ in flat.values()) * 1.06 or 1.0
    columns = min(columns or 4, len(flat))
    side = min((WIDTH - 1.1) / columns, _ACROSS)
    rows = -(-len(flat) // columns)
    tall = max(np.ptp(y) for _, y, *_ in flat.values()) * 1.16 / (2 * half)
    figure, axes = new_figure(side * columns + 1.1, max(rows * (side * max(tall, 0.3) + 0.3), 1.6), rows, columns)
    for ax in axes.flat:
        ax.set_axis_off()
    size = np.clip(17000 * side**2 / max(len(x) for x, *_ in flat.values()) / _ACROSS**2, 1.0, 40)
    colours = _SCORES if scores is not None else "cividis"
    for ax, (name, (x, y, depth, _)) in zip(axes.flat, flat.items(), strict=False):
        order = np.argsort(-depth)
        middle = (x.max() + x.min()) / 2, (y.max() + y.min()) / 2
        ax.scatter(
            x[order], y[order], c=np.asarray(values[name])[order], s=size, cmap=colours, norm=norm, linewidths=0
        ).set_gid("cloud")
        ax.set(xlim=(middle[0] - half, middle[0] + half), aspect="equal")
        ax.set_ylim(middle[1] - half * tall, middle[1] + half * tall)
        ax.set_title(showable(name), fontsize=FONT_SIZE - 1)
    _ruler(axes.flat[0], half, unit)
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=list(axes.flat), shrink=0.9, aspect=22, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(showable(label if scores is not None else f"z in {unit}"))
    bar.ax.tick_params(labelsize=FONT_SIZE - 1, labelcolor=INK)
    return figure


def _project(
    name: str, cloud: np.ndarray, view: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x and y on the page, distance from the eye, and z, (N,) each."""
    cloud = np.asarray(cloud, dtype=float)
    if cloud.ndim != 2 or cloud.shape[1] != 3 or not len(cloud) or not np.isfinite(cloud).all():
        raise InputError(f"the cloud {name!r} has shape {cloud.shape}; pass finite points (N, 3), without holes.")
    turn, above = np.deg2rad(view)
    along = cloud[:, 0] * np.sin(turn) + cloud[:, 1] * np.cos(turn)  # away from the eye, in the plane
    across = cloud[:, 0] * np.cos(turn) - cloud[:, 1] * np.sin(turn)
    up, away = cloud[:, 2] * np.cos(above) + along * np.sin(above), along * np.cos(above) - cloud[:, 2] * np.sin(above)
    return across, up, away, cloud[:, 2]


def _ends(values: Mapping[str, np.ndarray]) -> tuple[float, float]:
    joined = np.concatenate(list(values.values()))
    low, high = float(joined.min()), float(joined.max())
    return low, high if high > low else low + 1.0


def _ruler(ax: Axes, half: float, unit: str) -> None:
    """A bar of 1, 2 or 5 times a power of ten, about a third of the panel."""
    steps = [factor * 10.0**power for power in range(-6, 7) for factor in (1, 2, 5)]
    length = max(step for step in steps if step <= 0.7 * half)
    left, bottom = ax.get_xlim()[0] + 0.04 * half, ax.get_ylim()[0]
    ax.plot([left, left + length], [bottom, bottom], color=FAINT, linewidth=3, solid_capstyle="butt", gid="ruler")
    text = f"{length:g} {unit}"
    ax.text(left, bottom, text, color=INK, fontsize=FONT_SIZE - 1, verticalalignment="bottom")
