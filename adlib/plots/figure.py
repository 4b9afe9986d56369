"""The empty figure that all others start from, its display in a notebook, and its PNG bytes."""

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from PIL import Image

from adlib.plots.style import FAINT, FONT_SIZE, INK, showable, text_width


class NotebookFigure(Figure):
    """A matplotlib figure without pyplot that a notebook shows where it ends a cell.

    pyplot would show it twice there, and would keep every figure of a long report in memory. A figure with photographs
    shows as JPEG, which takes a quarter of the bytes in the notebook's file. A chart shows as PNG of 256 colours, which
    takes a third; a chart has fewer colours, except for the blends at the edges of its lines.
    """

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, bytes]:
        if any(ax.images for ax in self.axes):
            buffer = io.BytesIO()
            self.savefig(buffer, format="jpeg", dpi=100, pil_kwargs={"quality": 90, "subsampling": 0})
            return {"image/jpeg": buffer.getvalue()}
        chart = Image.open(io.BytesIO(figure_to_png(self))).convert("RGB")
        buffer = io.BytesIO()
        chart.quantize(256, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True)
        return {"image/png": buffer.getvalue()}


def figure_to_png(figure: Figure, dpi: int = 100) -> bytes:
    """The figure as PNG, the same bytes every time on the same machine (without date and version)."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, heights: list[float] | None = None
) -> tuple[Figure, np.ndarray]:
    """An empty figure and its axes.

    width, height: in inches.
    rows, columns: numbers of axes.
    heights: ratios of the rows' heights; None for equal heights.
    Returns the figure and its axes as an array (rows, columns).
    """
    figure = NotebookFigure(figsize=(width, height), dpi=100, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, height_ratios=heights)


def tidy(ax: Axes, *, title: str = "", x_label: str = "", y_label: str = "", grid: str = "both") -> None:
    """Label a chart's axes, remove the upper and right frame, and put a faint grid behind the data.

    ax: the chart.
    title: over it.
    x_label, y_label: of its axes.
    grid: "x", "y" or "both".
    """
    ax.set_title(showable(title))
    ax.set_xlabel(showable(x_label))
    ax.set_ylabel(showable(y_label))
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    ax.grid(True, axis=grid)
    # Ticks are created when the figure is rendered, after the style was reset, so their look is fixed here.
    ax.tick_params(labelsize=FONT_SIZE - 1, color=FAINT, labelcolor=INK, grid_color="#E4E4E4", grid_linewidth=0.8)


def headline(figure: Figure, title: str) -> None:
    """A title over all panels; none if it is empty."""
    if title:
        figure.suptitle(showable(title), fontsize=FONT_SIZE + 1)


def plain_log(ax: Axes, which: str) -> None:
    """Make one axis logarithmic, with ticks at 1, 2 and 5 in plain numbers, such as 0.05 instead of 5 x 10^-2.

    ax: the axes.
    which: "x" or "y".
    """
    ax.set(**{f"{which}scale": "log"})
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def legend_below(figure: Figure, axes: Axes | np.ndarray) -> None:
    """One legend for all `axes` under the figure, where it hides no data; repeated labels appear once."""
    handles: dict[str, Any] = {}
    for ax in np.ravel(axes):
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if not handles:
        return
    # As many columns as fit side by side; matplotlib distributes the entries as array_split does.
    widths = [0.072 * text_width(label) + 0.55 for label in handles]  # inches: a character; the line with its gaps
    for columns in range(len(widths), 0, -1):
        parts = np.array_split(widths, columns)
        if sum(part.max() for part in parts) <= figure.get_figwidth():
            break
    rows = len(parts[0])
    figure.set_figheight(figure.get_figheight() + 0.19 * (rows - 1))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns)
