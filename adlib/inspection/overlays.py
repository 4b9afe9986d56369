"""An anomaly map over its image at the image's own size, pixel by pixel: what `adlib predict` writes.

Same colours and rules as the figures of `adlib.plots`: yellow is anomalous, one scale for all images, set by good
images. Painted in strips of rows, so that large images take little extra memory.
"""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from scipy.ndimage import binary_dilation

from adlib import plots
from adlib.plots.heat import heat_colours

_STRIP = 512
_HALO = 40  # grey level of the dark edge around the white contour


def paint(
    image: Image.Image, anomaly_map: np.ndarray, limits: tuple[float, float], contour: float | None = None
) -> Image.Image:
    """RGB overlay of the image's size: the image in grey and the map's colours over it; NaN stays grey.

    image: any mode and size.
    anomaly_map: (H, W), as the image.
    limits: ends of the colour scale, in units of the score.
    contour: score above which a region is outlined in white; None for no outline.
    """
    low, high = limits
    colours = heat_colours()(np.arange(256))  # (256, RGBA) in [0, 1]
    grey = np.asarray(image.convert("L"))
    out = np.empty((*grey.shape, 3), dtype=np.uint8)
    for start in range(0, len(grey), _STRIP):
        rows = slice(start, start + _STRIP)
        scores = anomaly_map[rows]
        level = np.nan_to_num(np.clip((scores - low) / (high - low), 0, 1)) * 255
        colour = colours[np.round(level).astype(np.uint8)]
        opacity = np.where(np.isnan(scores), 0.0, colour[..., 3])[..., None]
        mixed = grey[rows, :, None] * (1 - opacity) + 255 * colour[..., :3] * opacity
        out[rows] = np.round(mixed).astype(np.uint8)
    if contour is not None:
        with np.errstate(invalid="ignore"):
            _outline(out, anomaly_map > contour)
    return Image.fromarray(out)


def colour_scale(limits: tuple[float, float], contour: float | None = None) -> Figure:
    """The colour bar of all overlays, in units of the score, with the threshold of the outline marked.

    limits: ends of the colour scale.
    contour: threshold of the outline; None for none.
    """
    low, high = limits
    figure, axes = plots.new_figure(6.0, 1.3)
    ax = axes[0, 0]
    ax.imshow(_bar(), extent=(low, high, 0, 1), aspect="auto")
    if contour is not None and low <= contour <= high:
        ax.axvline(contour, color="white", linewidth=2)
    plots.tidy(ax, x_label="anomaly score of a pixel (white: threshold of the outline)", grid="x")
    ax.set_yticks([])
    ax.grid(False)
    return figure


def _bar() -> np.ndarray:
    colours = heat_colours()(np.linspace(0, 1, 256))
    return (colours[:, :3] * colours[:, 3:] + 0.65 * (1 - colours[:, 3:]))[None]


def _outline(pixels: np.ndarray, region: np.ndarray) -> None:
    """Paint the outline just outside the region, so that the inside stays visible; wider on large images."""
    if not region.any():
        return
    width = max(1, round(min(region.shape) / 400))
    outline = binary_dilation(region, iterations=width)
    halo = binary_dilation(outline, iterations=width) & ~outline
    outline &= ~region
    pixels[halo] = _HALO
    pixels[outline] = 255
