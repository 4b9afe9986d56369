"""Nearest neighbours against plain statements of their definitions: squared differences in float64, and sorting."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adlib.bank import GroupedBank, nearest, neighbours
from adlib.bank import grouped as grouped_bank
from adlib.errors import InputError
from helpers.plain_bank import all_distances, clusters, normal


def test_neighbours_are_the_same_in_many_small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, bank = clusters(50, 40), clusters(3000, 40, seed=1)
    whole = nearest(queries, bank, 5)
    monkeypatch.setattr(neighbours, "CHUNK", 64)
    for found, expected in zip(nearest(queries, bank, 5), whole, strict=True):
        assert torch.equal(found, expected)


def check_nearest(queries: Tensor, bank: Tensor, k: int, **options: int) -> None:
    """Against a stable sort, so that ties go to the lower index."""
    distances, indices = nearest(queries, bank, k, **options)
    expected = all_distances(queries, bank)
    order = expected.argsort(dim=1, stable=True)[:, :k]
    assert distances.dtype == torch.float32 and indices.dtype == torch.int64
    assert torch.equal(indices, order)
    assert torch.equal(distances, expected.gather(1, order).float())


@pytest.mark.parametrize("k", [1, 3, 40])
@pytest.mark.parametrize(
    "make",
    [
        lambda: (normal(150, 48), normal(3001, 48, seed=1)),
        lambda: (clusters(150, 64, seed=1), clusters(2500, 64)),
        lambda: (normal(100, 40) * 1e-3 + 50, normal(1500, 40, seed=1) * 1e-3 + 50),
        lambda: (normal(100, 40), torch.cat([normal(1200, 40, seed=1), 1e5 * normal(3, 40, seed=2)])),
    ],
    ids=["noise", "clusters", "far from the origin", "outliers in the bank"],
)
def test_nearest_is_the_plain_definition(make, k: int) -> None:
    queries, bank = make()
    check_nearest(queries, bank, k)


def test_distances_near_zero_and_to_oneself() -> None:
    bank = clusters(2000, 50)
    queries = bank[::10].clone()
    queries[:, 0] += 1e-4
    check_nearest(queries, bank, 2)
    distances, indices = nearest(bank[:300], bank)
    assert bool((distances == 0).all()) and torch.equal(indices[:, 0], torch.arange(300))


def test_many_chunks_and_a_small_budget_change_nothing() -> None:
    queries, bank = clusters(300, 40, seed=1), clusters(5000, 40)
    for budget in (20_000, 300_000, neighbours.BYTE_BUDGET):
        check_nearest(queries, bank, 3, byte_budget=budget)


def test_ties_go_to_the_lower_index() -> None:
    bank = clusters(70, 6).repeat(20, 1)
    check_nearest(bank[30:60], bank, 25)
    check_nearest(bank[30:60], bank, 25, byte_budget=50_000)
    check_nearest(torch.zeros(80, 33), torch.ones(1100, 33), 4)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5), st.integers(1, 70), st.integers(1, 4), st.integers(0, 2**31), st.data())
def test_nearest_of_small_whole_numbers(m: int, n: int, dims: int, seed: int, data: st.DataObject) -> None:
    generator = torch.Generator().manual_seed(seed)
    queries = torch.randint(-2, 3, (m, dims), generator=generator).float()
    bank = torch.randint(-2, 3, (n, dims), generator=generator).float()
    k = data.draw(st.integers(1, n))
    if m:
        check_nearest(queries, bank, k)
    else:
        assert nearest(queries, bank, k)[0].shape == (0, k)


def test_float64_stays_float64() -> None:
    queries, bank = normal(20, 9).double(), normal(100, 9, seed=1).double()
    distances, _ = nearest(queries, bank)
    torch.testing.assert_close(distances, all_distances(queries, bank).amin(1, keepdim=True), rtol=1e-14, atol=0)


@pytest.mark.parametrize("where", ["queries", "bank"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e20])
def test_nearest_refuses_what_is_no_number(where: str, bad: float) -> None:
    both = {"queries": normal(70, 40), "bank": normal(2000, 40)}
    both[where][-1, 5] = bad
    with pytest.raises(InputError, match=where):
        nearest(**both)
    with pytest.raises(InputError, match=where):
        GroupedBank(both["bank"], [0, 1000, 2000]).nearest(both["queries"])


def test_groups_take_queries_of_another_precision() -> None:
    queries, bank = normal(20, 9), normal(100, 9, seed=1)
    groups = GroupedBank(bank, [0, 40, 100])
    found = groups.nearest(queries.double())
    assert found.dtype == torch.float32 and torch.equal(found, groups.nearest(queries))


def test_k_may_be_a_whole_number_of_numpy() -> None:
    queries, bank = normal(5, 4), normal(30, 4, seed=1)
    assert all(map(torch.equal, nearest(queries, bank, np.int64(2)), nearest(queries, bank, 2)))


def test_nearest_refuses_what_does_not_fit() -> None:
    bank = normal(10, 4)
    for k in (0, 11, 1.0, True):
        with pytest.raises(InputError, match="k must"):
            nearest(bank, bank, k)
    for queries in (normal(3, 5), normal(4)):
        with pytest.raises(InputError, match="agree in D"):
            nearest(queries, bank)
    with pytest.raises(InputError, match="hold a row"):
        nearest(bank, bank[:0])
    with pytest.raises(InputError, match="floats"):
        nearest(bank.long(), bank)


# -- groups ------------------------------------------------------------------------------------------------------------


def grouped(sizes: list[int], dims: int = 48) -> tuple[list[Tensor], Tensor, list[int]]:
    groups = [clusters(size, dims, seed=index) for index, size in enumerate(sizes)]
    return groups, torch.cat(groups), [0, *np.cumsum(sizes).tolist()]


def test_groups_are_the_plain_definition() -> None:
    groups, bank, offsets = grouped([1, 300, 2500, 17, 256])
    queries = clusters(1100, 48, seed=9)
    expected = torch.stack([all_distances(queries, group).amin(1) for group in groups], 1).float()
    torch.testing.assert_close(GroupedBank(bank, offsets).nearest(queries), expected, rtol=1e-4, atol=0)
    torch.testing.assert_close(GroupedBank(bank, torch.tensor(offsets)).nearest(queries), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("direct", [0, 2**40], ids=["searched", "directly"])
def test_groups_near_zero_are_right(direct: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouped_bank, "DIRECT_VALUES", direct)
    _, bank, offsets = grouped([400, 300])
    queries = bank[100:600].clone()
    own = GroupedBank(bank, offsets).nearest(queries)
    assert bool((own[:300, 0] == 0).all()) and bool((own[300:, 1] == 0).all())
    queries[:, 0] += 1e-3
    expected = torch.stack([all_distances(queries, bank[a:b]).amin(1) for a, b in ((0, 400), (400, 700))], 1).float()
    torch.testing.assert_close(GroupedBank(bank, offsets).nearest(queries), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize(("dims", "direct"), [(37, 2**22), (64, 2**22), (384, 2**22), (64, 0)])
def test_a_column_knows_nothing_of_the_other_groups(dims: int, direct: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep's promise: minima over columns are bit for bit the scores of separate runs."""
    monkeypatch.setattr(grouped_bank, "DIRECT_VALUES", direct)
    sizes = [784, 256, 1, 1024, 257, 1500, 63, 784]
    groups, bank, offsets = grouped(sizes, dims)
    queries = torch.cat([clusters(500, dims, seed=20), bank[700:900] + 1e-4])  # some of them near zero
    whole = GroupedBank(bank, offsets).nearest(queries)
    rng = np.random.default_rng(0)
    for count in (1, 2, 3, 5, 8):
        chosen = rng.permutation(8)[:count]
        ahead = int(rng.integers(0, 50))  # shifts the place of every group in memory
        some = torch.cat([normal(ahead, dims), *(groups[index] for index in chosen)])
        bounds = [ahead, *(ahead + np.cumsum([sizes[index] for index in chosen])).tolist()]
        assert torch.equal(GroupedBank(some, bounds).nearest(queries), whole[:, chosen])


@pytest.mark.parametrize("dims", [37, 64])
def test_a_column_knows_nothing_of_the_place_of_the_queries(dims: int) -> None:
    _, bank, offsets = grouped([784, 256, 1, 1024, 257, 1500, 63], dims)
    queries = torch.cat([clusters(500, dims, seed=20), bank[700:900] + 1e-4])
    grouped_bank = GroupedBank(bank, offsets)
    expected = grouped_bank.nearest(queries)
    for rows_ahead in range(1, 8):
        moved = torch.cat([normal(rows_ahead, dims), queries])[rows_ahead:]
        assert torch.equal(grouped_bank.nearest(moved), expected)


@pytest.mark.parametrize("offsets", [[0], [], [0, 5, 5, 10], [0, 11], [-1, 5], [6, 3]])
def test_offsets_that_bound_no_groups_are_refused(offsets: list[int]) -> None:
    with pytest.raises(InputError, match="offsets"):
        GroupedBank(normal(10, 4), offsets).nearest(normal(3, 4))
