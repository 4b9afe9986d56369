"""Squared distances two ways: direct sums, which decide, and matrix products, which are fast and of bounded error.

|x - c|^2 = |x|^2 + |c|^2 - 2 x.c needs one product for many pairs, but a distance near zero vanishes in its rounding.
"""

import torch
from torch import Tensor

VALUES = 2**16  # a float64 workspace on a CPU: half a megabyte, which stays in the cache
GPU_ROWS = 2**16  # on a GPU, where more at once is faster
ROUNDOFFS = {"highest": 2.0**-24, "high": 2.0**-10, "medium": 2.0**-8}  # of PyTorch's float32 matrix products
SPARE_TERMS = 16  # roundings beside those of the D products: of centring, of the squared lengths, of sums with them


def direct_squared_distances(points: Tensor, rows: Tensor, centres: Tensor, columns: Tensor) -> Tensor:
    """(pairs,) float64 squared distances of the pairs (points[rows], centres[columns]).

    points: (N, D); centres: (M, D); rows, columns: (pairs,) int64.
    """
    step = _rows_at_once(points)
    squared = torch.empty(len(rows), dtype=torch.float64, device=points.device)
    for start in range(0, len(rows), step):  # into one tensor: a list of parts leaves the heap full of holes
        part = slice(start, start + step)
        differences = points.index_select(0, rows[part]).double().sub_(centres.index_select(0, columns[part]))
        torch.sum(differences.square_(), 1, out=squared[part])
    return squared


def squared_distances_to(points: Tensor, centre: Tensor) -> Tensor:
    """(N,) float64 squared distances of points (N, D) to one centre (D,)."""
    rows, centre = _rows_at_once(points), centre.double()
    distances = torch.empty(len(points), dtype=torch.float64, device=points.device)
    # One workspace: with temporaries between small results the heap would grow to a float64 copy of all points.
    room = torch.empty(min(rows, len(points)), points.shape[1], dtype=torch.float64, device=points.device)
    for part, found in zip(points.split(rows), distances.split(rows), strict=True):
        difference = torch.sub(part, centre, out=room[: len(part)])
        torch.sum(difference.square_(), 1, out=found)
    return distances


def product_error(like: Tensor) -> float:
    """Bound on the rounding of |x|^2/2 + |c|^2/2 - x.c by a product in `like`'s dtype, as a share of (|x| + |c|)^2.

    like: (N, D). Twice the classic bound, (terms) x (unit roundoff), of Higham 2002, 'Accuracy and Stability of
    Numerical Algorithms', sec. 3.1; the roundoff follows PyTorch's switch for coarser products.
    """
    return 2 * (like.shape[1] + SPARE_TERMS) * ROUNDOFFS[torch.get_float32_matmul_precision()]


def _rows_at_once(points: Tensor) -> int:
    return max(1, VALUES // points.shape[1]) if points.device.type == "cpu" else GPU_ROWS
