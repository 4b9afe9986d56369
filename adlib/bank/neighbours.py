"""Exact nearest neighbours in a bank of patches, in chunks, on any device (chapters 06, 20 and 21).

Symbols, with queries and bank relative to an offset near the bank's mean, so that lengths and thus roundings are small:

    q, c     a query and a bank row; |q| is in `lengths`, |c|^2 / 2 in `half`
    v        |c|^2/2 - q.c, by a matrix product; without rounding it is (|q - c|^2 - |q|^2) / 2, so for one query it
             sorts the rows as their distances do
    error    (|q| + largest |c| of a chunk)^2 `product_error`: the exact value is in [v - error, v + error]
    limit    for each query the k smallest v + error so far, ascending

k rows have exact values of at most the k-th limit, so the k nearest have, too. A row with v - error above that limit is
not among them; all other rows are candidates, and float64 sums of squared differences decide between candidates. Limits
only fall: a row above one limit is above the last limit, and candidates are tested again against the last limit.
"""

import operator

import torch
from torch import Tensor

from adlib.bank.distances import direct_squared_distances, product_error, require_range
from adlib.errors import InputError
from adlib.progress import progress

BYTE_BUDGET = 256 * 2**20
CHUNK = 1024  # bank rows per product: the rows and the result stay in the processor's cache for the search
GPU_CHUNK = 8192
QUERIES = 1024  # query rows per product
PRODUCT_BYTES = 8  # a float32, and its copy where not all queries are searched
CANDIDATE_BYTES = 64  # two indices and a bound, concatenated, sorted and compared


def nearest(
    queries: Tensor, bank: Tensor, k: int = 1, byte_budget: int = BYTE_BUDGET, show_progress: bool = False
) -> tuple[Tensor, Tensor]:
    """Euclidean distances to the k nearest bank rows, ascending, and their indices: (M, k) floats and (M, k) int64.

    Distances are float64 sums of squared differences, rounded once at the end to the queries' dtype (at least float32);
    a row's distance to itself is exactly 0. Among equal distances the lower index comes first.

    queries: (M, D) finite floats, |value| < 1e15.
    bank: (N, D) floats of the same kind on the same device.
    k: number of neighbours, 1 <= k <= N.
    byte_budget: bytes of working memory, approximately.
    Raises InputError for invalid shapes, devices or k, and for NaN or infinity.
    """
    if torch.onnx.is_in_onnx_export():  # the search below branches on values, which a graph cannot
        return nearest_by_product(queries, bank, k)
    queries, bank = checked(queries, bank)
    k = checked_count(k, len(bank))
    distances = queries.new_empty(len(queries), k)
    indices = torch.empty(len(queries), k, dtype=torch.int64, device=queries.device)
    step = max(1, min(QUERIES, byte_budget // (PRODUCT_BYTES * _chunk(bank))))
    waiting = [slice(i, min(i + step, len(queries))) for i in range(0, len(queries), step)][::-1]
    with progress(total=len(queries), label="neighbours", unit="patch", show=show_progress) as bar:
        while waiting:
            part = waiting.pop()
            candidates = _candidates(queries[part], bank, k, byte_budget)
            if candidates is None:  # over the budget, as with many equal rows: halve the number of queries
                middle = (part.start + part.stop) // 2
                waiting += [slice(middle, part.stop), slice(part.start, middle)]
                continue
            distances[part], indices[part] = decide(queries[part], bank, k, *candidates)
            bar.update(part.stop - part.start)
    return distances, indices


def nearest_by_product(queries: Tensor, bank: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """`nearest` as one fixed sequence of operations, for a graph: products choose the rows, differences measure them.

    Where two rows are equally near up to the rounding of a product, the other one may be chosen: distances then differ
    by that rounding. Memory: M x N floats.

    queries, bank, k: as for `nearest`, unchecked.
    """
    offset = bank.mean(0)  # near the bank's middle lengths, and thus roundings, are small
    queries, bank = queries - offset, bank - offset
    products = bank.square().sum(1) / 2 - queries @ bank.T  # (M, N): v of the module's docstring
    rows = products.topk(k, dim=1, largest=False).indices
    distances = (queries[:, None] - bank[rows]).square().sum(2).sqrt()
    if k == 1:
        return distances, rows
    distances, order = distances.sort(dim=1)
    return distances, rows.gather(1, order)


def _candidates(queries: Tensor, bank: Tensor, k: int, byte_budget: int) -> tuple[Tensor, Tensor] | None:
    """Pairs (query, bank row) that include the k nearest of every query; None where they exceed the budget."""
    products, found = _Products(queries, bank), Candidates(bank, len(queries), k)
    for start in range(0, len(bank), products.chunk):
        found.add(*products.of(start))
        if found.count * CANDIDATE_BYTES > byte_budget and len(queries) > 1:
            return None
    return found.pairs()


class _Products:
    """v of M queries and the chunks of a bank (N, D)."""

    def __init__(self, queries: Tensor, bank: Tensor) -> None:
        self.bank, self.chunk = bank, _chunk(bank)
        # Any offset is exact; the mean of some rows is cheap.
        self.offset = bank[:: max(1, len(bank) // self.chunk)].mean(0)
        self.queries = queries - self.offset
        self.everyone = torch.arange(len(queries), device=bank.device)
        self.lengths = self.queries.square().sum(1).sqrt_()
        self.share = product_error(bank)
        # Allocated once: new memory for every product would cost more than the search.
        self.products = bank.new_empty(len(queries) * self.chunk)
        self.centred = bank.new_empty(self.chunk, bank.shape[1])

    def of(self, start: int) -> tuple[Tensor, ...]:
        """All queries and the n rows of the chunk that starts at row `start`: arguments of `Candidates.add`."""
        rows = self.bank[start : start + self.chunk]
        rows = torch.sub(rows, self.offset, out=self.centred[: len(rows)])
        half = torch.linalg.vecdot(rows, rows).div_(2)
        values = self.products[: len(self.queries) * len(rows)].view(len(self.queries), len(rows))
        torch.addmm(half, self.queries, rows.T, alpha=-1, out=values)
        error = (self.lengths + (2 * half.amax()).sqrt_()).square_().mul_(self.share)
        smallest = values.amin(1)
        self._require_finite(smallest + error, start)
        numbers = torch.arange(start, start + len(rows), device=rows.device)
        return self.everyone, values, smallest, error, numbers

    def _require_finite(self, upper: Tensor, start: int) -> None:
        if not bool(upper.isfinite().all()):
            last = min(start + self.chunk, len(self.bank)) - 1
            raise InputError(
                f"Rows {start} to {last} of the bank hold NaN, infinity or values too large to square; leave them out."
            )


class Candidates:
    """Candidates of M queries for their k nearest rows, among the rows that were compared so far.

    bank: (N, D), for dtype and device.
    limit: (M, k), see the module's docstring.
    count: pairs kept so far.
    """

    def __init__(self, bank: Tensor, queries: int, k: int) -> None:
        self.k = k
        self.limit = bank.new_full((queries, k), torch.inf)
        self.kept: list[tuple[Tensor, Tensor, Tensor]] = []  # query, bank row, lower bound
        self.count = 0

    def add(self, query: Tensor, values: Tensor, smallest: Tensor, error: Tensor, rows: Tensor) -> None:
        """Compare some queries with some rows, none of these pairs twice.

        query: (m,) int64, ascending.
        values: (m, n) v, overwritten.
        smallest: (m,) the least v of each query.
        error: (m,).
        rows: (n,) int64 of the bank.
        """
        # Most queries have no candidate in a chunk; only the others are searched.
        near = (smallest - error <= self.limit[query, -1]).nonzero().squeeze(1)
        if len(near) < len(query):
            query, values, smallest, error = query[near], values[near], smallest[near], error[near]
        self._lower_limits(query, values, smallest, error)
        lower = values.sub_(error[:, None])
        row, column = (lower <= self.limit[query, -1:]).nonzero().unbind(1)
        self.kept.append((query[row], rows[column], lower[row, column]))
        self.count += len(row)

    def pairs(self) -> tuple[Tensor, Tensor]:
        """Queries and bank rows, (pairs,) int64 each, within the last limits."""
        query, row, lower = (torch.cat(parts) for parts in zip(*self.kept, strict=True))
        keep = lower <= self.limit[query, -1]
        return query[keep], row[keep]

    def _lower_limits(self, query: Tensor, values: Tensor, smallest: Tensor, error: Tensor) -> None:
        """Update the limits of some queries (m,) with their v (m, n); smallest, error: (m,)."""
        if self.k == 1:  # the minimum is known already
            self.limit[query] = torch.minimum(self.limit[query], (smallest + error)[:, None])
            return
        upper = values.topk(min(self.k, values.shape[1]), dim=1, largest=False).values + error[:, None]
        self.limit[query] = torch.cat([self.limit[query], upper], 1).topk(self.k, dim=1, largest=False).values


def _chunk(bank: Tensor) -> int:
    return min(CHUNK if bank.device.type == "cpu" else GPU_CHUNK, len(bank))


def decide(queries: Tensor, bank: Tensor, k: int, query: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
    """The k nearest of each query among its candidates: distances (M, k) and indices (M, k)."""
    order = (query * len(bank) + column).argsort()
    query, column = query[order], column[order]
    squared = direct_squared_distances(queries, query, bank, column)
    order = squared.argsort(stable=True)
    order = order[query[order].argsort(stable=True)]  # by query, then distance, then row
    begin = torch.searchsorted(query, torch.arange(len(queries), device=bank.device))
    best = order[begin[:, None] + torch.arange(k, device=bank.device)]
    return squared[best].sqrt_().to(queries.dtype), column[best]


def checked_count(k: int, most: int) -> int:
    try:
        count = operator.index(k)
    except TypeError:
        count = 0
    if isinstance(k, bool) or not 1 <= count <= most:
        raise InputError(f"k must be a whole number from 1 to the {most} rows of the bank, not {k!r}.")
    return count


def checked(queries: Tensor, bank: Tensor) -> tuple[Tensor, Tensor]:
    """Queries (M, D) and bank (N, D) in one dtype, float64 where either is, else float32; InputError as `nearest`."""
    if queries.ndim != 2 or bank.ndim != 2 or queries.shape[1] != bank.shape[1] or not len(bank):
        raise InputError(
            f"Queries (M, D) and bank (N, D) must agree in D and the bank must hold a row; their shapes are "
            f"{tuple(queries.shape)} and {tuple(bank.shape)}."
        )
    if queries.device != bank.device:
        raise InputError(f"Queries and bank must be on one device, not on {queries.device} and {bank.device}.")
    if not (queries.is_floating_point() and bank.is_floating_point()):
        raise InputError(f"Queries and bank must hold floats, not {queries.dtype} and {bank.dtype}.")
    require_range(queries, "The queries")
    double = torch.float64 in (queries.dtype, bank.dtype)
    dtype = torch.float64 if double else torch.float32
    return queries.detach().to(dtype), bank.detach().to(dtype)
