"""Coresets: a few patches that represent a whole bank (PatchCore, Roth et al. 2022, algorithm 1; chapter 06).

Greedy k-center (Gonzalez 1985, 'farthest-first traversal'): the next centre is the point farthest from all centres.
`plain_greedy_coreset` is the algorithm; `greedy_coreset` picks the same centres faster, see `_farthest_first.py`.
"""

import math

import numpy as np
import torch
from torch import Tensor

from adlib.bank._farthest_first import ROWS, farthest_first
from adlib.bank.distances import require_range, squared_distances_to
from adlib.bank.neighbours import nearest
from adlib.errors import InputError
from adlib.progress import progress


def plain_greedy_coreset(points: Tensor, first: int, size: int) -> Tensor:
    """Farthest-first traversal by its definition, in N x size distances: (size,) int64 indices, in the order picked.

    points: (N, D) finite floats.
    first: index of the first centre.
    size: number of picks, 1 to N.
    """
    points, picked = points.double(), [first]
    to_nearest = torch.full((len(points),), torch.inf, dtype=torch.float64, device=points.device)
    while len(picked) < size:
        to_newest = (points - points[picked[-1]]).square().sum(1)
        to_nearest = torch.minimum(to_nearest, to_newest)
        to_nearest[picked] = -1  # no point twice, even if others equal it
        picked.append(int(to_nearest.argmax()))
    return torch.tensor(picked, device=points.device)


def coreset_size(n: int, share: float) -> int:
    """Number of patches that a coreset keeps: int(n * share), at least 1.

    n: patches to choose from.
    share: fraction to keep, 0 < share <= 1.
    Raises InputError for any other share and for n < 1.
    """
    if not 0 < share <= 1:
        raise InputError(f"The fraction of patches in a coreset must be in (0, 1], not {share}.")
    if n < 1:
        raise InputError(f"A coreset needs at least one patch to choose from, not {n}.")
    return max(1, int(n * share))


def random_coreset(n: int, size: int, seed: int = 0) -> Tensor:
    """A random choice without replacement of `size` indices below `n`: (size,) int64.

    Raises InputError unless 1 <= size <= n.
    """
    _check_size(n, size)
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:size]


def central_coreset(points: Tensor, size: int, start: int = 0) -> Tensor:
    """Greedy k-center from near the mean: (size,) int64 indices, in the order picked; nothing in it is random.

    points: (N, D) finite floats; few, such as one per image, since the algorithm is the plain one.
    size: number of picks.
    start: the first pick is the nearest point to the mean (0), the second nearest (1) and so on.
    Raises InputError for invalid points, and unless 1 <= size <= N and 0 <= start < N.
    """
    points = _checked_points(points, size)
    if not 0 <= start < len(points):
        raise InputError(f"A coreset of {len(points)} points can start at 0 to {len(points) - 1}, not {start}.")
    from_mean = torch.linalg.vector_norm(points.double() - points.double().mean(dim=0), dim=1)
    return plain_greedy_coreset(points, int(from_mean.argsort(stable=True)[start]), size)


def covering_radius(points: Tensor, chosen_indices: Tensor) -> float:
    """Largest Euclidean distance of a point to its nearest chosen point, >= 0: the objective of k-center.

    points: (N, D) finite floats.
    chosen_indices: (k,) int64.
    """
    return float(nearest(points, points[chosen_indices])[0].max())


def greedy_coreset(points: Tensor, size: int, seed: int = 0, show_progress: bool = True) -> Tensor:
    """Exact greedy k-center in full dimension: (size,) int64 indices, in the order picked, on the points' device.

    It is fast because nearly all distances are skipped, and exact because each skipped distance is proved irrelevant
    (`_farthest_first.py`): many centres are certain without a pass over the N points, and a small matrix product finds
    the points that a new centre may affect.
    The order is that of `plain_greedy_coreset`, wherever two distances differ by more than float64 rounding.
    Among equal points the order is arbitrary; a point is picked once, its duplicates only after every other point.
    Distances are Euclidean and compared in float64. Extra memory: a tenth of float32 points, 16 bytes per point, and a
    workspace of some megabytes.

    points: (N, D) floats, finite, |value| < 1e15.
    size: number of picks.
    seed: of the random first centre.
    Raises InputError for invalid points, and unless 1 <= size <= N.
    """
    points = _checked_points(points, size)
    first = torch.randint(len(points), (1,), generator=torch.Generator().manual_seed(seed)).to(points.device)
    squared = torch.full((len(points),), torch.inf, dtype=torch.float64, device=points.device)
    with progress(total=size, label="coreset", unit="patch", show=show_progress) as bar:
        return farthest_first(points, squared, size, bar, first)


def approximate_greedy_coreset(
    points: Tensor,
    size: int,
    seed: int = 0,
    projection_dims: int = 128,
    starts: int = 10,
    show_progress: bool = True,
) -> Tensor:
    """The coreset algorithm of PatchCore's official code: (size,) int64 indices, in the order picked.

    If D is larger than `projection_dims`, the points are projected by a random matrix of uniform weights. A point's
    first distance is the MEAN of its distances to `starts` random points, none of which is thereby chosen; then, as in
    `greedy_coreset`, the farthest point is picked `size` times and distances shrink.
    It differs from exact greedy in two ways: the projection distorts all distances, and the mean is not a distance to
    any point of the coreset, so a point may stay far from every centre because its mean was small.
    Extra memory: the projected points.

    points: (N, D) floats, finite.
    size: number of picks.
    seed: of the projection and the random points.
    projection_dims: dimension of the projected points.
    starts: number of random points.
    Raises InputError as `greedy_coreset` does.
    """
    points = _checked_points(points, size)
    generator = torch.Generator().manual_seed(seed)
    n, dims = points.shape
    if dims > projection_dims:
        weights = (torch.rand(dims, projection_dims, generator=generator) * 2 - 1) / math.sqrt(dims)
        points = points @ weights.to(points)
    anchors = points[torch.randperm(n, generator=generator)[:starts].to(points.device)]
    squared = torch.zeros(n, dtype=torch.float64, device=points.device)
    for anchor in anchors:
        squared += squared_distances_to(points, anchor).sqrt_()
    squared = squared.div_(len(anchors)).square_()
    with progress(total=size, label="coreset", unit="patch", show=show_progress) as bar:
        return farthest_first(points, squared, size, bar)


def _checked_points(points: Tensor, size: int) -> Tensor:
    if points.ndim != 2 or not points.is_floating_point():
        raise InputError(f"Points must be a floating (N, D) tensor, not {points.dtype} of shape {tuple(points.shape)}.")
    _check_size(len(points), size)
    for start in range(0, len(points), ROWS):
        part = points[start : start + ROWS]
        require_range(part, f"Points {start} to {start + len(part) - 1}")
    points = points.detach()
    return points if points.dtype in (torch.float32, torch.float64) else points.float()


def _check_size(n: int, size: int) -> None:
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or not 1 <= size <= n:
        raise InputError(f"The size of a coreset of {n} points must be a whole number from 1 to {n}, not {size!r}.")
