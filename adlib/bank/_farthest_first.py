"""Farthest-first traversal that skips nearly all distances: the fast form of `coreset.plain_greedy_coreset`.

Distances only shrink while centres are added; two tests find the points whose distance a new centre cannot shrink, and
the lazy pool gives the next centres without a pass over the N points. Symbols, with points relative to their mean:

    x        a point; `half_lengths` holds |x|^2 / 2
    c        a new centre; `reach` is the largest |c|
    d        distance of x to its nearest centre so far; `squared` holds d^2
    u, r     x = B u + r: coordinates u on orthonormal axes B (D, w), and the residual r, orthogonal to all of them
    s(x)     (u, |r|), the sketch of x, w + 1 numbers; |s(x)| = |x|
    error    bound on the rounding of a product x.c, relative to (|x| + |c|)^2 (`product_error`)

The tests. A centre matters to a point only where |x - c|^2 < d^2. Subtracting |x|^2 from both sides and halving gives:

    |c|^2/2 - x.c     <  d^2/2 - |x|^2/2                                                                            (1)
    |c|^2/2 - s(x).s(c)  <  d^2/2 - |x|^2/2                                                                         (2)

(2) follows from (1): by Cauchy and Schwarz r_x.r_c <= |r_x| |r_c|, so x.c <= s(x).s(c). The right side depends on the
point alone, the left is an entry of one matrix product, for (2) of w + 1 columns instead of D. Pairs that fail (2) are
skipped, pairs that pass it are tested by (1), and distances of pairs that pass both are computed directly. Where the
processor multiplies in bfloat16 at a fraction of the price of float32, (1) is tested in bfloat16, unless too many pairs
pass.

Rounding. The computed values pass a test wherever the exact values do, because the right side is raised by

    rounding = error (|x| + reach + |mean|)^2 + tiny.

The term |mean| is needed because (1) multiplies uncentred points: with X = x + mean, |c|^2/2 - x.c is
(|c|^2/2 + mean.c) - X.c. The term tiny is needed because squares of tiny values underflow. For (2) the coordinates u
are rounded before they are multiplied: each by up to error |x| / 2, and so the w of them by a vector of up to
sqrt(w) error |x| / 2. (r is what the rounded u leave, so |r| follows to first order.) A product s(x).s(c) has up to
twice that times |c| as its error, and |x| |c| <= (|x| + |c|)^2 / 4, so (2) is also raised by
sqrt(w) error (|x| + reach)^2 / 4. In bfloat16 (1) is about centred points, and also raised by
`COARSE` |x| reach, see `bfloat16_products.py`.

The lazy pool. The pool holds the P farthest points; `outside` is the largest d^2 of all other points. Distances only
shrink, so the farthest member of the pool, if its d^2 >= outside, is the farthest of all points, whatever changed
outside.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from adlib.bank.bfloat16_products import COARSE, pays
from adlib.bank.distances import direct_squared_distances, product_error, squared_distances_to

ROWS = 2048  # points per product on a CPU: their products with the new centres stay in the cache
BLOCK = 16 * ROWS  # points whose limits are computed, and whose distances are updated, together

SKETCH_SHARE = 10  # the sketch takes a tenth of the memory of the points
LEAST_SKETCH = 3  # columns; with fewer the sketch excludes almost nothing
SAMPLE = 8192  # minimal number of points for the sketch's principal axes: enough for axes, few enough to be cheap
LOOSE = 0.6  # if a larger fraction of the first points pass the sketch, it costs more than it saves
VAGUE = 1.0  # if bfloat16 leaves more pairs per point than this, they cost more than a product in float32
STEP, CENTRE_STEP = 256, 32  # products in bfloat16 are prepared once per shape: their sides are multiples of these

SMALLEST_POOL, LARGEST_POOL = 32, 512  # a pool's P x P distances are computed every round: at most 2 MB
POOL_SHARE = 16  # the pool is at most a sixteenth of the points: a larger pool saves nothing
MOST_PICKS = 128  # centres per round; the products of more would not fit in the cache
GROWS_ABOVE = 32  # a pool doubles if more than 1/32 of it was certain: of 20 equal points only one is
SHRINKS_BELOW = 64  # and halves if less than 1/64 was
UNCERTAIN = 2.0**-26  # of a pool's largest |x|^2: float64 products of D values have an error of about D 2^-53 of it

DIRECT_ABOVE = 0.2  # computed for all points, a pair costs about a fifth of a pair that is searched for first


def farthest_first(points: Tensor, squared: Tensor, size: int, bar, first: Tensor | None = None) -> Tensor:
    """Pick the farthest point `size` times: (size,) int64 indices, in the order picked.

    points: (N, D) float32 or float64, finite.
    squared: (N,) float64 squared distances to start from, changed in place; -1 marks picks.
    size: number of picks.
    bar: progress bar, updated by the number of picks.
    first: (1,) int64, the first centre, None for the farthest.
    """
    cover = Cover(points, squared)
    picked = [] if first is None else [first]
    if first is not None:
        cover.add(first)
    count, pool = len(picked), 2 * SMALLEST_POOL
    bar.update(count)
    while count < size:
        new, pooled = certain_picks(points, squared, pool, min(size - count, MOST_PICKS))
        if len(new):
            cover.add(new)
        else:  # only duplicates of picked points are left: any order is greedy
            new = (squared >= 0).nonzero().squeeze(1)[: size - count]
            squared[new] = -1
        picked.append(new)
        count += len(new)
        bar.update(len(new))
        pool = _next_pool(pool, len(new), pooled, len(points))
    return torch.cat(picked)


def _next_pool(pool: int, picks: int, pooled: int, n: int) -> int:
    """Size of the next pool for `n` points, after a pool of `pooled` points gave `picks` certain picks."""
    if picks * GROWS_ABOVE > pooled:
        return min(2 * pool, LARGEST_POOL, max(SMALLEST_POOL, n // POOL_SHARE))
    if picks * SHRINKS_BELOW < pooled:
        return max(pool // 2, SMALLEST_POOL)
    return pool


def certain_picks(points: Tensor, squared: Tensor, pool: int, limit: int) -> tuple[Tensor, int]:
    """The next centres that are certain from the `pool` farthest points alone, and the pool's size.

    The first is always certain; there are none if the largest distance is 0. Returns (m,) int64, m <= limit, and the
    size.
    """
    members, values, outside = _farthest(squared, pool)
    between, largest = _squared_between(points[members])
    # Where rounding of the product could decide, the next round decides, by directly computed distances.
    certain = max(outside, largest * UNCERTAIN)
    # The picks are sequential and each is tiny, so they are computed on the CPU, whatever the device.
    picks = _traverse(values.cpu().numpy().copy(), between.cpu().numpy(), certain, limit)
    return members[torch.tensor(picks, dtype=torch.int64, device=members.device)], len(members)


def _farthest(squared: Tensor, pool: int) -> tuple[Tensor, Tensor, float]:
    """Indices of the farthest points (P,), ascending, their d^2 (P,), and the largest d^2 outside, -1 if none."""
    values, members = squared.topk(min(pool + 1, len(squared)))
    outside = -1.0
    if len(members) > pool:
        values, members, outside = values[:pool], members[:pool], float(values[pool])
    members, order = members.sort()  # of equally far points the plain algorithm picks the first
    return members, values[order], outside


def _squared_between(members: Tensor) -> tuple[Tensor, float]:
    """Squared distances (P, P) float64 of points (P, D) by a product, and the largest |x|^2 of the centred points."""
    inside = members.double()
    inside -= inside.mean(0)
    lengths = inside.square().sum(1)
    between = torch.addmm(lengths, inside, inside.T, alpha=-2).add_(lengths[:, None])
    return between, float(lengths.max())


def _traverse(left: np.ndarray, between: np.ndarray, certain: float, limit: int) -> list[int]:
    """The plain algorithm on the pool, while its farthest member is certain: at most `limit` indices into the pool.

    The first pick is always the farthest of all points.

    left: (P,) squared distances to the nearest centre, changed in place.
    between: (P, P) squared distances within the pool.
    """
    picks: list[int] = []
    best = int(left.argmax())
    while left[best] > 0 and (not picks or left[best] >= certain):
        picks.append(best)
        left[best] = -1
        if len(picks) == min(limit, len(left)):
            break
        np.minimum(left, between[best], out=left)
        best = int(left.argmax())
    return picks


class _Centres(NamedTuple):
    """m new centres, prepared for both tests."""

    centred: Tensor  # (m, D), minus the mean of all points
    shifted: Tensor  # (m,) |c|^2/2 + mean.c
    reach: Tensor  # () the largest |c|
    half: Tensor  # (m,) |c|^2/2
    sketch: Tensor | None  # (m, w + 2): -s(c), then |c|^2/2
    coarse: Tensor | None  # (m or more, D) bfloat16: centred, then zeros; fewer than `CENTRE_STEP` are not worth it


class Cover:
    """Updates `squared`, each point's squared distance to its nearest centre, while centres are added.

    points: (N, D) floats.
    squared: (N,) float64, changed in place; -1 marks the centres.
    """

    def __init__(self, points: Tensor, squared: Tensor) -> None:
        self.points, self.squared = points, squared
        n, dims = points.shape
        self.rows = ROWS if points.device.type == "cpu" else BLOCK
        self.error = product_error(points)
        self.changes = 1.0  # fraction of the distances changed by one new centre in the last round
        self.mean = points.mean(0)
        self.mean_length = torch.linalg.vector_norm(self.mean)
        columns = dims // SKETCH_SHARE
        self.sketch_error = self.error * math.sqrt(columns) / 4
        # One more column, of ones: the product then includes half a centre's squared length at no cost.
        self.sketch = points.new_ones(n, columns + 1) if columns >= LEAST_SKETCH else None
        # Allocated once: temporary tensors of varying sizes would fragment the heap.
        self.products = points.new_empty(min(n, self.rows) * MOST_PICKS)
        self.chosen = points.new_empty(min(n, self.rows), dims)
        self.half_lengths = points.new_empty(n)
        self.coarse = None
        if pays(points):
            self.coarse = torch.zeros(_up(min(n, self.rows), STEP), dims, dtype=torch.bfloat16)
        self._measure(None if self.sketch is None else self._principal_axes(columns - 1))

    def _measure(self, axes: Tensor | None) -> None:
        """Fill `half_lengths` and, given axes (D, w), the sketches."""
        for part in _slices(0, len(self.points), self.rows):
            centred = torch.sub(self.points[part], self.mean, out=self.chosen[: part.stop - part.start])
            self.half_lengths[part] = torch.linalg.vecdot(centred, centred) / 2
            if axes is not None:
                coordinates = centred @ axes
                self.sketch[part, :-2] = coordinates
                self.sketch[part, -2] = torch.addmm(centred, coordinates, axes.T, alpha=-1).norm(dim=1)

    def _principal_axes(self, count: int) -> Tensor:
        """(D, count) orthonormal columns. Any choice is exact; a sample's principal axes make the bound tight."""
        step = max(1, len(self.points) // SAMPLE)
        scatter = self.points.new_zeros(self.points.shape[1], self.points.shape[1])
        for part in self.points[::step].split(self.rows):
            sample = torch.sub(part, self.mean, out=self.chosen[: len(part)])
            scatter.addmm_(sample.T, sample)
        return torch.linalg.eigh(scatter.double())[1][:, -count:].to(self.points)

    def add(self, new: Tensor) -> None:
        """Make the points `new` (m,) centres."""
        changed = self._add_directly(new) if self.changes > DIRECT_ABOVE else self._add_where_it_matters(new)
        self.changes = changed / (len(self.points) * len(new))
        self.squared[new] = -1

    def _add_directly(self, new: Tensor) -> float:
        """Compute all distances to all new centres; returns the number of changed distances."""
        changed = 0
        for index in new:
            distances = squared_distances_to(self.points, self.points[index])
            changed = changed + (distances < self.squared).sum()
            torch.minimum(self.squared, distances, out=self.squared)
        return float(changed)

    def _add_where_it_matters(self, new: Tensor) -> float:
        """Compute the distances of the candidates only; returns the number of candidates."""
        changed, centres = 0, self.points[new]
        for rows, columns in self._candidates(new):
            distances = direct_squared_distances(self.points, rows, centres, columns)
            self.squared.scatter_reduce_(0, rows, distances, "amin")
            changed += len(rows)
        return float(changed)

    def _candidates(self, new: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Pairs (point, column of `new`) that include all new nearest centres: two (pairs,) int64 tensors per block."""
        centres, sketched = self._centres(new), self.sketch is not None
        coarse = centres.coarse is not None
        for block in _slices(0, len(self.points), BLOCK):
            limits = self._limits(block, centres.reach)
            pairs = []
            for part in _slices(block.start, block.stop, self.rows):
                of_sketch, *raised = limits.narrow(1, part.start - block.start, part.stop - part.start)
                rows, entered = None, len(of_sketch)
                if sketched:
                    rows = self._pass_sketch(part, centres, of_sketch)
                    if not len(rows):
                        continue
                    # Where the bound is loose (early, or noise) this round skips it.
                    sketched, entered = part.start > 0 or len(rows) <= LOOSE * entered, len(rows)
                passed = self._pass_product(part, rows, centres, raised, coarse)
                if coarse and part.start == 0 and len(passed[0]) > VAGUE * entered:
                    coarse, passed = False, self._pass_product(part, rows, centres, raised, False)
                pairs.append(passed)
            if pairs:
                points, columns = zip(*pairs, strict=True)
                yield torch.cat(points), torch.cat(columns)

    def _centres(self, new: Tensor) -> _Centres:
        """The points `new` (m,) as centres."""
        centred, half = self.points[new] - self.mean, self.half_lengths[new]
        sketch, coarse = None, None
        if self.sketch is not None:
            sketch = self.sketch[new].neg_()
            sketch[:, -1] = half
        if self.coarse is not None and len(new) >= CENTRE_STEP:
            coarse = self.coarse.new_zeros(_up(len(new), CENTRE_STEP), centred.shape[1])
            coarse[: len(new)] = centred
        return _Centres(centred, half + centred @ self.mean, (2 * half.max()).sqrt(), half, sketch, coarse)

    def _limits(self, block: slice, reach: Tensor) -> Tensor:
        """For a block's points (5, n): raised right sides of (2), of (1), its rounding, both again in bfloat16."""
        half = self.half_lengths[block]
        lengths = (2 * half).sqrt_()
        scale = lengths + reach
        roundings = (scale + self.mean_length).square_().mul_(self.error).add_(torch.finfo(torch.float32).tiny)
        limits = self.squared[block].clamp(min=0).to(half.dtype).div_(2).sub_(half).add_(roundings)
        of_sketch = limits + scale.square_().mul_(self.sketch_error)
        coarse = lengths.mul_(reach * COARSE)
        return torch.stack([of_sketch, limits, roundings, limits + coarse, roundings + coarse])

    def _pass_sketch(self, part: slice, centres: _Centres, limit: Tensor) -> Tensor:
        """Points of `part` that (2) keeps for any of the centres: (n,) int64, counted from the part's start."""
        values = self._room(len(limit), len(centres.centred))
        torch.mm(self.sketch[part], centres.sketch.T, out=values)
        return (values.amin(1) <= limit).nonzero().squeeze(1)

    def _pass_product(
        self, part: slice, rows: Tensor | None, centres: _Centres, raised: list[Tensor], coarse: bool
    ) -> tuple[Tensor, Tensor]:
        """Pairs (point, column of `centres`) that (1) keeps: two (pairs,) int64 tensors.

        For each point only the centres as near as the nearest, up to rounding, are kept: the nearest is among them.

        rows: (n,) int64 within `part`, None for all rows.
        raised: of all rows of the part, as of `_limits`.
        coarse: whether the product is in bfloat16.
        """
        points = self._chosen(part, rows)
        values = self._coarse_values(points, centres) if coarse else self._values(points, centres)
        limit, rounding = raised[2:] if coarse else raised[:2]
        if rows is not None:
            limit, rounding = limit[rows], rounding[rows]
        best = values.amin(1)
        kept = (best <= limit).nonzero().squeeze(1)
        highest = torch.minimum(best[kept] + 2 * rounding[kept], limit[kept])
        which, columns = (values.index_select(0, kept) <= highest[:, None]).nonzero(as_tuple=True)
        kept = kept[which]
        return (kept if rows is None else rows[kept]) + part.start, columns

    def _values(self, points: Tensor, centres: _Centres) -> Tensor:
        """Left side of (1) for points (n, D): (n, m)."""
        values = self._room(len(points), len(centres.half))
        return torch.addmm(centres.shifted, points, centres.centred.T, alpha=-1, out=values)

    def _coarse_values(self, points: Tensor, centres: _Centres) -> Tensor:
        """The same in bfloat16."""
        n, m = len(points), len(centres.half)
        self.coarse[:n] = torch.sub(points, self.mean, out=self.chosen[:n])
        products = self.coarse[: _up(n, STEP)] @ centres.coarse.T
        return torch.sub(centres.half, products[:n, :m], out=self._room(n, m))

    def _chosen(self, part: slice, rows: Tensor | None) -> Tensor:
        """The points (n, D) of `part` at `rows`, all where None."""
        points = self.points[part]
        return points if rows is None else torch.index_select(points, 0, rows, out=self.chosen[: len(rows)])

    def _room(self, rows: int, centres: int) -> Tensor:
        return self.products[: rows * centres].view(rows, centres)


def _up(number: int, step: int) -> int:
    """The least multiple of `step` that is not below the number."""
    return -(-number // step) * step


def _slices(start: int, stop: int, step: int) -> list[slice]:
    return [slice(first, min(first + step, stop)) for first in range(start, stop, step)]
