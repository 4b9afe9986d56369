"""A search that excludes blocks of the bank gives, bit for bit, what the search through all rows gives."""

import pytest
import torch
from torch import Tensor

from adlib.bank import BankIndex, index, nearest
from adlib.errors import InputError
from helpers.plain_bank import clusters, normal


@pytest.fixture(autouse=True)
def small_banks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "LEAST_ROWS", 256)


def decaying(n: int, dims: int, seed: int = 0) -> Tensor:
    """Points that vary along few axes, like patches; always the same axes."""
    return normal(n, dims, seed=seed) * torch.arange(1, dims + 1) ** -1.5 @ normal(dims, dims, seed=99) + 5


def twenty_times(n: int, dims: int) -> Tensor:
    return clusters(n // 20, dims).repeat(20, 1)


CASES = {
    "clusters": lambda: (clusters(150, 64, seed=1), clusters(2500, 64)),
    "few axes": lambda: (decaying(150, 96, seed=1), decaying(3001, 96)),
    "rows that occur twenty times": lambda: (clusters(100, 64), twenty_times(2000, 64)),
    "whole numbers, with many ties": lambda: ((decaying(90, 64, 1) / 4).round(), (decaying(1500, 64) / 4).round()),
    "queries that are rows": lambda: (clusters(2000, 64)[::9], clusters(2000, 64)),
    "queries far away": lambda: (1e4 * normal(80, 64), clusters(1500, 64)),
    "outliers in the bank": lambda: (clusters(90, 64), torch.cat([clusters(1200, 64, seed=1), 1e5 * normal(3, 64)])),
    "equal rows": lambda: (normal(60, 64), torch.ones(700, 64)),
}


@pytest.mark.parametrize("k", [1, 3, 200])
@pytest.mark.parametrize("case", CASES)
def test_blocks_change_nothing(case: str, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, bank = CASES[case]()
    monkeypatch.setattr(index, "WORTH", 100)  # also where blocks do not pay
    monkeypatch.setattr(index, "QUERIES", 64)
    searched = BankIndex(bank)
    assert searched.blocks is not None
    for found, expected in zip(searched.nearest(queries, k), nearest(queries, bank, k), strict=True):
        assert torch.equal(found, expected)


def test_too_many_candidates_are_searched_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, bank = clusters(60, 64, seed=1), twenty_times(2000, 64)
    monkeypatch.setattr(index, "BYTE_BUDGET", 6000)
    searched = BankIndex(bank)
    assert searched.blocks.candidates(queries, bank, 5) is None
    assert torch.equal(searched.nearest(queries, 5)[1], nearest(queries, bank, 5)[1])


def test_bounds_are_below_every_distance_of_their_block() -> None:
    queries, bank = decaying(40, 96, seed=1), decaying(1000, 96)
    blocks = BankIndex(bank).blocks
    short, lengths = blocks._coordinates(queries)
    least = 2 * blocks._bounds(short).double() + lengths.double().square()[:, None]
    for number, rows in enumerate(blocks.rows):
        true = torch.cdist(queries.double(), bank[rows].double()).amin(1).square()
        assert bool((least[:, number] <= true + 1e-4).all())
        assert float((least[:, number] / true).median()) > 0.3  # bounds of zero would hold, too, and exclude nothing
    assert sorted(torch.cat(blocks.rows).tolist()) == list(range(1000))


def test_few_blocks_are_visited_where_patches_vary_along_few_axes() -> None:
    bank, queries = decaying(4000, 96), decaying(200, 96, seed=1)
    assert BankIndex(bank).blocks.visited(queries, bank, 1) < 0.4


@pytest.mark.parametrize(
    "bank",
    [normal(3000, 64), clusters(200, 64), clusters(2000, 64).double(), clusters(2000, 64).half()],
    ids=["noise", "a small bank", "float64", "float16"],
)
def test_banks_that_gain_nothing_have_no_blocks(bank: Tensor) -> None:
    searched = BankIndex(bank)
    assert searched.blocks is None
    assert torch.equal(searched.nearest(bank[:50], 2)[1], nearest(bank[:50], bank, 2)[1])


def test_no_query_and_float64_queries() -> None:
    bank = clusters(2000, 64)
    searched = BankIndex(bank)
    assert searched.nearest(bank[:0])[0].shape == (0, 1)
    distances, _ = searched.nearest(clusters(30, 64, seed=1).double(), 2)
    assert torch.equal(distances, nearest(clusters(30, 64, seed=1).double(), bank, 2)[0])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e20])
def test_values_that_are_no_numbers_are_refused(bad: float) -> None:
    bank = clusters(2000, 64)
    searched = BankIndex(bank)
    with pytest.raises(InputError, match="queries hold NaN"):
        searched.nearest(torch.full((1, 64), bad))
    with pytest.raises(InputError, match="k must be a whole number from 1 to the 2000 rows"):
        searched.nearest(bank[:1], 2001)
    bank = bank.clone()
    bank[7, 3] = bad
    with pytest.raises(InputError, match="rows of the bank hold NaN"):
        BankIndex(bank)
