"""The bank against plain statements of its definitions: sums of squared differences in float64, and sorting."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adlib.bank import (
    GroupedBank,
    _farthest_first,
    approximate_greedy_coreset,
    coreset_size,
    covering_radius,
    greedy_coreset,
    nearest,
    neighbours,
    plain_greedy_coreset,
    random_coreset,
)
from adlib.errors import InputError


def all_distances(queries: Tensor, bank: Tensor) -> Tensor:
    return torch.stack([(bank.double() - query).square().sum(1).sqrt() for query in queries.double()])


def check_every_pick_is_a_farthest_point(points: Tensor, picked: Tensor) -> None:
    """The rule itself: where distances tie, several sequences obey it."""
    assert len(set(picked.tolist())) == len(picked)
    to_nearest = torch.full((len(points),), torch.inf, dtype=torch.float64)
    for before, index in zip(picked[:-1], picked[1:], strict=True):
        to_nearest = torch.minimum(to_nearest, all_distances(points[before][None], points)[0])
        assert to_nearest[index] == to_nearest.max()


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def clusters(n: int, dims: int, spread: float = 0.05, seed: int = 0) -> Tensor:
    """Points about 40 places in a space of 6 leading directions, far from the origin, like features of a network."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.randn(40, 6, generator=generator) @ torch.randn(6, dims, generator=generator)
    chosen = torch.randint(40, (n,), generator=generator)
    return places[chosen] + spread * torch.randn(n, dims, generator=generator) + 20


POINTS = {
    "noise": lambda: normal(3000, 24),
    "noise with a sketch": lambda: normal(4500, 48),
    "clusters": lambda: clusters(4500, 96),
    "tight clusters": lambda: clusters(3000, 64, spread=1e-4),
    "duplicates": lambda: clusters(900, 40).repeat(4, 1)[
        torch.randperm(3600, generator=torch.Generator().manual_seed(1))
    ],
    "an outlier": lambda: torch.cat([clusters(2000, 40), torch.full((1, 40), 1e6)]),
    "far from the origin": lambda: normal(2000, 40) * 0.1 + 1000,
    "tiny values": lambda: normal(800, 40) * 1e-22,
    "huge values": lambda: normal(800, 40) * 1e13,
    "one dimension": lambda: normal(1500, 1),
    "a line in many dimensions": lambda: normal(1500, 1) * normal(1, 50, seed=1),
    "float64": lambda: clusters(2000, 40).double(),
}


@pytest.mark.parametrize("name", POINTS)
def test_greedy_coreset_is_the_plain_sequence(name: str) -> None:
    points = POINTS[name]()
    picked = greedy_coreset(points, 700, seed=3, show_progress=False)
    assert picked.dtype == torch.int64 and len(set(picked.tolist())) == 700
    expected = plain_greedy_coreset(points, int(picked[0]), 700)
    # Equal points are interchangeable, so the points are compared and not their indices.
    assert torch.equal(points[picked], points[expected])


@pytest.mark.parametrize("name", ["noise", "clusters", "duplicates"])
def test_greedy_coreset_is_the_same_in_many_small_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    points = POINTS[name]()
    whole = greedy_coreset(points, 700, seed=3, show_progress=False)
    monkeypatch.setattr(_farthest_first, "ROWS", 100)
    monkeypatch.setattr(_farthest_first, "BLOCK", 700)
    assert torch.equal(points[greedy_coreset(points, 700, seed=3, show_progress=False)], points[whole])


def test_neighbours_are_the_same_in_many_small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, bank = clusters(50, 40), clusters(3000, 40, seed=1)
    whole = nearest(queries, bank, 5)
    monkeypatch.setattr(neighbours, "CHUNK", 64)
    for found, expected in zip(nearest(queries, bank, 5), whole, strict=True):
        assert torch.equal(found, expected)


def test_greedy_coreset_of_half_precision_points() -> None:
    points = clusters(1200, 40).half()
    check_every_pick_is_a_farthest_point(points, greedy_coreset(points, 200, show_progress=False))


def test_greedy_coreset_of_real_textures() -> None:
    data = pytest.importorskip("skimage.data")
    pixels = torch.from_numpy(data.brick().astype(np.float32)).reshape(1, 1, 512, 512)
    points = torch.nn.functional.unfold(pixels, 8, stride=8)[0].T.contiguous()
    picked = greedy_coreset(points, 300, show_progress=False)
    expected = plain_greedy_coreset(points, int(picked[0]), 300)
    assert torch.equal(points[picked[:50]], points[expected[:50]])
    # Pixels are whole numbers, so later distances tie and sequences part, but not in how far they reach.
    assert covering_radius(points, picked) == pytest.approx(covering_radius(points, expected), rel=0.01)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 3), st.data())
def test_every_pick_is_a_farthest_point(n: int, dims: int, levels: int, data: st.DataObject) -> None:
    """Whole coordinates in a small range: ties and duplicates, where not the sequence but the rule is unique."""
    numbers = data.draw(st.lists(st.integers(-levels, levels), min_size=n * dims, max_size=n * dims))
    points = torch.tensor(numbers, dtype=torch.float32).view(n, dims)
    size = data.draw(st.integers(1, n))
    picked = greedy_coreset(points, size, seed=levels, show_progress=False)
    assert len(picked) == size
    check_every_pick_is_a_farthest_point(points, picked)


def test_greedy_coreset_of_equal_points_and_of_all_points() -> None:
    assert sorted(greedy_coreset(torch.ones(50, 40), 50, show_progress=False).tolist()) == list(range(50))
    assert greedy_coreset(torch.zeros(1, 3), 1, show_progress=False).tolist() == [0]
    few = torch.cat([torch.zeros(500, 4), torch.ones(500, 4), torch.full((500, 4), 3.0)])
    picked = greedy_coreset(few, 10, show_progress=False)
    assert len(few[picked[:3]].unique(dim=0)) == 3 and len(set(picked.tolist())) == 10


def test_seeds_draw_the_first_centre() -> None:
    points = clusters(2000, 40)
    same = [greedy_coreset(points, 30, seed=5, show_progress=False) for _ in range(2)]
    assert torch.equal(*same)
    assert len({int(greedy_coreset(points, 1, seed=seed, show_progress=False)) for seed in range(8)}) > 4


def test_the_points_are_left_as_they_were() -> None:
    points = clusters(2000, 40)
    before = points.clone()
    greedy_coreset(points, 100, show_progress=False)
    approximate_greedy_coreset(points, 100, show_progress=False)
    assert torch.equal(points, before)


def test_approximate_coreset_follows_the_official_procedure() -> None:
    points = clusters(600, 60)
    picked = approximate_greedy_coreset(points, 120, seed=4, show_progress=False)
    starts = torch.randperm(600, generator=torch.Generator().manual_seed(4))[:10]  # 60 dims: nothing is projected
    anchors = all_distances(points, points[starts]).mean(1)
    for index in picked:
        assert index == anchors.argmax()
        anchors = torch.minimum(anchors, all_distances(points[index][None], points)[0])


def test_approximate_coreset_projects_many_dimensions() -> None:
    points = clusters(1500, 300)
    picked = approximate_greedy_coreset(points, 150, seed=1, show_progress=False)
    assert len(set(picked.tolist())) == 150
    exact = greedy_coreset(points, 150, seed=1, show_progress=False)
    random = random_coreset(1500, 150, seed=1)
    assert covering_radius(points, exact) < covering_radius(points, random)
    assert covering_radius(points, picked) < covering_radius(points, random)


def test_covering_radius_random_coreset_and_size() -> None:
    points = clusters(800, 12)
    chosen = random_coreset(800, 20, seed=2)
    assert covering_radius(points, chosen) == pytest.approx(float(all_distances(points, points[chosen]).amin(1).max()))
    assert covering_radius(points, torch.arange(800)) == 0
    assert torch.equal(chosen, random_coreset(800, 20, seed=2)) and len(chosen.unique()) == 20
    assert [coreset_size(163_856, 0.1), coreset_size(5, 0.01), coreset_size(7, 1.0)] == [16_385, 1, 7]


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan")])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="share"):
        coreset_size(100, share)


@pytest.mark.parametrize("size", [0, 11, 2.0, True])
@pytest.mark.parametrize("select", [greedy_coreset, approximate_greedy_coreset])
def test_a_size_that_cannot_be_is_refused(select, size: object) -> None:
    with pytest.raises(InputError, match="size"):
        select(torch.ones(10, 3), size)
    with pytest.raises(InputError, match="size"):
        random_coreset(10, size)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e20])
def test_points_that_are_no_numbers_are_refused(bad: float) -> None:
    points = normal(5000, 8)
    points[4500, 3] = bad
    with pytest.raises(InputError, match=r"4096 to 4999"):
        greedy_coreset(points, 10, show_progress=False)
    with pytest.raises(InputError, match="floating"):
        greedy_coreset(torch.ones(5, dtype=torch.int64), 1)


# -- nearest neighbours ------------------------------------------------------------------------------------------------


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
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nearest_refuses_what_is_no_number(where: str, bad: float) -> None:
    both = {"queries": normal(70, 40), "bank": normal(2000, 40)}
    both[where][-1, 5] = bad
    with pytest.raises(InputError, match=where):
        nearest(**both)
    with pytest.raises(InputError, match=where):
        GroupedBank(both["bank"], [0, 1000, 2000]).nearest(both["queries"])


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


def test_groups_near_zero_are_right() -> None:
    _, bank, offsets = grouped([400, 300])
    queries = bank[100:600].clone()
    own = GroupedBank(bank, offsets).nearest(queries)
    assert bool((own[:300, 0] == 0).all()) and bool((own[300:, 1] == 0).all())
    queries[:, 0] += 1e-3
    expected = torch.stack([all_distances(queries, bank[a:b]).amin(1) for a, b in ((0, 400), (400, 700))], 1).float()
    torch.testing.assert_close(GroupedBank(bank, offsets).nearest(queries), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("dims", [37, 64, 384])
def test_a_column_knows_nothing_of_the_other_groups(dims: int) -> None:
    """The sweep's promise: minima over columns are bit for bit the scores of separate runs."""
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
