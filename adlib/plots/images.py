"""Images: anomaly maps over their image, galleries with one shared colour scale, contact sheets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adlib.errors import InputError
from adlib.plots.arrays import as_array
from adlib.plots.figure import new_figure
from adlib.plots.heat import as_limits, colour_bar, heat_colours
from adlib.plots.style import FONT_SIZE, INK, WIDTH, shorten, showable, styled

TRUTH = "#56B4E9"
ABOVE = "#FFFFFF"
_HALO = [patheffects.withStroke(linewidth=2.4, foreground="#000000B0")]
_LETTER = 0.086  # inches: a half-width character of the titles
_BAR = 1.15  # inches: the colour bar with its labels


@styled
def overlay(
    image: Any,
    anomaly_map: np.ndarray,
    limits: tuple[float, float],
    threshold: float | None = None,
    *,
    mask: np.ndarray | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Figure:
    """One anomaly map over its image in grey: yellow is anomalous, hatched was not seen (NaN).

    image: PIL image or array, (h, w) or (h, w, 3); uint8, bool, or floats in [0, 1].
    anomaly_map: (h, w), or a coarser patch grid, which shows as blocks.
    limits: from `colour_limits`.
    threshold: regions above it are outlined in white, and it is marked on the colour bar; None for none.
    mask: true defect region (h, w), nonzero inside, outlined in blue; None for none.
    title: over the image.
    ax: axes to plot into, without a colour bar; None for a new figure.
    """
    norm = Normalize(*as_limits(limits))
    array = as_array(image)
    if ax is not None:
        show_map(ax, array, anomaly_map, norm, threshold, mask)
        ax.set_title(showable(title))
        return ax.get_figure()
    figure, axes = _grid([array], 1, 1, [title], bar=True)
    show_map(axes[0, 0], array, anomaly_map, norm, threshold, mask)
    colour_bar(figure, axes, norm, threshold)
    _explain_outlines(figure, mask is not None, threshold is not None)
    return figure


@styled
def gallery(
    images: Sequence[Any],
    maps: Sequence[np.ndarray] | None = None,
    masks: Sequence[np.ndarray | None] | None = None,
    *,
    titles: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
    threshold: float | None = None,
    columns: int | None = None,
    beside: bool = False,
) -> Figure:
    """Images above their anomaly maps, all maps on ONE colour scale; show a good image with the defective ones.

    images: as in `overlay`.
    maps: one anomaly map per image, as in `overlay`; None for none.
    masks: one mask per image, or None where it is unknown. Masks are outlined on the maps, or on a second row of images
        where there are no maps.
    titles: one per image, of any length and script; a long line is shortened in its middle.
    limits: required with maps: `colour_limits(maps of normal images)`. There is no scaling per image.
    threshold: as in `overlay`.
    columns: images per row; None to choose by their shape.
    beside: whether maps are to the right of their images instead of below them.
    """
    arrays = _as_arrays(images)
    maps = _one_each(maps, "maps", len(arrays))
    masks = _one_each(masks, "masks", len(arrays))
    norm = Normalize(*as_limits(limits)) if maps else None
    if threshold is not None and not maps:
        raise InputError("gallery got a threshold but no maps; pass the anomaly maps too, or omit the threshold.")
    rows = 2 if maps or masks else 1
    figure, axes = (_pairs if beside and rows == 2 else _grid)(arrays, rows, columns, titles, bar=bool(maps))
    for number, array in enumerate(arrays):
        show_image(axes[number, 0], array)
        mask = masks[number] if masks else None
        if maps:
            show_map(axes[number, 1], array, maps[number], norm, threshold, mask)
        elif masks:
            show_image(axes[number, 1], array)
            _outline(axes[number, 1], _as_mask(mask), array.shape, TRUTH, "ground truth")
    if maps:
        colour_bar(figure, np.array(figure.axes), norm, threshold)
    outlined = bool(masks) and any(mask is not None and np.any(mask) for mask in masks)
    _explain_outlines(figure, outlined, threshold is not None)
    return figure


@styled
def reconstructions(
    images: Sequence[Any],
    returned: Sequence[Any],
    maps: Sequence[np.ndarray],
    masks: Sequence[np.ndarray | None] | None = None,
    *,
    limits: tuple[float, float],
    titles: Sequence[str] | None = None,
    gain: float = 1.0,
) -> Figure:
    """Images, their reconstructions and their anomaly maps in three rows, all maps on one colour scale.

    images, maps, masks, titles, limits: as in `gallery`.
    returned: one reconstruction per image, as in `overlay`; values outside [0, 1] are clipped.
    gain: factor of the brightness of images and reconstructions, for dark ones.
    """
    arrays = _as_arrays(images, gain)
    backs = _one_each(_as_arrays([np.clip(one, 0, 1) for one in returned], gain), "reconstructions", len(arrays))
    maps, masks = _one_each(maps, "maps", len(arrays)), _one_each(masks, "masks", len(arrays))
    norm = Normalize(*as_limits(limits))
    figure, axes = _grid(arrays, 3, len(arrays), titles, bar=True)
    for number, array in enumerate(arrays):
        show_image(axes[number, 0], array)
        show_image(axes[number, 1], backs[number])
        show_map(axes[number, 2], array, maps[number], norm, None, masks[number] if masks else None)
    for ax, label in zip(axes[0], ("image", "reconstruction", "anomaly map"), strict=True):
        ax.set_ylabel(label, fontsize=FONT_SIZE - 1)
    colour_bar(figure, axes[:, 2], norm)
    _explain_outlines(figure, bool(masks) and any(mask is not None and np.any(mask) for mask in masks), False)
    return figure


@styled
def map_steps(
    image: Any,
    maps: Mapping[str, np.ndarray],
    *,
    limits: tuple[float, float],
    mask: np.ndarray | None = None,
    title: str = "image",
) -> Figure:
    """One image and several maps of it in a row, such as patch scores and the map made of them, on one colour scale.

    image, limits, mask: as in `overlay`; the mask is outlined on every map.
    maps: title -> map, as in `overlay`.
    title: over the image.
    """
    norm, array = Normalize(*as_limits(limits)), as_array(image)
    count = 1 + len(maps)
    figure, axes = _grid([array] * count, 1, count, [title, *maps], bar=True)
    show_image(axes[0, 0], array)
    for ax, scores in zip(axes[1:, 0], maps.values(), strict=True):
        show_map(ax, array, scores, norm, None, mask)
    colour_bar(figure, axes, norm)
    _explain_outlines(figure, mask is not None and bool(np.any(mask)), False)
    return figure


@styled
def contact_sheet(images: Sequence[Any], titles: Sequence[str] | None = None, columns: int | None = None) -> Figure:
    """A plain grid of images, smaller than a gallery's, to show a data set.

    images: as in `overlay`.
    titles: one per image.
    columns: images per row; None to choose by their shape.
    """
    arrays = _as_arrays(images)
    figure, axes = _grid(arrays, 1, columns or _columns_for(arrays, most=6), titles, bar=False)
    for number, array in enumerate(arrays):
        show_image(axes[number, 0], array)
    return figure


@styled
def picture_rows(
    rows: Mapping[str, Sequence[Any]], titles: Sequence[str] | None = None, *, gain: float = 1.0
) -> Figure:
    """Labelled rows of images, one column per sample.

    For images only; anomaly maps belong in `gallery`, where they have a shared scale.

    rows: {"input": [...], "reconstruction": [...], ...}, of equal lengths.
    titles: one per column.
    gain: factor of the brightness, for dark images.
    """
    lengths = {len(images) for images in rows.values()}
    if len(lengths) != 1:
        raise InputError(f"the rows {list(rows)} have {sorted(lengths)} images; give each row the same number.")
    array_rows = [_as_arrays(images, gain) for images in rows.values()]
    count = lengths.pop()
    figure, axes = _grid(array_rows[0], len(rows), count, titles, bar=False)
    for row, (label, arrays) in enumerate(zip(rows, array_rows, strict=True)):
        axes[0, row].set_ylabel(showable(shorten(label, 24)), fontsize=FONT_SIZE - 1)
        for number in range(count):
            show_image(axes[number, row], arrays[number])
    return figure


def _as_arrays(images: Sequence[Any], gain: float = 1.0) -> list[np.ndarray]:
    if len(images) == 0:
        raise InputError("there is no image to plot; pass at least one.")
    return [np.minimum(gain * as_array(image), 1) for image in images]


def _one_each(values: Sequence[Any] | None, name: str, count: int) -> list[Any]:
    if values is None:
        return []
    if len(values) != count:
        raise InputError(f"there are {count} images but {len(values)} {name}; pass one for each image.")
    return list(values)


def _as_mask(mask: Any) -> np.ndarray | None:
    if mask is None:
        return None
    array = np.asarray(mask)
    return (array.any(axis=2) if array.ndim == 3 else array) != 0


def _columns_for(arrays: list[np.ndarray], most: int = 4) -> int:
    """Fewer columns for wider images: weld radiographs eight times as wide as high are stacked."""
    aspect = float(np.median([array.shape[1] / array.shape[0] for array in arrays]))
    fitting = int(np.clip(round(most / aspect**0.7), 1, most + 2))
    return -(-len(arrays) // -(-len(arrays) // fitting))  # six images: 3 + 3 rather than 4 + 2


def _grid(
    arrays: list[np.ndarray], rows: int, columns: int | None, titles: Sequence[str] | None, bar: bool
) -> tuple[Figure, np.ndarray]:
    """A figure with a column of `rows` empty axes per image, and these axes as an array (images, rows)."""
    if columns is not None and columns < 1:
        raise InputError(f"columns is {columns}; pass 1 or more.")
    count = len(arrays)
    columns = min(columns or _columns_for(arrays), count)
    blocks = -(-count // columns)
    shapes = np.array([array.shape[:2] for array in arrays])
    tallness = shapes[:, 0] / shapes[:, 1]
    side = _BAR if bar else 0.0
    cell = min((WIDTH - side) / columns, 3.6 / columns**0.5 * max(1.0, 1 / np.median(tallness)) ** 0.9)
    letters = int((cell - 0.1) / _LETTER)
    names = [shorten(name, letters) for name in _one_each(titles, "titles", count)]
    lines = max((name.count("\n") + 1 for name in names if name), default=0)
    # A block is as high as its tallest image, up to a limit for very tall images.
    heights = [min(tallness[start : start + columns].max(), 1.6) * cell for start in range(0, count, columns)]
    height = rows * sum(heights) + blocks * (lines * 0.17 + rows * 0.06) + (0.3 if rows > 1 or bar else 0.05)
    ratios = [height for height in heights for _ in range(rows)]
    figure, cells = new_figure(cell * columns + side, max(height, 2.2 if bar else 0.6), blocks * rows, columns, ratios)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.01, hspace=0.01)
    for ax in cells.flat:
        ax.set(xticks=[], yticks=[], anchor="N")
        ax.spines[:].set_visible(False)
    # (blocks, rows, columns) -> one row of axes per image
    axes = cells.reshape(blocks, rows, columns).transpose(0, 2, 1).reshape(blocks * columns, rows)
    for number, name in enumerate(names):
        axes[number, 0].set_title(showable(name), fontsize=FONT_SIZE - 1, pad=4)
    return figure, axes


def _pairs(
    arrays: list[np.ndarray], rows: int, columns: int | None, titles: Sequence[str] | None, bar: bool
) -> tuple[Figure, np.ndarray]:
    """As `_grid` for two rows, with the second axes of an image to the right of its first."""
    doubled = [array for array in arrays for _ in range(rows)]
    spaced = None if titles is None else [text for title in titles for text in (title, *[""] * (rows - 1))]
    figure, axes = _grid(doubled, 1, columns and rows * columns, spaced, bar)
    return figure, axes[: len(doubled)].reshape(len(arrays), rows)


def show_image(ax: Axes, array: np.ndarray) -> None:
    """An image on axes: (h, w) in grey, or (h, w, 3), of floats in [0, 1]."""
    ax.imshow(array, cmap="gray", vmin=0, vmax=1)


def show_map(
    ax: Axes,
    array: np.ndarray,
    anomaly_map: np.ndarray,
    norm: Normalize,
    threshold: float | None = None,
    mask: np.ndarray | None = None,
) -> None:
    """An anomaly map over its image in grey; the arguments are those of `overlay`."""
    scores = np.asarray(anomaly_map, dtype=float)
    if scores.ndim != 2 or scores.size == 0:
        raise InputError(f"an anomaly map has shape {scores.shape}; pass one (h, w) map per image.")
    height, width = array.shape[:2]
    grey = array if array.ndim == 2 else array @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    show_image(ax, grey)
    ax.imshow(
        scores,
        cmap=heat_colours(),
        norm=norm,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation="nearest" if scores.shape != (height, width) else None,
        gid="anomaly map",
    )
    unseen = np.isnan(scores)
    if unseen.any():
        hatched = ax.contourf(*_framed(unseen, (height, width)), levels=[0.5, 2], colors="none", hatches=["////"])
        hatched.set_edgecolor("#9A9A9A")
        hatched.set_linewidth(0)
    _outline(ax, _as_mask(mask), (height, width), TRUTH, "ground truth")
    if threshold is not None:
        with np.errstate(invalid="ignore"):
            _outline(ax, scores > threshold, (height, width), ABOVE, "above threshold")
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def _outline(ax: Axes, region: np.ndarray | None, shape: tuple[int, ...], colour: str, name: str) -> None:
    if region is None or not region.any():
        return
    lines = ax.contour(*_framed(region, shape[:2]), levels=[0.5], colors=colour, linewidths=1.2)
    lines.set(path_effects=_HALO, gid=name)


def _framed(region: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y and the region at the image's size inside a frame of zeros, so that outlines close at the border."""
    rows, columns = (np.arange(new) * old // new for new, old in zip(shape, region.shape, strict=True))
    framed = np.pad(region[np.ix_(rows, columns)].astype(np.uint8), 1)
    return np.arange(-1, shape[1] + 1), np.arange(-1, shape[0] + 1), framed


def _explain_outlines(figure: Figure, truth: bool, threshold: bool) -> None:
    shown = [(TRUTH, "true defect")] * truth + [(ABOVE, "above the threshold")] * threshold
    if shown:
        lines = [Line2D([], [], color=colour, path_effects=_HALO, label=name) for colour, name in shown]
        figure.legend(handles=lines, loc="outside lower center", ncols=2, labelcolor=INK)
