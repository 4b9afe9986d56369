"""Read any mask of a defect as a boolean array, or refuse it in one sentence (chapter 00, docs/data.md)."""

import os

import numpy as np

from adlib.data.images import as_input_error, decode_image, image_name, read_image
from adlib.errors import InputError

FEW, MANY = 4, 32  # values of a mask, 0 included: up to FEW are classes of defect, more than MANY are soft edges


def read_mask(path: str | os.PathLike, size: tuple[int, int] | None = None) -> np.ndarray:
    """A defect mask: (H, W) bool, True on the defect.

    Any non-zero value is defect: 0/255, 0/1, class numbers, palette index other than 0, colour other than black.
    The exception is masks with soft edges, such as those of MTD, where only values above half of the full scale of 8 or
    16 bits (127; 32767) are defect, since the fringe makes a thin crack 1.5 times as large: see `has_soft_edges`.

    path: the mask file.
    size: (W, H) of the image that the mask belongs to; None skips the check.
    Raises InputError if the mask has another size, or cannot be read.
    """
    mask = decode_image(path)
    with as_input_error(image_name(path)):
        if mask.mode in ("P", "1", "F"):  # in a palette the index is the class; its colour means nothing
            values, half = np.asarray(mask), np.inf
        elif mask.mode == "I" or mask.mode.startswith("I;16"):
            values, half = np.asarray(mask), 32767
        else:
            values, half = np.asarray(read_image(mask)).max(axis=2), 127
        mask_array = values > half if has_soft_edges(values, half) else values != 0
    height, width = mask_array.shape
    if size is not None and (width, height) != tuple(size):
        raise InputError(
            f"The mask {image_name(path)} is {width} x {height} pixels but its image is {size[0]} x {size[1]};"
            " give a mask of the image's size."
        )
    return mask_array


def has_soft_edges(values: np.ndarray, half: float) -> bool:
    """Whether a mask's values up to half of its scale are the fringe of soft edges, and not classes of defect.

    Few values are classes and many are soft edges. In between, classes have areas, where a pixel has a neighbour of its
    own value, and a fringe has gradients. The masks of MTD have 6 to 255 values where they have a fringe.

    values: (H, W), 0 is good.
    half: half of the full scale.
    """
    levels = np.unique(values)
    if len(levels) <= FEW or levels[-1] <= half:
        return False
    if len(levels) > MANY:
        return True
    beside = np.zeros(values.shape, dtype=bool)
    beside[:, 1:] = values[:, 1:] == values[:, :-1]
    beside[1:] |= values[1:] == values[:-1]
    low = (values > 0) & (values <= half)
    return 2 * np.count_nonzero(beside & low) <= np.count_nonzero(low)
