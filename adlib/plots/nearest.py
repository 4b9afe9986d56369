"""Why a patch has its score: the patch in its image, next to the good patches it was compared with (chapter 06)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from adlib.errors import InputError
from adlib.plots.arrays import as_array
from adlib.plots.figure import NotebookFigure, figure_to_png
from adlib.plots.heat import as_limits, colour_bar
from adlib.plots.images import show_image, show_map
from adlib.plots.style import FONT_SIZE, WIDTH, shorten, showable, styled

COLUMNS = 3  # of crops
LETTERS = 14  # of a title over a crop
AROUND = 2  # patches shown on each side of a patch


@styled
def nearest_patches(
    image: Any,
    scores: np.ndarray,
    place: tuple[int, int],
    entries: Sequence[tuple[Any, tuple[int, int]]],
    titles: Sequence[str],
    limits: tuple[float, float],
) -> Figure:
    """The image with its patch scores, one patch framed in white, and to its right that patch and its nearest entries.

    image: PIL image or array, as in `overlay`.
    scores: (h, w) patch scores.
    place: row and column of the framed patch, each from 0.
    entries: the nearest entries of the bank, each as its image and its place there, on a grid of the same size.
    titles: one per entry.
    limits: from `colour_limits`.
    Raises InputError for a place outside the grid, and for entries and titles of different numbers.
    """
    (rows, columns), (row, column) = scores.shape, place
    if len(entries) != len(titles):
        raise InputError(f"there are {len(entries)} entries but {len(titles)} titles; pass one for each entry.")
    crops = [_around(as_array(picture), where, scores.shape) for picture, where in [(image, place), *entries]]
    titles = ["test patch", *titles]
    lines = -(-len(crops) // COLUMNS)
    figure = NotebookFigure(figsize=(WIDTH, max(3.0, 1.5 * lines)), dpi=100, layout="constrained")
    layout = [["map", *(line * COLUMNS + number for number in range(COLUMNS))] for line in range(lines)]
    cells = figure.subplot_mosaic(layout, width_ratios=(3.0, *(1.2,) * COLUMNS))
    ax, array, norm = cells.pop("map"), as_array(image), Normalize(*as_limits(limits))
    show_map(ax, array, scores, norm)
    height, width = array.shape[0] / rows, array.shape[1] / columns
    corner = (column * width - 0.5, row * height - 0.5)
    ax.add_patch(Rectangle(corner, width, height, fill=False, edgecolor="white", linewidth=2.2, gid="patch"))
    ax.set(xticks=[], yticks=[])
    ax.set_title(showable(f"patch scores; framed: row {row}, column {column}"), fontsize=FONT_SIZE - 1)
    colour_bar(figure, ax, norm)
    for number, cell in cells.items():
        cell.set(xticks=[], yticks=[])
        cell.spines[:].set_visible(False)
        if number < len(crops):
            show_image(cell, crops[number])
            high, wide = (size / (2 * AROUND + 1) for size in crops[number].shape[:2])
            corner = (AROUND * wide - 0.5, AROUND * high - 0.5)
            cell.add_patch(Rectangle(corner, wide, high, fill=False, edgecolor="white", linewidth=1.4, gid="patch"))
            cell.set_title(showable(shorten(titles[number], LETTERS)), fontsize=FONT_SIZE - 1)
    return figure


def _around(image: np.ndarray, place: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
    """A patch with `AROUND` more on each side; outside the image its edge is repeated."""
    if not all(0 <= here < size for here, size in zip(place, shape, strict=True)):
        raise InputError(
            f"there is no patch at row {place[0]}, column {place[1]} in a grid of {shape[0]} x {shape[1]}."
        )
    heights, widths = (
        np.arange((here - AROUND) * size // cells, (here + AROUND + 1) * size // cells).clip(0, size - 1)
        for here, size, cells in zip(place, image.shape[:2], shape, strict=True)
    )
    return image[np.ix_(heights, widths)]


def browse(figure_at: Callable[[int, int], Figure], shape: tuple[int, int], start: tuple[int, int]) -> Any:
    """Two sliders, row and column, above the figure of that place; drag them, or press Tab and the arrow keys.

    figure_at: (row, column) -> figure.
    shape: rows and columns of the grid.
    start: row and column that are shown first.
    Returns the widget; where nobody can move a slider (a notebook executed by a program), the figure at `start`.
    """
    if not _somebody_is_there():
        return figure_at(*start)
    import ipywidgets as widgets

    sliders = [
        widgets.IntSlider(value=value, min=0, max=size - 1, description=name, continuous_update=False)
        for name, value, size in zip(("row", "column"), start, shape, strict=True)
    ]
    # A width alone: the height follows, so that the figure keeps its aspect ratio.
    shown = widgets.Image(format="png", layout={"max_width": f"{int(WIDTH * 100)}px", "width": "99%", "height": "auto"})

    def show(_: Any = None) -> None:
        shown.value = figure_to_png(figure_at(*(slider.value for slider in sliders)))

    for slider in sliders:
        slider.observe(show, "value")
    show()
    # Where there is no room next to each other, one is below the other.
    above = widgets.HBox(sliders, layout={"flex_flow": "row wrap", "max_width": "100%"})
    return widgets.VBox([above, shown], layout={"align_items": "flex-start"})


def _somebody_is_there() -> bool:
    """Whether the cell that runs was sent by a frontend that a person uses: such frontends accept questions."""
    from IPython import get_ipython

    shell = get_ipython()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return bool(parent.get("content", {}).get("allow_stdin"))
