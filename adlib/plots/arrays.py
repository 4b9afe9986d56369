"""Images as float arrays for plotting, and images or figures as data URIs for self-contained reports."""

import base64
import io
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from adlib.errors import InputError
from adlib.plots.figure import figure_to_png


def as_array(image: Any) -> np.ndarray:
    """A PIL image or array as floats in [0, 1], (h, w) or (h, w, 3).

    Integers of more than 8 bits (radiographs) are scaled from [minimum, maximum] to [0, 1]. Transparency is dropped.

    image: PIL image or array, (h, w), (h, w, 1), (h, w, 3) or (h, w, 4).
    Raises InputError for other shapes and for floats outside [0, 1].
    """
    array = np.asarray(image.convert("RGB") if getattr(image, "mode", "") in ("P", "CMYK", "LA", "RGBA") else image)
    if array.ndim == 3 and array.shape[2] in (1, 4):
        array = array[..., 0] if array.shape[2] == 1 else array[..., :3]
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)):
        raise InputError(f"an image has shape {array.shape}; pass (h, w) or (h, w, 3), channels last.")
    if array.dtype == np.uint8:
        return array / np.float32(255)
    if array.dtype == bool:
        return array.astype(np.float32)
    if np.issubdtype(array.dtype, np.integer):
        low, high = int(array.min()), int(array.max())
        return ((array.astype(np.float64) - low) / max(high - low, 1)).astype(np.float32)
    array = array.astype(np.float32)
    if not (array.min() >= -1e-3 and array.max() <= 1 + 1e-3):
        raise InputError(
            f"an image of floats has values from {array.min():.3g} to {array.max():.3g}; scale it to [0, 1], "
            "and undo the network's normalisation first."
        )
    return array.clip(0, 1)


def png_data_uri(image: Figure | Any, dpi: int = 100) -> str:
    """'data:image/png;base64,...' for <img src>.

    image: a figure, or an image as in `as_array`.
    dpi: resolution of a figure.
    """
    if isinstance(image, Figure):
        content = figure_to_png(image, dpi)
    else:
        buffer = io.BytesIO()
        Image.fromarray(np.round(as_array(image) * 255).astype(np.uint8)).save(buffer, format="PNG", optimize=True)
        content = buffer.getvalue()
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")
