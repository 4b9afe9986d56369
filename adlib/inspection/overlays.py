"""An anomaly map laid over its picture at the picture's own size, pixel by pixel: what `adlib predict` writes.

Same colours and rules as the figures of `adlib.plots`: yellow is anomalous, one scale for all pictures, set by good
ones. Painted in strips of rows, so that a picture of any size takes no more memory than it has already.
"""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from scipy.ndimage import binary_dilation

from adlib import plots
from adlib.plots.heat import heat_colours

_STRIP = 512
_HALO = 40  # grey level of the dark line around the white contour


def paint(
    picture: Image.Image, anomaly_map: np.ndarray, limits: tuple[float, float], contour: float | None = None
) -> Image.Image:
    """RGB overlay of the picture's size: the picture in grey, the map's colours over it, NaN left grey.

    anomaly_map: (H, W) as the picture; limits: ends of the colour scale; contour: score above which a region is
    outlined in white, None for no outline.
    """
    low, high = limits
    colours = heat_colours()(np.arange(256))  # (256, RGBA) in [0, 1]
    grey = np.asarray(picture.convert("L"))
    out = np.empty((*grey.shape, 3), dtype=np.uint8)
    for start in range(0, len(grey), _STRIP):
        rows = slice(start, start + _STRIP)
        scores = anomaly_map[rows]
        place = np.nan_to_num(np.clip((scores - low) / (high - low), 0, 1)) * 255
        colour = colours[np.round(place).astype(np.uint8)]
        opacity = np.where(np.isnan(scores), 0.0, colour[..., 3])[..., None]
        mixed = grey[rows, :, None] * (1 - opacity) + 255 * colour[..., :3] * opacity
        out[rows] = np.round(mixed).astype(np.uint8)
    if contour is not None:
        with np.errstate(invalid="ignore"):
            _outline(out, anomaly_map > contour)
    return Image.fromarray(out)


def colour_scale(limits: tuple[float, float], contour: float | None = None) -> Figure:
    """The colour bar of all overlays, in units of the score, the threshold of the outline marked."""
    low, high = limits
    figure, axes = plots.new_figure(6.0, 1.3)
    ax = axes[0, 0]
    ax.imshow(_bar(), extent=(low, high, 0, 1), aspect="auto")
    if contour is not None and low <= contour <= high:
        ax.axvline(contour, color="white", linewidth=2)
    plots.tidy(ax, x_label="anomaly score of a pixel (white line: outlined above it)", grid="x")
    ax.set_yticks([])
    ax.grid(False)
    return figure


def _bar() -> np.ndarray:
    colours = heat_colours()(np.linspace(0, 1, 256))
    return (colours[:, :3] * colours[:, 3:] + 0.65 * (1 - colours[:, 3:]))[None]


def _outline(pixels: np.ndarray, region: np.ndarray) -> None:
    """Draw the outline just outside the region, so that what is inside stays visible; wider on large pictures."""
    if not region.any():
        return
    width = max(1, round(min(region.shape) / 400))
    line = binary_dilation(region, iterations=width)
    halo = binary_dilation(line, iterations=width) & ~line
    line &= ~region
    pixels[halo] = _HALO
    pixels[line] = 255
