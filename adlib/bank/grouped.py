"""Distances to groups of bank rows, such as the patches of one reference image each (chapters 21 and 22)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from adlib.bank.distances import require_range
from adlib.bank.neighbours import checked, nearest, nearest_by_product
from adlib.errors import InputError

ALIGNMENT = 64  # bytes, a cache line and the widest vector register: see `GroupedBank.nearest`
NEAR_ZERO = 1e-2  # squared distances below this fraction of the squared lengths are computed directly
DIRECT_VALUES = 2**22  # so many differences cost as much as a search, which needs few of them


class GroupedBank:
    """A bank whose rows form groups, such as the patches of one reference image each; built once, queried often.

    bank: (N, D) finite floats, |value| < 1e15.
    offsets: G + 1 ascending numbers; group g is bank[offsets[g]:offsets[g + 1]], not empty.
    Raises InputError for invalid offsets, and for NaN or infinity.
    """

    def __init__(self, bank: Tensor, offsets: Sequence[int] | Tensor) -> None:
        self.bank = bank = _finite_rows(bank)
        self.bounds = offsets.tolist() if isinstance(offsets, Tensor) else [int(offset) for offset in offsets]
        bounds = self.bounds
        if len(bounds) < 2 or bounds[0] < 0 or bounds[-1] > len(bank) or any(a >= b for a, b in pairwise(bounds)):
            raise InputError(
                f"offsets must ascend strictly within the {len(bank)} rows of the bank and define at least one group."
            )
        # One workspace and one result: small results between large temporaries would fragment the heap, which then
        # grows by several times the bank.
        room = bank.new_empty(max(b - a for a, b in pairwise(bounds)), bank.shape[1])
        self._half = bank.new_empty(bounds[-1] - bounds[0])
        for first, last in pairwise(bounds):
            squares = torch.square(bank[first:last], out=room[: last - first])
            torch.sum(squares, 1, out=self._half[first - bounds[0] : last - bounds[0]])
        self._half.div_(2)

    def nearest(self, queries: Tensor) -> Tensor:
        """Smallest Euclidean distance of each query (M, D) to each group: (M, G) of the bank's dtype, >= 0.

        A column depends, bit for bit, on the queries and on its group's rows alone, not on other groups or the position
        in the bank: a minimum over columns equals the result of a run with those groups only. Therefore every group has
        its own matrix product, from memory of equal alignment.
        Values are float32 products, accurate to about 1e-5 of the distance; distances near zero are computed directly.

        queries: (M, D) finite floats, |value| < 1e15, on the bank's device.
        Raises InputError for queries of another dimension, on another device, or with NaN or infinity.
        """
        if torch.onnx.is_in_onnx_export():  # a graph keeps no columns: one group, which has the same minimum
            return nearest_by_product(queries, self.bank[self.bounds[0] : self.bounds[-1]])[0]
        queries = _aligned(checked(queries, self.bank)[0].to(self.bank.dtype))
        lengths = queries.square().sum(1)[:, None]
        squared = self._products(queries).mul_(2).add_(lengths).clamp_(min=0)
        self._correct(squared, squared <= NEAR_ZERO * lengths, queries)
        return squared.sqrt_()

    def _products(self, queries: Tensor) -> Tensor:
        """(M, G) smallest |c|^2/2 - q.c of each query q over the rows c of each group."""
        lowest = self.bank.new_empty(len(queries), len(self.bounds) - 1)
        start = self.bounds[0]
        for group, (first, last) in enumerate(pairwise(self.bounds)):
            half = self._half[first - start : last - start]
            values = torch.addmm(half, queries, _aligned(self.bank[first:last]).T, alpha=-1)
            torch.amin(values, 1, out=lowest[:, group])
        return lowest

    def _correct(self, squared: Tensor, vague: Tensor, queries: Tensor) -> None:
        """Compute the squared distances (M, G) marked in `vague` (M, G) directly, in place."""
        for group in vague.any(0).nonzero().squeeze(1).tolist():
            rows = self.bank[self.bounds[group] : self.bounds[group + 1]]
            some = vague[:, group].nonzero().squeeze(1)
            if len(some) * rows.numel() > DIRECT_VALUES:
                squared[some, group] = nearest(queries[some], rows)[0][:, 0].square_()
                continue
            exact = (queries[some].double(), rows.double())
            direct = torch.cdist(*exact, compute_mode="donot_use_mm_for_euclid_dist").amin(1)
            squared[some, group] = direct.square_().to(squared.dtype)


def _aligned(rows: Tensor) -> Tensor:
    """The same rows at an address that is a multiple of ALIGNMENT: rounding of products depends on it."""
    return rows.clone() if rows.data_ptr() % ALIGNMENT else rows


def _finite_rows(bank: Tensor) -> Tensor:
    if bank.ndim != 2 or not len(bank) or not bank.is_floating_point():
        raise InputError(
            f"A bank must be (N, D) floats with at least one row, not {bank.dtype} of shape {tuple(bank.shape)}."
        )
    require_range(bank, "The rows of the bank")
    bank = bank.detach() if bank.requires_grad else bank  # the same object, by which callers know their bank again
    return bank if bank.dtype in (torch.float32, torch.float64) else bank.float()
