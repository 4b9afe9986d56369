"""Honest heat maps: one colour scale for all anomaly maps of a figure, set by the scores of normal images.

Scaling each map to its own minimum and maximum shows a yellow spot on every good part. Here the scale comes from good
maps alone (`colour_limits`), so a defect cannot change how the good image next to it looks.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from adlib.errors import InputError
from adlib.plots.style import FONT_SIZE, INK

HEADROOM = 2.5  # the good scores' high quantile is at 1 / 2.5 = 40% of the scale

_DARK_TO_YELLOW = ("#0B0714", "#3A0F4A", "#A32A46", "#F07818", "#FFC800", "#FFF200")


class Limits(NamedTuple):
    """Ends of the colour scale in score units.

    low: lower scores have the same colour.
    high: higher scores have the same colour.
    """

    low: float
    high: float


def colour_limits(good_maps: Sequence[np.ndarray], quantile: float = 0.999) -> Limits:
    """Colour limits from the anomaly maps of NORMAL images, preferably held out from training.

    low is the median of all good scores; high = low + 2.5 * (q - low), where q is their `quantile`. So all but the
    highest 0.1% of good pixels are in the dark 40% of the scale, and scores of 2.5 times the normal variation or more
    are fully yellow. Where all good scores are equal, the scale has the length of their absolute value (or 1).

    good_maps: maps (h, w) of any sizes in score units; NaN (not seen) is left out.
    quantile: above 0.5 and at most 1.
    Raises InputError for another quantile and where no score is finite.
    """
    if not 0.5 < quantile <= 1:
        raise InputError(f"quantile is {quantile}; choose a value above 0.5 and at most 1, such as 0.999.")
    scores = [np.asarray(good_map, dtype=float).ravel() for good_map in good_maps]
    finite = np.concatenate([values[np.isfinite(values)] for values in scores]) if scores else np.empty(0)
    if finite.size == 0:
        raise InputError("good_maps holds no finite score; pass the anomaly maps of at least one normal image.")
    low, high_good = (float(value) for value in np.quantile(finite, [0.5, quantile]))
    spread = HEADROOM * (high_good - low)
    if spread <= 1e-9 * abs(low):
        spread = abs(low) or 1.0
    return Limits(low, low + spread)


def as_limits(limits: tuple[float, float] | None) -> Limits:
    """Validated limits. Raises InputError where they are missing or not an interval."""
    if limits is None:
        raise InputError(
            "limits is missing; pass colour_limits(maps of normal images), since all maps share one scale."
        )
    low, high = (float(value) for value in limits)
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InputError(f"limits is ({low:g}, {high:g}); pass two finite scores, the smaller one first.")
    return Limits(low, high)


def heat_colours() -> Colormap:
    """Colours over the image: a dark, transparent tint for normal scores, denser yellow for high ones, none for NaN."""
    steps = np.linspace(0, 1, 256)
    colours = LinearSegmentedColormap.from_list("heat", _DARK_TO_YELLOW)(steps)
    colours[:, 3] = 0.38 + 0.34 * steps
    return ListedColormap(colours, "adlib_heat").with_extremes(bad=(0, 0, 0, 0))


def colour_bar(figure: Figure, axes: Axes | np.ndarray, norm: Normalize, threshold: float | None = None) -> None:
    """Add a colour bar in score units; its colours are those over mid-grey.

    figure: the figure.
    axes: the axes that it belongs to.
    norm: the colour limits.
    threshold: marked on the bar; None for none.
    """
    colours = heat_colours()(np.linspace(0, 1, 256))
    seen = colours[:, :3] * colours[:, 3:] + 0.65 * (1 - colours[:, 3:])
    shrink = min(1.0, 4.5 / figure.get_figheight())  # a long gallery does not need a bar of its full height
    bar = figure.colorbar(
        ScalarMappable(norm, ListedColormap(seen)),
        ax=list(np.ravel(axes)),
        extend="both",
        shrink=shrink,
        aspect=25,
        pad=0.02,
        panchor=False,  # otherwise the bar pulls images of different shapes to the right
    )
    bar.outline.set_visible(False)
    bar.set_label("anomaly score")
    bar.ax.tick_params(labelsize=FONT_SIZE - 1, labelcolor=INK)
    ticks = [tick for tick in MaxNLocator(5).tick_values(norm.vmin, norm.vmax) if norm.vmin <= tick <= norm.vmax]
    labels = [f"{tick:.4g}" for tick in ticks]
    if threshold is not None:
        place = float(np.clip(threshold, norm.vmin, norm.vmax))
        bar.ax.axhline(place, color="white", linewidth=4)
        bar.ax.axhline(place, color=INK, linewidth=1.6, gid="threshold")
        free = [i for i, tick in enumerate(ticks) if abs(tick - place) > 0.12 * (norm.vmax - norm.vmin)]
        note = "" if place == threshold else "\n(off scale)"
        ticks = [ticks[i] for i in free] + [place]
        labels = [labels[i] for i in free] + [f"threshold\n{threshold:.3g}{note}"]
    bar.set_ticks(ticks, labels=labels)
