"""Poisson blending: a piece is pasted by its gradients, so that no seam shows (chapter 18).

Perez, Gangnet & Blake 2003, 'Poisson Image Editing', ACM SIGGRAPH. Inside the mask the result f has the piece's
gradients as well as it can, and at the mask's edge the values of the image: for every masked pixel p (eq. 7)

    sum over q in N(p) of (f_p - f_q) = sum over q in N(p) of v_pq,    f_q = image_q where q is not masked,

N(p) being the up to four neighbours inside the image and v_pq = piece_p - piece_q (eq. 11); mixed gradients take the
steeper one of piece and image (eq. 12 and 13). SciPy solves the sparse system exactly. OpenCV's `seamlessClone` does
not solve this one: it works in whole numbers of 0 to 255, shrinks the mask by three pixels, and solves over the mask's
bounding box, so that pixels outside the mask change too and a label would be wrong.
"""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu
from torch import Tensor

from adlib.errors import InputError


def blend(image: Tensor, piece: Tensor, mask: Tensor, top: int, left: int, mixed: bool = False) -> Tensor:
    """Paste a piece into an image by Poisson blending.

    A constant added to the piece changes nothing. At the border of the image there is nothing to fit to, so the edge
    is free there. Beyond its own border the piece goes on unchanged: cut it with a margin of at least one pixel.

    image: (C, H, W) in [0, 1].
    piece: (C, h, w) in [0, 1].
    mask: (1, h, w) bool, what of the piece is pasted.
    top: row of the image at which the piece's first row lands.
    left: column of the image at which the piece's first column lands.
    mixed: at each step take the image's gradient where it is steeper than the piece's, for transparent defects.
    Returns (C, H, W) in [0, 1], equal to the image outside the mask.
    Raises InputError for shapes that do not match, a piece that is not inside the image, or a mask that leaves nothing.
    """
    _check(image, piece, mask, top, left)
    # One pixel more on each side, as far as the image goes: the known values around the mask.
    rows = slice(max(top - 1, 0), min(top + mask.shape[1] + 1, image.shape[1]))
    columns = slice(max(left - 1, 0), min(left + mask.shape[2] + 1, image.shape[2]))
    part = np.s_[:, rows.start - top + 1 : rows.stop - top + 1, columns.start - left + 1 : columns.stop - left + 1]
    piece = F.pad(piece[None], (1, 1, 1, 1), mode="replicate")[0][part]
    inside = F.pad(mask, (1, 1, 1, 1))[part][0].cpu()
    result = image.clone()
    if inside.any():
        known = image[:, rows, columns]
        values = torch.from_numpy(_solve(_vectors(known), _vectors(piece), inside.numpy(), mixed))  # (n, C)
        result[:, rows, columns][:, inside] = values.T.to(image).clamp(0, 1)
    return result


def _vectors(image: Tensor) -> np.ndarray:
    """(C, h, w) -> (h * w, C), of double precision."""
    return image.flatten(1).T.double().cpu().numpy()


def _solve(image: np.ndarray, piece: np.ndarray, inside: np.ndarray, mixed: bool) -> np.ndarray:
    """Values of the masked pixels (n, C), from images (h * w, C) and the mask (h, w): eq. 7."""
    start, end = _neighbours(inside)
    step = piece[start] - piece[end]
    if mixed:
        own = image[start] - image[end]
        step = np.where(np.abs(own) > np.abs(step), own, step)
    masked = inside.ravel()
    number, known = np.cumsum(masked) - 1, ~masked[end]
    rows, both = number[start], ~known
    count = int(masked.sum())
    ones = coo_array((np.ones(len(rows)), (rows, rows)), shape=(count, count))
    pairs = coo_array((np.ones(both.sum()), (rows[both], number[end[both]])), shape=(count, count))
    target = np.zeros((count, image.shape[1]))
    np.add.at(target, rows, step + known[:, None] * image[end])
    return splu((ones - pairs).tocsc(), permc_spec="MMD_AT_PLUS_A").solve(target)


def _neighbours(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each masked pixel with each of its neighbours, as numbers of pixels: two arrays."""
    pixels = np.arange(inside.size).reshape(inside.shape)
    pairs = [(pixels[:-1], pixels[1:]), (pixels[:, :-1], pixels[:, 1:])]
    first, second = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    start, end = np.concatenate([first, second]), np.concatenate([second, first])
    masked = inside.ravel()[start]
    return start[masked], end[masked]


def _check(image: Tensor, piece: Tensor, mask: Tensor, top: int, left: int) -> None:
    size = tuple(piece.shape[1:])
    if image.ndim != 3 or piece.ndim != 3 or len(image) != len(piece) or mask.shape != (1, *size):
        raise InputError(
            "Blending needs an image (C, H, W), a piece (C, h, w) and a mask (1, h, w), not "
            f"{tuple(image.shape)}, {tuple(piece.shape)} and {tuple(mask.shape)}."
        )
    if mask.dtype != torch.bool:
        raise InputError(f"The mask of a piece is bool, not {mask.dtype}; compare it with a threshold first.")
    if min(top, left) < 0 or top + size[0] > image.shape[1] or left + size[1] > image.shape[2]:
        raise InputError(
            f"A piece of {size} pixels at row {top}, column {left} is not inside an image of {tuple(image.shape[1:])}."
        )
    if mask.all() and size == tuple(image.shape[1:]):
        raise InputError("The mask covers the whole image, so there are no values at its edge to fit to.")
