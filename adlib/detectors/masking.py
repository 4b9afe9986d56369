"""AnomalyDINO's object mask: which patches of an image show the object, and which the background.

Damm et al. 2025, sec. 3.2; chapter 21. The first principal component of an image's own DINOv2 tokens separates object
from background where enough background is visible; on close-ups it splits the object instead. The mask test detects
this on the first reference image.
"""

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion
from sklearn.decomposition import PCA

from adlib.errors import InputError, check_choice

THRESHOLD = 10.0  # in units of unnormalised DINOv2 tokens after the final norm
CENTRE_SHARE = 0.35  # the sign flips where the mask keeps at most this fraction of the central box
# A mask that passes the test covers at most these fractions of the image and of its outermost ring of patches. The
# paper judges the first mask by eye; the two numbers replace the eye: the object must be inside the image.
LARGEST_SHARE = 0.6
LARGEST_RING_SHARE = 0.35
GROWTHS = ("grid", "column")


def object_mask(
    tokens: np.ndarray, grid: tuple[int, int], threshold: float = THRESHOLD, growth: str = "grid"
) -> np.ndarray:
    """Mask of the object's patches, True on the object.

    The mask is where the first principal component exceeds the threshold; if it keeps at most 35% of the central
    60% x 60% box, the sign is flipped; then it grows by a dilation and a closing.

    tokens: (h * w, D) patch tokens before any normalisation of their length.
    grid: (h, w).
    threshold: of the first principal component.
    growth: see `grown`.
    Returns (h, w) bool.
    Raises InputError where tokens and grid disagree, and for an unknown growth.
    """
    height, width = grid
    if len(tokens) != height * width:
        raise InputError(f"{len(tokens)} tokens do not fill a grid of {height} x {width} patches.")
    component = PCA(n_components=1, svd_solver="full").fit_transform(np.asarray(tokens, dtype=np.float32))[:, 0]
    mask = component.reshape(grid) > threshold
    centre = mask[int(height * 0.2) : int(height * 0.8), int(width * 0.2) : int(width * 0.8)]
    if centre.sum() <= centre.size * CENTRE_SHARE:
        mask = -component.reshape(grid) > threshold
    return grown(mask, growth)


def grown(mask: np.ndarray, growth: str = "grid") -> np.ndarray:
    """A mask (h, w) bool after a dilation and a closing.

    growth: "grid" with a 3 x 3 square. "column" is what AnomalyDINO's official code computes: there the patches are one
        column, row after row, so the mask grows by one patch to the left and right, and from the end of a row to the
        start of the next.
    Raises InputError for an unknown growth.
    """
    check_choice("mask growth", growth, GROWTHS)
    patches = mask if growth == "grid" else mask.ravel()
    window = np.ones((3,) * patches.ndim, dtype=bool)
    patches = binary_dilation(patches, window)
    # Not scipy's binary_closing: it erodes objects that touch the border; image libraries do not.
    return binary_erosion(binary_dilation(patches, window), window, border_value=1).reshape(mask.shape)


def mask_test(mask: np.ndarray) -> bool:
    """Whether a mask (h, w) of the first reference image separates an object: not empty, not all, not cut off."""
    ring = np.ones(mask.shape, dtype=bool)
    ring[1:-1, 1:-1] = False
    return bool(mask.any() and mask.mean() <= LARGEST_SHARE and mask[ring].mean() <= LARGEST_RING_SHARE)
