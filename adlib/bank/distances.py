"""Squared distances by direct sums, which are exact, and the error bound of matrix products, which are fast.

|x - c|^2 = |x|^2 + |c|^2 - 2 x.c needs one product for many pairs, but rounding hides distances near zero.
"""

import torch
from torch import Tensor

from adlib.errors import InputError

VALUES = 2**16  # of a float64 workspace on a CPU: half a megabyte, which stays in the cache
GPU_ROWS = 2**16  # on a GPU, where larger blocks are faster
ROUNDOFFS = {"highest": 2.0**-24, "high": 2.0**-10, "medium": 2.0**-8}  # of PyTorch's float32 matrix products
LARGEST = 1e15  # float32 holds the squares of such values, and their sums
SPARE_TERMS = 16  # roundings in addition to those of the D products: centring, squared lengths and their sums


def require_range(values: Tensor, what: str) -> None:
    """InputError where values (N, D) are not finite or not below 1e15 in size; what: the beginning of the sentence."""
    if not len(values):
        return
    smallest, largest = values.aminmax()
    if not (-LARGEST < float(smallest) and float(largest) < LARGEST):  # NaN compares as false
        raise InputError(f"{what} hold NaN, infinity or values of 1e15 and more; leave such patches out.")


def direct_squared_distances(points: Tensor, rows: Tensor, centres: Tensor, columns: Tensor) -> Tensor:
    """(pairs,) float64 squared distances of the pairs (points[rows], centres[columns]).

    points: (N, D).
    rows: (pairs,) int64, into points.
    centres: (M, D).
    columns: (pairs,) int64, into centres.
    """
    step = _rows_at_once(points)
    squared = torch.empty(len(rows), dtype=torch.float64, device=points.device)
    for start in range(0, len(rows), step):  # into one tensor: a list of parts would fragment the heap
        part = slice(start, start + step)
        differences = points.index_select(0, rows[part]).double().sub_(centres.index_select(0, columns[part]))
        torch.sum(differences.square_(), 1, out=squared[part])
    return squared


def squared_distances_to(points: Tensor, centre: Tensor) -> Tensor:
    """(N,) float64 squared distances of points (N, D) to one centre (D,)."""
    rows, centre = _rows_at_once(points), centre.double()
    distances = torch.empty(len(points), dtype=torch.float64, device=points.device)
    # One workspace: temporaries between small results would grow the heap by a float64 copy of all points.
    room = torch.empty(min(rows, len(points)), points.shape[1], dtype=torch.float64, device=points.device)
    for part, result in zip(points.split(rows), distances.split(rows), strict=True):
        difference = torch.sub(part, centre, out=room[: len(part)])
        torch.sum(difference.square_(), 1, out=result)
    return distances


def product_error(like: Tensor) -> float:
    """Bound on the rounding of |x|^2/2 + |c|^2/2 - x.c by a product in `like`'s dtype, relative to (|x| + |c|)^2.

    Twice the classic bound, (terms) x (unit roundoff), of Higham 2002, 'Accuracy and Stability of Numerical
    Algorithms', sec. 3.1; the roundoff follows PyTorch's setting for coarser products.

    like: (N, D), for its dimension and dtype.
    """
    return 2 * (like.shape[1] + SPARE_TERMS) * ROUNDOFFS[torch.get_float32_matmul_precision()]


def _rows_at_once(points: Tensor) -> int:
    return max(1, VALUES // points.shape[1]) if points.device.type == "cpu" else GPU_ROWS
