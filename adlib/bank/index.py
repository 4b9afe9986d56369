"""Exact nearest neighbours for less than all products: a few principal axes exclude most rows (chapter 06).

Symbols as in `neighbours`, and

    q', c'   coordinates along the bank's first m principal axes, and the length of what the other axes hold. Rotations
             keep products, and the product of two rests is at most that of their lengths (Cauchy-Schwarz), so
             q.c <= q'.c'
    v'       |c|^2/2 - q'.c', a lower bound of v for the price of m + 1 values instead of D
    block    bank rows near each other: the bank is split at the median of its widest axis, and so are the halves

For each query, the block of the least v' is compared in full, which sets its limit. A block whose least v' - error is
above the limit holds no neighbour. All others are compared in full, by the same code as in `neighbours`.
Real patches vary along few axes: with 64 blocks of 256 patches, a query visits 4 to 6. In noise nothing is excluded;
that is measured when the index is made, and such banks are searched by `nearest`. A second stage over more axes, and
bounds in bfloat16, did not pay: see `benchmarks/README.md`.
"""

import math

import torch
from torch import Tensor

from adlib.bank.distances import product_error, require_range
from adlib.bank.neighbours import (
    BYTE_BUDGET,
    CANDIDATE_BYTES,
    CHUNK,
    QUERIES,
    Candidates,
    checked,
    checked_count,
    decide,
    nearest,
)

LEAST_ROWS = 4096  # below, the products cost as little as deciding
SAMPLE = 16_384  # rows that the axes are computed from; any axes are exact
HELD = 0.85  # fraction of the variance along the first m axes
VECTOR = 8  # m + 1 is a multiple: whole vector registers
WORTH = 0.75  # largest fraction of the price of all products that the search in blocks may cost
DECIDING = 24  # price of the passes over a block's bounds, in axes
PROBES = 256  # bank rows on which that price is measured
VALUES = 2**20  # bounds computed at once, which stay in the processor's cache


class BankIndex:
    """A bank that is searched often; `nearest` gives exactly what `adlib.bank.nearest` gives.

    It takes about (m + 1) / D of the bank's memory, and a few passes over the bank to make.

    bank: (N, D) finite floats, |value| < 1e15.
    blocks: None below 4,096 rows, on a GPU, in other precisions than float32, and where the axes exclude too little;
        all rows are compared then.
    """

    def __init__(self, bank: Tensor) -> None:
        require_range(bank, "The rows of the bank")
        self.bank = bank
        self.blocks = _worthwhile(bank)

    def nearest(self, queries: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
        """See `adlib.bank.nearest`: distances (M, k) and indices (M, k); raises InputError as it does."""
        plain = self.blocks is None or not len(queries) or queries.dtype == torch.float64
        if plain or torch.onnx.is_in_onnx_export():  # a graph cannot branch on values
            return nearest(queries, self.bank, k)
        queries, bank = checked(queries, self.bank)
        k = checked_count(k, len(bank))
        distances, indices = zip(*(self._nearest(part, bank, k) for part in queries.split(QUERIES)), strict=True)
        return torch.cat(distances), torch.cat(indices)

    def _nearest(self, queries: Tensor, bank: Tensor, k: int) -> tuple[Tensor, Tensor]:
        found = self.blocks.candidates(queries, bank, k)
        if found is None:
            return nearest(queries, bank, k)
        return decide(queries, bank, k, *found.pairs())


class Blocks:
    """The blocks of a bank (N, D), float32 on a CPU, and its coordinates along the first axes.

    axes: (D, m) float64, orthonormal columns.
    """

    def __init__(self, bank: Tensor, offset: Tensor, axes: Tensor) -> None:
        self.offset, self.axes = offset, axes
        short, lengths = self._coordinates(bank)
        half = lengths.square_().div_(2)
        self.rows = _split(short[:, :-1], round(math.log2(len(bank)) / 2 - 1))  # 64 blocks of 256 of 16,384 rows
        self.size = max(map(len, self.rows))
        order = torch.cat(self.rows)
        at = torch.cat([b * self.size + torch.arange(len(rows)) for b, rows in enumerate(self.rows)])
        # Blocks differ by one row; the place of a missing one has a bound of infinity.
        self.short = short.new_zeros(len(self.rows) * self.size, short.shape[1]).index_copy_(0, at, short[order])
        self.half = half.new_full((len(self.short),), torch.inf).index_copy_(0, at, half[order])
        self.longest = (2 * half.amax()).sqrt_()
        self.share = product_error(bank)

    def candidates(self, queries: Tensor, bank: Tensor, k: int) -> Candidates | None:
        """Candidates of queries (M, D) for their k nearest rows of the bank; None where too many, as of equal rows."""
        short, lengths = self._coordinates(queries)
        error = (lengths + self.longest).square_().mul_(self.share)
        bounds = self._bounds(short).sub_(error[:, None])
        found, search = Candidates(bank, len(queries), k), (queries - self.offset, error, bank)
        first = torch.zeros_like(bounds, dtype=torch.bool).scatter_(1, bounds.argmin(1, keepdim=True), True)
        few = self._compare(found, first, *search)
        few = few and self._compare(found, (bounds <= found.limit[:, -1:]) & ~first, *search)
        return found if few else None

    def visited(self, queries: Tensor, bank: Tensor, k: int) -> float:
        """Mean fraction of the blocks that queries (M, D) are compared with for their k nearest rows."""
        distances = nearest(queries, bank, k)[0][:, -1]
        short, lengths = self._coordinates(queries)
        least = 2 * self._bounds(short) + lengths.square()[:, None]  # lower bounds of squared distances
        return float((least <= distances.square()[:, None]).float().mean())

    def _coordinates(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """q' (M, m + 1) and |q| (M,) of rows (M, D); float64 until the end, where lengths of rests are differences."""
        short, lengths = rows.new_empty(len(rows), self.axes.shape[1] + 1), rows.new_empty(len(rows))
        for part, into, length in zip(*(values.split(CHUNK) for values in (rows, short, lengths)), strict=True):
            centred = part.double() - self.offset
            along, squared = centred @ self.axes, torch.linalg.vecdot(centred, centred)
            into[:, :-1] = along
            into[:, -1] = (squared - torch.linalg.vecdot(along, along)).clamp_(min=0).sqrt_()
            length.copy_(squared.sqrt_())
        return short, lengths

    def _bounds(self, short: Tensor) -> Tensor:
        """The least v' of each query in each block, (M, blocks), from q' (M, m + 1)."""
        step = max(1, VALUES // (self.size * max(1, len(short)))) * self.size
        least = short.new_empty(len(short), len(self.rows))
        room = short.new_empty(len(short) * min(step, len(self.short)))
        parts = zip(self.short.split(step), self.half.split(step), least.split(step // self.size, 1), strict=True)
        for rows, half, into in parts:
            values = room[: len(short) * len(rows)].view(len(short), len(rows))
            torch.addmm(half, short, rows.T, alpha=-1, out=values)
            into.copy_(values.view(len(short), -1, self.size).amin(2))
        return least

    def _compare(self, found: Candidates, pairs: Tensor, queries: Tensor, error: Tensor, bank: Tensor) -> bool:
        """Compare centred queries (M, D) with the blocks that `pairs` (M, blocks) marks, while memory lasts."""
        block, query = pairs.T.nonzero().unbind(1)
        counts = torch.bincount(block, minlength=len(self.rows)).tolist()
        for number, some in enumerate(query.split(counts)):
            if len(some):
                rows, start = self.rows[number], number * self.size
                centred = bank.index_select(0, rows).sub_(self.offset)
                half = self.half[start : start + len(rows)]
                values = torch.addmm(half, queries.index_select(0, some), centred.T, alpha=-1)
                found.add(some, values, values.amin(1), error[some], rows)
            if found.count * CANDIDATE_BYTES > BYTE_BUDGET:
                return False
        return True


def _worthwhile(bank: Tensor) -> Blocks | None:
    """Blocks, where searching them costs at most `WORTH` of all products."""
    if len(bank) < LEAST_ROWS or bank.device.type != "cpu" or bank.dtype != torch.float32:
        return None
    offset, axes = _axes(bank)
    fixed = (axes.shape[1] + 1 + DECIDING) / bank.shape[1]
    if fixed > WORTH:
        return None
    blocks = Blocks(bank, offset, axes)
    probes = bank[:: -(-len(bank) // PROBES)]  # each is its own nearest row: the second is what a query would find
    return blocks if fixed + blocks.visited(probes, bank, 2) <= WORTH else None


def _axes(bank: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (D,) float32 of a bank (N, D), and the axes (D, m) float64 that hold `HELD` of its variance."""
    rows = bank[:: -(-len(bank) // SAMPLE)].double()
    offset = rows.mean(0).float()
    centred = rows - offset
    variances, axes = torch.linalg.eigh(centred.T @ centred)  # ascending
    held = variances.flip(0).cumsum(0) / variances.sum()
    count = int((held < HELD).sum()) + 1
    count = -(-(count + 1) // VECTOR) * VECTOR - 1
    return offset, axes.flip(1)[:, :count].contiguous()


def _split(short: Tensor, times: int) -> list[Tensor]:
    """Row numbers of 2 ** times blocks of rows near each other: each part is split at the median of its widest axis."""
    parts = [torch.arange(len(short))]
    for _ in range(times):
        parts = [half for part in parts for half in _halves(short, part)]
    return parts


def _halves(short: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
    rows = short[part]
    order = part[rows[:, rows.var(0).argmax()].argsort(stable=True)]
    return order[: len(order) // 2], order[len(order) // 2 :]
