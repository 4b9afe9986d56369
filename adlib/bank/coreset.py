"""Coresets: the few patches that stand for a whole bank (PatchCore, Roth et al. 2022, algorithm 1; chapter 06).

Greedy k-center (Gonzalez 1985, 'farthest-first traversal'): the next centre is the point farthest from all centres.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from adlib.bank.neighbours import direct_squared_distances, nearest, product_error
from adlib.errors import InputError
from adlib.progress import progress

SKETCH_SHARE = 10  # the sketch takes a tenth of the memory of the points
SMALLEST_POOL, LARGEST_POOL, MOST_PICKS = 32, 512, 128
ROWS = 2048  # points a product on a CPU: their products with the new centres stay in the cache
BLOCK = 16 * ROWS  # points whose bounds are made, and whose changes are carried out, together


def coreset_size(n: int, share: float) -> int:
    """How many of `n` patches a coreset of `share` keeps: int(n * share), at least 1.

    share: 0 < share <= 1. Raises InputError for any other share or n < 1.
    """
    if not 0 < share <= 1:
        raise InputError(f"The share of patches a coreset keeps must lie in (0, 1], not {share}.")
    if n < 1:
        raise InputError(f"A coreset needs at least one patch to choose from, not {n}.")
    return max(1, int(n * share))


def random_coreset(n: int, size: int, seed: int = 0) -> Tensor:
    """`size` different indices below `n`, equally likely: (size,) int64. Raises InputError unless 1 <= size <= n."""
    _check_size(n, size)
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:size]


def covering_radius(points: Tensor, chosen_indices: Tensor) -> float:
    """Largest Euclidean distance of a point to its nearest chosen one: what k-center makes small, >= 0.

    points: (N, D); chosen_indices: (k,) int64.
    """
    return float(nearest(points, points[chosen_indices])[0].max())


def greedy_coreset(points: Tensor, size: int, seed: int = 0, show_progress: bool = True) -> Tensor:
    """Exact greedy k-center in full dimension: (size,) int64 indices, in the order picked, on the points' device.

    points: (N, D) floats, finite, |value| < 1e15; distances are Euclidean and compared in float64.
    seed: draws the first centre. Raises InputError for bad points or unless 1 <= size <= N.
    Extra memory: a tenth of float32 points, 16 bytes a point, and a workspace of some megabytes.

    It is fast because nearly all distances are never computed, and exact because each of them is proved needless:
    - Lazy pool. Distances to the nearest centre only shrink. So the P farthest points are taken aside, and while the
      farthest of them is at least as far as the farthest point outside was when the pool was made, it is the farthest
      of all, whatever has happened outside. Many centres are thus certain before the N points are looked at again.
    - Sketch. A point is sketched by its leading principal coordinates and the length of the rest. By the inequality of
      Cauchy and Schwarz two sketches are never farther apart than their points, so a new centre whose sketch is
      farther away than the nearest old centre cannot change anything. One small matrix product finds those pairs.
    - What remains goes through the same test with a float32 product over all D values, and the survivors alone are
      computed directly, as float64 sums of squared differences. Both tests allow for the rounding of the products.
    The order is that of the plain algorithm in float64, wherever two distances differ by more than float64 rounding.
    Among equal points the order is free; a point is picked once, its duplicates only after every other point.
    """
    points = _checked_points(points, size)
    first = torch.randint(len(points), (1,), generator=torch.Generator().manual_seed(seed)).to(points.device)
    squared = torch.full((len(points),), torch.inf, dtype=torch.float64, device=points.device)
    with progress(total=size, label="coreset", unit="patch", show=show_progress) as bar:
        return _farthest_first(points, squared, size, bar, first)


def approximate_greedy_coreset(
    points: Tensor,
    size: int,
    seed: int = 0,
    projection_dims: int = 128,
    starts: int = 10,
    show_progress: bool = True,
) -> Tensor:
    """The coreset of PatchCore's official code, as a procedure: (size,) int64 indices, in the order picked.

    points: (N, D) floats, finite. Where D is larger they are projected to `projection_dims` values by a random matrix
    of uniform weights. A point's first distance is the MEAN of its distances to `starts` random points, none of which
    is itself chosen; then, as in `greedy_coreset`, the farthest point is picked `size` times and distances shrink.
    It differs from exact greedy twice: the projection disturbs all distances, and the mean is no distance to anything
    in the coreset, so a point may stay far from every centre because its mean was small.
    Raises InputError as `greedy_coreset` does. Extra memory: the projected points.
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
        squared += _distances_to_one(points, anchor).sqrt_()
    squared = squared.div_(len(anchors)).square_()
    with progress(total=size, label="coreset", unit="patch", show=show_progress) as bar:
        return _farthest_first(points, squared, size, bar)


def _farthest_first(points: Tensor, squared: Tensor, size: int, bar, first: Tensor | None = None) -> Tensor:
    """Pick the farthest point `size` times. squared: (N,) float64 to start from, changed in place; -1 marks picks."""
    cover = _Cover(points, squared)
    picked = [] if first is None else [first]
    if first is not None:
        cover.add(first)
    count, pool = len(picked), 2 * SMALLEST_POOL
    bar.update(count)
    largest_pool = min(LARGEST_POOL, max(SMALLEST_POOL, len(points) // 16))
    while count < size:
        limit = min(size - count, MOST_PICKS)
        new, pooled = _certain_picks(points, squared, pool, limit)
        if not len(new):  # only duplicates of what is picked are left: any order is a greedy one
            new = (squared >= 0).nonzero().squeeze(1)[: size - count]
            squared[new] = -1
        else:
            cover.add(new)
        picked.append(new)
        count += len(new)
        bar.update(len(new))
        if len(new) * 32 > pooled:  # of 20 equal points a pool can give one, and is still worth enlarging
            pool = min(2 * pool, largest_pool)
        elif len(new) * 64 < pooled:
            pool = max(pool // 2, SMALLEST_POOL)
    return torch.cat(picked)


def _certain_picks(points: Tensor, squared: Tensor, pool: int, limit: int) -> tuple[Tensor, int]:
    """The next centres that are certain from the `pool` farthest points alone, in order, and the size of the pool.

    The first is always certain; none is returned where the largest distance is 0.
    """
    values, members = squared.topk(min(pool + 1, len(squared)))
    outside = -1.0
    if len(members) > pool:
        values, members, outside = values[:pool], members[:pool], float(values[pool])
    members, order = members.sort()  # of equally far points the plain algorithm takes the first
    values = values[order]
    inside = points[members].double()
    inside -= inside.mean(0)
    lengths = inside.square().sum(1)
    between = torch.addmm(lengths, inside, inside.T, alpha=-2).add_(lengths[:, None])
    # The picks follow one another and each is tiny, so they are made on the host, whatever the device.
    left, between = values.cpu().numpy().copy(), between.cpu().numpy()
    # Below 2^-26 of the pool's squared size the product's rounding could decide: leave that to the next round.
    certain = max(outside, float(lengths.max()) * 2.0**-26)
    picks: list[int] = []
    best = int(left.argmax())
    if left[best] <= 0:
        return members[:0], len(members)
    while True:
        picks.append(best)
        left[best] = -1
        if len(picks) == min(limit, len(left)):
            break
        np.minimum(left, between[best], out=left)
        best = int(left.argmax())
        if left[best] < certain or left[best] <= 0:
            break
    return members[torch.tensor(picks, device=members.device)], len(members)


class _Cover:
    """Keeps `squared`, each point's squared distance to its nearest centre, right while centres are added."""

    def __init__(self, points: Tensor, squared: Tensor) -> None:
        self.points, self.squared = points, squared
        n, dims = points.shape
        self.rows = ROWS if points.device.type == "cpu" else BLOCK
        self.error = product_error(points)
        self.changes = 1.0  # distances changed by one new centre in the last round, as a share of the points
        self.mean = points.mean(0)
        self.mean_length = torch.linalg.vector_norm(self.mean)
        width = dims // SKETCH_SHARE
        self.sketch_error = points.new_tensor(self.error * math.sqrt(max(width, 1)))
        # The last column is 1: half a centre's squared length then joins the product for nothing.
        self.sketch = points.new_ones(n, width + 1) if width > 2 else None
        # Made once: temporary tensors of ever other sizes would leave holes in the heap.
        self.products = points.new_empty(min(n, self.rows) * MOST_PICKS)
        self.chosen = points.new_empty(min(n, self.rows), dims)
        self.half_lengths = points.new_empty(n)  # half the squared length of the centred points
        basis = self._principal_axes(width - 1) if width > 2 else None
        for part in _slices(0, n, self.rows):
            centred = torch.sub(points[part], self.mean, out=self.chosen[: part.stop - part.start])
            self.half_lengths[part] = torch.linalg.vecdot(centred, centred) / 2
            if self.sketch is not None:
                coordinates = centred @ basis
                self.sketch[part, :-2] = coordinates
                self.sketch[part, -2] = torch.addmm(centred, coordinates, basis.T, alpha=-1).norm(dim=1)

    def _principal_axes(self, count: int) -> Tensor:
        """(D, count) orthonormal columns. Every choice is exact; a sample's principal axes make the bound tight."""
        step = max(1, len(self.points) // 8192)
        scatter = self.points.new_zeros(self.points.shape[1], self.points.shape[1])
        for part in self.points[::step].split(self.rows):
            sample = torch.sub(part, self.mean, out=self.chosen[: len(part)])
            scatter.addmm_(sample.T, sample)
        return torch.linalg.eigh(scatter.double())[1][:, -count:].to(self.points)

    def add(self, new: Tensor) -> None:
        """Make the points `new` (m,) centres."""
        changed = 0
        # Directly a point and a centre cost about a fifth of what a change costs in the other way.
        if self.changes > 0.2:
            for index in new:
                distances = _distances_to_one(self.points, self.points[index])
                changed = changed + (distances < self.squared).sum()
                torch.minimum(self.squared, distances, out=self.squared)
        else:
            centres = self.points[new]
            for rows, columns in self._candidates(new):
                distances = direct_squared_distances(self.points, rows, centres, columns)
                self.squared.scatter_reduce_(0, rows, distances, "amin")
                changed += len(rows)
        self.changes = float(changed) / (len(self.points) * len(new))
        self.squared[new] = -1

    def _candidates(self, new: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Pairs (point, column of `new`) that hold all new nearest centres: two (pairs,) int64 tensors a block.

        With x and c centred, |x - c|^2 < d^2 says |c|^2/2 - x.c < d^2/2 - |x|^2/2, and so do the sketches.
        """
        centres = self.points[new] - self.mean
        centre_half = self.half_lengths[new]
        # The points themselves are multiplied, not centred first: x.c = (x - mean).c + mean.c, with more rounding.
        shifted = centre_half + centres @ self.mean
        reach = (2 * centre_half.max()).sqrt()
        sketched = self.sketch is not None
        centre_sketch = None
        if sketched:
            centre_sketch = self.sketch[new].neg_()
            centre_sketch[:, -1] = centre_half
        for block in _slices(0, len(self.points), BLOCK):
            half = self.half_lengths[block]
            distance = self.squared[block].clamp(min=0).sqrt_().to(half.dtype)
            scale = (2 * half).sqrt_().add_(reach)
            limits = torch.addcmul(distance, scale, self.sketch_error).square_().div_(2).sub_(half)
            roundings = scale.add_(self.mean_length).square_().mul_(self.error)
            roundings += torch.finfo(torch.float32).tiny  # where squares of tiny values vanish
            limits += roundings
            found_rows, found_columns = [], []
            for part in _slices(block.start, block.stop, self.rows):
                inside = slice(part.start - block.start, part.stop - block.start)
                limit, rounding = limits[inside], roundings[inside]
                rows, full = None, self.points[part]
                if sketched:
                    values = self._room(len(limit), len(new))
                    torch.mm(self.sketch[part], centre_sketch.T, out=values)
                    rows = (values.amin(1) <= limit).nonzero().squeeze(1)
                    if not len(rows):
                        continue
                    if part.start == 0 and len(rows) > 0.6 * len(limit):
                        sketched = False  # a loose bound (early, or noise) costs more than it spares this round
                    limit, rounding = limit[rows], rounding[rows]
                    full = torch.index_select(full, 0, rows, out=self.chosen[: len(rows)])
                values = self._room(len(full), len(new))
                torch.addmm(shifted, full, centres.T, alpha=-1, out=values)
                best = values.amin(1)
                kept = (best <= limit).nonzero().squeeze(1)
                # Of the new centres a point may come to, only those as near as the nearest, up to rounding.
                near = values.index_select(0, kept) <= (best[kept] + 2 * rounding[kept])[:, None]
                which, columns = near.nonzero(as_tuple=True)
                kept = kept[which]
                found_rows.append((kept if rows is None else rows[kept]) + part.start)
                found_columns.append(columns)
            if found_rows:
                yield torch.cat(found_rows), torch.cat(found_columns)

    def _room(self, rows: int, centres: int) -> Tensor:
        return self.products[: rows * centres].view(rows, centres)


def _slices(start: int, stop: int, step: int) -> list[slice]:
    return [slice(first, min(first + step, stop)) for first in range(start, stop, step)]


def _distances_to_one(points: Tensor, centre: Tensor) -> Tensor:
    """(N,) float64 squared distances of all points to one."""
    rows = max(1, 2**16 // points.shape[1]) if points.device.type == "cpu" else 2**16
    centre = centre.double()
    distances = torch.empty(len(points), dtype=torch.float64, device=points.device)
    # One workspace and one result: small results kept between large temporaries would leave holes in the heap, which
    # then grows to a float64 copy of all points.
    room = torch.empty(min(rows, len(points)), points.shape[1], dtype=torch.float64, device=points.device)
    for part, found in zip(points.split(rows), distances.split(rows), strict=True):
        difference = torch.sub(part, centre, out=room[: len(part)])
        torch.sum(difference.square_(), 1, out=found)
    return distances


def _checked_points(points: Tensor, size: int) -> Tensor:
    if points.ndim != 2 or not points.is_floating_point():
        raise InputError(f"Points must be a floating (N, D) tensor, not {points.dtype} of shape {tuple(points.shape)}.")
    _check_size(len(points), size)
    for start in range(0, len(points), ROWS):
        smallest, largest = points[start : start + ROWS].aminmax()
        # NaN compares as false: this refuses NaN, infinity and values whose squares float32 cannot hold
        if not (-1e15 < float(smallest) and float(largest) < 1e15):
            raise InputError(
                f"Points {start} to {min(start + ROWS, len(points)) - 1} hold NaN, infinity or a value beyond 1e15; "
                f"leave such points out."
            )
    points = points.detach()
    return points if points.dtype in (torch.float32, torch.float64) else points.float()


def _check_size(n: int, size: int) -> None:
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or not 1 <= size <= n:
        raise InputError(f"A coreset of {n} points must have a whole size from 1 to {n}, not {size!r}.")
