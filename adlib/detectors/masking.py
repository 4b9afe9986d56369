"""AnomalyDINO's object mask: which patches of a picture show the part, and which the background.

Damm et al. 2025, sec. 3.2, taught in chapter 21. The first principal component of a picture's own DINOv2 tokens
separates object from background where the object leaves enough background to see; on close-ups it cuts the object
itself in two. The mask test tells the one from the other on the first reference picture.
"""

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion
from sklearn.decomposition import PCA

from adlib.errors import InputError

THRESHOLD = 10.0  # in units of unnormalised DINOv2 tokens after the final norm
CENTRE_SHARE = 0.35  # the sign flips where the central box keeps no more of its patches than this
# A passing mask covers at most this share of the picture and of its outermost ring of patches. The paper judges the
# first mask by eye; these two numbers stand for what the eye looks for: an object that lies inside the picture.
LARGEST_SHARE = 0.6
LARGEST_RING_SHARE = 0.35


def object_mask(tokens: np.ndarray, grid: tuple[int, int], threshold: float = THRESHOLD) -> np.ndarray:
    """Mask of the object's patches, True on the object.

    tokens: (h * w, D) patch tokens before any normalisation of their length; grid: (h, w).
    First principal component > threshold; if the central 60% x 60% box keeps at most 35% of its patches, the other
    sign; then a dilation and a closing with a 3 x 3 square. Returns (h, w) bool.
    Raises InputError where tokens and grid disagree.
    """
    height, width = grid
    if len(tokens) != height * width:
        raise InputError(f"{len(tokens)} tokens do not fill a grid of {height} x {width} patches.")
    component = PCA(n_components=1, svd_solver="full").fit_transform(np.asarray(tokens, dtype=np.float32))[:, 0]
    mask = component.reshape(grid) > threshold
    centre = mask[int(height * 0.2) : int(height * 0.8), int(width * 0.2) : int(width * 0.8)]
    if centre.sum() <= centre.size * CENTRE_SHARE:
        mask = -component.reshape(grid) > threshold
    square = np.ones((3, 3), dtype=bool)
    mask = binary_dilation(mask, square)
    # A closing by hand, because scipy's own eats an object that touches the border; image libraries do not.
    return binary_erosion(binary_dilation(mask, square), square, border_value=1)


def mask_test(mask: np.ndarray) -> bool:
    """Whether a mask (h, w) of the first reference picture separates an object: not empty, not all, not cut off."""
    ring = np.ones(mask.shape, dtype=bool)
    ring[1:-1, 1:-1] = False
    return bool(mask.any() and mask.mean() <= LARGEST_SHARE and mask[ring].mean() <= LARGEST_RING_SHARE)
