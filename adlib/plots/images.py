"""Pictures: anomaly maps laid over their image, galleries with one shared colour scale, contact sheets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adlib.errors import InputError
from adlib.plots.figure import new_figure
from adlib.plots.heat import as_limits, colour_bar, heat_colours
from adlib.plots.pictures import as_picture
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
    """One anomaly map over its image in grey: yellow is anomalous, hatched was not looked at (NaN).

    image: PIL image or array, (h, w) or (h, w, 3); uint8, bool, or floats in [0, 1].
    anomaly_map: (h, w), or a coarser patch grid, which is drawn as blocks. limits: from `colour_limits`.
    threshold: outlined in white where the map is above it, and marked on the colour bar.
    mask: true defect region (h, w), nonzero inside, outlined in blue.
    ax: draw here, without a colour bar, instead of into a new figure.
    """
    norm = Normalize(*as_limits(limits))
    picture = as_picture(image)
    if ax is not None:
        _draw_map(ax, picture, anomaly_map, norm, threshold, mask)
        ax.set_title(showable(title))
        return ax.get_figure()
    figure, axes = _grid([picture], 1, 1, [title], bar=True)
    _draw_map(axes[0, 0], picture, anomaly_map, norm, threshold, mask)
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

    images, maps, masks, threshold: as in `overlay`, one entry per image; a mask may be None (none known).
    Masks are outlined on the maps, or on a second row of images where there are no maps.
    titles: one per image, of any length and script; a line too long is shortened in its middle.
    limits: needed with maps: `colour_limits(maps of normal images)`. There is no scaling per image.
    columns: images side by side; chosen by their shape if None.
    beside: maps to the right of their images instead of below them.
    """
    pictures = _as_pictures(images)
    maps = _one_each(maps, "maps", len(pictures))
    masks = _one_each(masks, "masks", len(pictures))
    norm = Normalize(*as_limits(limits)) if maps else None
    if threshold is not None and not maps:
        raise InputError("gallery got a threshold but no maps; pass the anomaly maps too, or leave the threshold out.")
    rows = 2 if maps or masks else 1
    figure, axes = (_pairs if beside and rows == 2 else _grid)(pictures, rows, columns, titles, bar=bool(maps))
    for number, picture in enumerate(pictures):
        _draw_picture(axes[number, 0], picture)
        mask = masks[number] if masks else None
        if maps:
            _draw_map(axes[number, 1], picture, maps[number], norm, threshold, mask)
        elif masks:
            _draw_picture(axes[number, 1], picture)
            _outline(axes[number, 1], _as_mask(mask), picture.shape, TRUTH, "ground truth")
    if maps:
        colour_bar(figure, np.array(figure.axes), norm, threshold)
    outlined = bool(masks) and any(mask is not None and np.any(mask) for mask in masks)
    _explain_outlines(figure, outlined, threshold is not None)
    return figure


@styled
def contact_sheet(images: Sequence[Any], titles: Sequence[str] | None = None, columns: int | None = None) -> Figure:
    """A plain grid of images, smaller than a gallery's: what a data set looks like."""
    pictures = _as_pictures(images)
    figure, axes = _grid(pictures, 1, columns or _columns_for(pictures, most=6), titles, bar=False)
    for number, picture in enumerate(pictures):
        _draw_picture(axes[number, 0], picture)
    return figure


@styled
def picture_rows(rows: Mapping[str, Sequence[Any]], titles: Sequence[str] | None = None) -> Figure:
    """Labelled rows of pictures, a column per sample: {"input": [...], "reconstruction": [...], ...}, equally long.

    For pictures only; anomaly scores belong into `gallery`, where they get a shared scale.
    """
    lengths = {len(pictures) for pictures in rows.values()}
    if len(lengths) != 1:
        raise InputError(f"the rows {list(rows)} have {sorted(lengths)} pictures; give each row the same number.")
    drawn = [_as_pictures(pictures) for pictures in rows.values()]
    count = lengths.pop()
    figure, axes = _grid(drawn[0], len(rows), count, titles, bar=False)
    for row, (label, pictures) in enumerate(zip(rows, drawn, strict=True)):
        axes[0, row].set_ylabel(showable(shorten(label, 24)), fontsize=FONT_SIZE - 1)
        for number in range(count):
            _draw_picture(axes[number, row], pictures[number])
    return figure


def _as_pictures(images: Sequence[Any]) -> list[np.ndarray]:
    if len(images) == 0:
        raise InputError("there is no image to draw; pass at least one.")
    return [as_picture(image) for image in images]


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


def _columns_for(pictures: list[np.ndarray], most: int = 4) -> int:
    """Fewer columns for wider images: weld radiographs eight times as wide as high stand below each other."""
    aspect = float(np.median([picture.shape[1] / picture.shape[0] for picture in pictures]))
    fitting = int(np.clip(round(most / aspect**0.7), 1, most + 2))
    return -(-len(pictures) // -(-len(pictures) // fitting))  # six pictures: 3 + 3 rather than 4 + 2


def _grid(
    pictures: list[np.ndarray], rows: int, columns: int | None, titles: Sequence[str] | None, bar: bool
) -> tuple[Figure, np.ndarray]:
    """A figure with `rows` empty axes below each other per picture, and these axes as an array (pictures, rows)."""
    if columns is not None and columns < 1:
        raise InputError(f"columns is {columns}; pass 1 or more.")
    count = len(pictures)
    columns = min(columns or _columns_for(pictures), count)
    blocks = -(-count // columns)
    shapes = np.array([picture.shape[:2] for picture in pictures])
    tallness = shapes[:, 0] / shapes[:, 1]
    side = _BAR if bar else 0.0
    cell = min((WIDTH - side) / columns, 3.6 / columns**0.5 * max(1.0, 1 / np.median(tallness)) ** 0.9)
    letters = int((cell - 0.1) / _LETTER)
    names = [shorten(name, letters) for name in _one_each(titles, "titles", count)]
    lines = max((name.count("\n") + 1 for name in names if name), default=0)
    # A block is as high as its tallest picture; a needle is kept from filling the screen.
    heights = [min(tallness[start : start + columns].max(), 1.6) * cell for start in range(0, count, columns)]
    height = rows * sum(heights) + blocks * (lines * 0.17 + rows * 0.06) + (0.3 if rows > 1 or bar else 0.05)
    ratios = [height for height in heights for _ in range(rows)]
    figure, cells = new_figure(cell * columns + side, max(height, 2.2 if bar else 0.6), blocks * rows, columns, ratios)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.01, hspace=0.01)
    for ax in cells.flat:
        ax.set(xticks=[], yticks=[], anchor="N")
        ax.spines[:].set_visible(False)
    # (blocks, rows, columns) -> one line of axes per picture
    axes = cells.reshape(blocks, rows, columns).transpose(0, 2, 1).reshape(blocks * columns, rows)
    for number, name in enumerate(names):
        axes[number, 0].set_title(showable(name), fontsize=FONT_SIZE - 1, pad=4)
    return figure, axes


def _pairs(
    pictures: list[np.ndarray], rows: int, columns: int | None, titles: Sequence[str] | None, bar: bool
) -> tuple[Figure, np.ndarray]:
    """As `_grid` for two rows, with the second axes of a picture to the right of its first."""
    doubled = [picture for picture in pictures for _ in range(rows)]
    spaced = None if titles is None else [text for title in titles for text in (title, *[""] * (rows - 1))]
    figure, axes = _grid(doubled, 1, columns and rows * columns, spaced, bar)
    return figure, axes[: len(doubled)].reshape(len(pictures), rows)


def _draw_picture(ax: Axes, picture: np.ndarray) -> None:
    ax.imshow(picture, cmap="gray", vmin=0, vmax=1)


def _draw_map(
    ax: Axes,
    picture: np.ndarray,
    anomaly_map: np.ndarray,
    norm: Normalize,
    threshold: float | None,
    mask: np.ndarray | None,
) -> None:
    scores = np.asarray(anomaly_map, dtype=float)
    if scores.ndim != 2 or scores.size == 0:
        raise InputError(f"an anomaly map has shape {scores.shape}; pass one (h, w) map per image.")
    height, width = picture.shape[:2]
    grey = picture if picture.ndim == 2 else picture @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    _draw_picture(ax, grey)
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
    """x, y and the region at the picture's size inside a frame of zeros, so that outlines close at the border."""
    rows, columns = (np.arange(new) * old // new for new, old in zip(shape, region.shape, strict=True))
    framed = np.pad(region[np.ix_(rows, columns)].astype(np.uint8), 1)
    return np.arange(-1, shape[1] + 1), np.arange(-1, shape[0] + 1), framed


def _explain_outlines(figure: Figure, truth: bool, threshold: bool) -> None:
    shown = [(TRUTH, "true defect")] * truth + [(ABOVE, "above the threshold")] * threshold
    if shown:
        lines = [Line2D([], [], color=colour, path_effects=_HALO, label=name) for colour, name in shown]
        figure.legend(handles=lines, loc="outside lower center", ncols=2, labelcolor=INK)
