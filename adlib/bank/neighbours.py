"""Exact nearest neighbours in a bank of patches, in chunks, on any device (chapters 06, 20 and 21).

A matrix product is the fast way to many distances, |q - c|^2 = |q|^2 + |c|^2 - 2 q.c, and an inexact one: near-zero
distances vanish in its rounding. Here it only finds candidates; sums of squared differences decide.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from adlib.errors import InputError
from adlib.progress import progress

BYTE_BUDGET = 256 * 2**20
CHUNK = 1024  # bank rows a product: they and its result stay in the processor's cache for the search
GPU_CHUNK = 8192
QUERIES = 1024  # query rows a product
ALIGNMENT = 64  # bytes; see `GroupedBank`
NEAR_ZERO = 1e-2  # squared distances below this share of the squared lengths are computed anew, directly


def nearest(
    queries: Tensor, bank: Tensor, k: int = 1, byte_budget: int = BYTE_BUDGET, show_progress: bool = False
) -> tuple[Tensor, Tensor]:
    """Euclidean distances to the k nearest bank rows, ascending, and their indices: (M, k) floats and (M, k) int64.

    queries: (M, D) and bank: (N, D), finite floats on one device, 1 <= k <= N. Distances are float64 sums of squared
    differences, rounded once at the end to the queries' dtype (at least float32); a row's distance to itself is
    exactly 0. Among equal distances the lower index comes first. byte_budget: bytes of working memory, roughly.
    Raises InputError for shapes, devices or k that do not fit, and for NaN or infinity.

    Exact in two passes: a product gives every distance up to a rounding that can be bounded. The k-th smallest upper
    bound limits where the k nearest can lie; all rows whose lower bound reaches it are computed directly.
    """
    queries, bank = _checked(queries, bank)
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= len(bank):
        raise InputError(f"k must be a whole number from 1 to the {len(bank)} rows of the bank, not {k!r}.")
    distances = queries.new_empty(len(queries), k)
    indices = torch.empty(len(queries), k, dtype=torch.int64, device=queries.device)
    step = max(1, min(QUERIES, byte_budget // (8 * min(_chunk(bank), len(bank)))))
    waiting = [slice(i, min(i + step, len(queries))) for i in range(0, len(queries), step)][::-1]
    with progress(total=len(queries), label="neighbours", unit="patch", show=show_progress) as bar:
        while waiting:
            part = waiting.pop()
            candidates = _candidates(queries[part], bank, k, byte_budget)
            if candidates is None:  # too many for the budget, as with many equal rows: fewer queries at once
                middle = (part.start + part.stop) // 2
                waiting += [slice(middle, part.stop), slice(part.start, middle)]
                continue
            distances[part], indices[part] = _decide(queries[part], bank, k, *candidates)
            bar.update(part.stop - part.start)
    return distances, indices


class GroupedBank:
    """A bank whose rows come in groups, such as the patches of one reference picture each; made once, asked often.

    bank: (N, D) finite floats; offsets: G + 1 ascending numbers, group g is bank[offsets[g]:offsets[g + 1]], not empty.
    Raises InputError for offsets that do not fit, and for NaN or infinity.
    """

    def __init__(self, bank: Tensor, offsets: Sequence[int] | Tensor) -> None:
        self.bank = bank = _finite_rows(bank)
        self.bounds = offsets.tolist() if isinstance(offsets, Tensor) else [int(offset) for offset in offsets]
        bounds = self.bounds
        if len(bounds) < 2 or bounds[0] < 0 or bounds[-1] > len(bank) or any(a >= b for a, b in pairwise(bounds)):
            raise InputError(
                f"offsets must ascend strictly within the {len(bank)} rows of the bank and bound at least one group."
            )
        # One workspace and one result: small results kept between large temporaries would leave holes in the heap,
        # which then grows by several times the bank.
        room = bank.new_empty(max(b - a for a, b in pairwise(bounds)), bank.shape[1])
        self._half = bank.new_empty(bounds[-1] - bounds[0])
        for first, last in pairwise(bounds):
            squares = torch.square(bank[first:last], out=room[: last - first])
            torch.sum(squares, 1, out=self._half[first - bounds[0] : last - bounds[0]])
        self._half.div_(2)

    def nearest(self, queries: Tensor) -> Tensor:
        """Smallest Euclidean distance of each query (M, D) to each group: (M, G) of the bank's dtype, >= 0.

        The bits of a column depend on the queries and on that group's rows alone, not on other groups or the place in
        the bank: a minimum over columns is, bit for bit, the result of a run with those groups only. Therefore every
        group goes through a product of its own, from memory that is equally aligned whatever the group's place.
        Values are float32 products, accurate to about 1e-5 of the distance; those near zero are computed directly.
        Raises InputError for queries of another shape, on another device, or with NaN or infinity.
        """
        queries = _aligned(_checked(queries, self.bank)[0])
        lowest = self.bank.new_empty(len(queries), len(self.bounds) - 1)
        start = 0
        for group, (first, last) in enumerate(pairwise(self.bounds)):
            half = self._half[start : start + last - first]
            start += last - first
            values = torch.addmm(half, queries, _aligned(self.bank[first:last]).T, alpha=-1)
            torch.amin(values, 1, out=lowest[:, group])
        lengths = queries.square().sum(1)[:, None]
        squared = lowest.mul_(2).add_(lengths).clamp_(min=0)
        vague = squared <= NEAR_ZERO * lengths
        for group in vague.any(0).nonzero().squeeze(1).tolist():
            rows = self.bank[self.bounds[group] : self.bounds[group + 1]].double()
            some = vague[:, group].nonzero().squeeze(1)
            direct = torch.cdist(queries[some].double(), rows, compute_mode="donot_use_mm_for_euclid_dist")
            squared[some, group] = direct.amin(1).square_().to(squared.dtype)
        return squared.sqrt_()


def direct_squared_distances(points: Tensor, rows: Tensor, centres: Tensor, columns: Tensor) -> Tensor:
    """float64 sums of squared differences of the pairs (points[rows], centres[columns]): (pairs,)."""
    step = max(1, 2**16 // points.shape[1]) if points.device.type == "cpu" else 2**16
    squared = torch.empty(len(rows), dtype=torch.float64, device=points.device)
    for start in range(0, len(rows), step):  # into one tensor: a list of parts leaves the heap full of holes
        part = slice(start, start + step)
        differences = points.index_select(0, rows[part]).double().sub_(centres.index_select(0, columns[part]))
        torch.sum(differences.square_(), 1, out=squared[part])
    return squared


def product_error(like: Tensor) -> float:
    """Bound on the rounding of |x|^2/2 + |c|^2/2 - x.c by a product in `like`'s dtype, as a share of (|x| + |c|)^2.

    Twice the classic bound, (terms) x (unit roundoff); the roundoff follows PyTorch's switch for coarser products.
    """
    roundoff = {"highest": 2.0**-24, "high": 2.0**-10, "medium": 2.0**-8}[torch.get_float32_matmul_precision()]
    return 2 * (like.shape[1] + 16) * roundoff


def _candidates(queries: Tensor, bank: Tensor, k: int, byte_budget: int) -> tuple[Tensor, Tensor] | None:
    """Pairs (query, bank row) that hold the k nearest of every query; None where they exceed the budget."""
    chunk = min(_chunk(bank), len(bank))
    offset = bank[:: max(1, len(bank) // chunk)].mean(0)  # any offset is right; near the mean, rounding is small
    queries = queries - offset
    lengths = queries.square().sum(1).sqrt_()
    share = product_error(bank)
    limit = bank.new_full((len(queries), k), torch.inf)  # the k smallest upper bounds so far, ascending
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    count = 0
    # Made once: fresh memory for every product would cost more than the search in it.
    products, centred = bank.new_empty(len(queries) * chunk), bank.new_empty(chunk, bank.shape[1])
    for start in range(0, len(bank), chunk):
        rows = bank[start : start + chunk]
        rows = torch.sub(rows, offset, out=centred[: len(rows)])
        half = torch.linalg.vecdot(rows, rows).div_(2)
        values = products[: len(queries) * len(rows)].view(len(queries), len(rows))
        torch.addmm(half, queries, rows.T, alpha=-1, out=values)  # half the squared distance, less |query|^2 / 2
        smallest = values.amin(1)
        error = (lengths + (2 * half.amax()).sqrt_()).square_().mul_(share)
        if not bool((smallest + error).isfinite().all()):
            raise InputError(
                f"Rows {start} to {start + len(rows) - 1} of the bank hold NaN or infinity; leave them out."
            )
        # Most queries have nothing to find in a chunk; only the others are searched.
        query = (smallest - error <= limit[:, -1]).nonzero().squeeze(1)
        if len(query) < len(queries):
            values, error = values[query], error[query]
        if k == 1:  # what topk would find is known
            upper = (smallest[query] if len(query) < len(queries) else smallest) + error
            limit[query] = torch.minimum(limit[query], upper[:, None])
        else:
            upper = values.topk(min(k, len(rows)), dim=1, largest=False).values + error[:, None]
            limit[query] = torch.cat([limit[query], upper], 1).topk(k, dim=1, largest=False).values
        lower = values.sub_(error[:, None])
        row, column = (lower <= limit[query, -1:]).nonzero().unbind(1)
        found.append((query[row], column + start, lower[row, column]))
        count += len(row)
        if count * 64 > byte_budget and len(queries) > 1:
            return None
    query, column, lower = (torch.cat(parts) for parts in zip(*found, strict=True))
    keep = lower <= limit[query, -1]
    return query[keep], column[keep]


def _chunk(bank: Tensor) -> int:
    return CHUNK if bank.device.type == "cpu" else GPU_CHUNK


def _decide(queries: Tensor, bank: Tensor, k: int, query: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
    """The k nearest of each query among its candidates: distances (M, k) and indices (M, k)."""
    order = (query * len(bank) + column).argsort()
    query, column = query[order], column[order]
    squared = direct_squared_distances(queries, query, bank, column)
    order = squared.argsort(stable=True)
    order = order[query[order].argsort(stable=True)]  # by query, then distance, then row
    begin = torch.searchsorted(query, torch.arange(len(queries), device=bank.device))
    best = order[begin[:, None] + torch.arange(k, device=bank.device)]
    return squared[best].sqrt_().to(queries.dtype), column[best]


def _aligned(rows: Tensor) -> Tensor:
    """The same rows at an address that is a multiple of ALIGNMENT: products may round otherwise elsewhere."""
    return rows.clone() if rows.data_ptr() % ALIGNMENT else rows


def _finite_rows(bank: Tensor) -> Tensor:
    if bank.ndim != 2 or not len(bank) or not bank.is_floating_point():
        raise InputError(f"A bank is (N, D) floats with at least one row, not {bank.dtype} of {tuple(bank.shape)}.")
    if not bool(bank.sum(0).isfinite().all()):
        raise InputError("The bank holds NaN or infinity; leave such rows out.")
    return bank.detach() if bank.dtype in (torch.float32, torch.float64) else bank.detach().float()


def _checked(queries: Tensor, bank: Tensor) -> tuple[Tensor, Tensor]:
    if queries.ndim != 2 or bank.ndim != 2 or queries.shape[1] != bank.shape[1] or not len(bank):
        raise InputError(
            f"Queries (M, D) and bank (N, D) must agree in D and the bank must hold a row, not {tuple(queries.shape)} "
            f"and {tuple(bank.shape)}."
        )
    if queries.device != bank.device:
        raise InputError(f"Queries and bank must be on one device, not on {queries.device} and {bank.device}.")
    if not (queries.is_floating_point() and bank.is_floating_point()):
        raise InputError(f"Queries and bank must hold floats, not {queries.dtype} and {bank.dtype}.")
    if not bool(queries.isfinite().all()):
        raise InputError("The queries hold NaN or infinity; leave such patches out.")
    double = torch.float64 in (queries.dtype, bank.dtype)
    dtype = torch.float64 if double else torch.float32
    return queries.detach().to(dtype), bank.detach().to(dtype)
