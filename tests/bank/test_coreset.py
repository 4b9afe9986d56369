"""Coresets against plain statements of their definitions: sums of squared differences in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adlib.bank import (
    _farthest_first,
    approximate_greedy_coreset,
    bfloat16_products,
    central_coreset,
    coreset_size,
    covering_radius,
    greedy_coreset,
    plain_greedy_coreset,
    random_coreset,
)
from adlib.errors import InputError
from helpers.plain_bank import all_distances, clusters, normal


def check_every_pick_is_a_farthest_point(points: Tensor, picked: Tensor) -> None:
    """The rule itself: where distances tie, several sequences obey it."""
    assert len(set(picked.tolist())) == len(picked)
    to_nearest = torch.full((len(points),), torch.inf, dtype=torch.float64)
    for before, index in zip(picked[:-1], picked[1:], strict=True):
        to_nearest = torch.minimum(to_nearest, all_distances(points[before][None], points)[0])
        assert to_nearest[index] == to_nearest.max()


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


@pytest.mark.parametrize("coarse", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", POINTS)
def test_greedy_coreset_is_the_plain_sequence(name: str, coarse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    points = POINTS[name]()
    monkeypatch.setattr(_farthest_first, "pays", lambda points: coarse)
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


@pytest.mark.parametrize("vague", [0.0, 1e9])
def test_pairs_by_bfloat16_or_float32_are_the_same_coreset(vague: float, monkeypatch: pytest.MonkeyPatch) -> None:
    points = POINTS["clusters"]()
    monkeypatch.setattr(_farthest_first, "pays", lambda points: False)
    expected = greedy_coreset(points, 700, seed=3, show_progress=False)
    monkeypatch.setattr(_farthest_first, "pays", lambda points: True)
    monkeypatch.setattr(_farthest_first, "VAGUE", vague)
    assert torch.equal(greedy_coreset(points, 700, seed=3, show_progress=False), expected)


@pytest.mark.parametrize("scale", [2.0**-60, 1.0, 2.0**46])
def test_products_in_bfloat16_are_within_their_bound(scale: float) -> None:
    halfway = torch.full((64,), 1 + 2.0**-8 + 2.0**-20)  # just above halfway from 1 to the next value: rounded most
    points = torch.cat([normal(300, 64), halfway[None]]) * scale
    centres = torch.cat([normal(40, 64, seed=1), halfway[None], -halfway[None]]) * scale
    error = (points.double() @ centres.double().T - (points.bfloat16() @ centres.bfloat16().T).double()).abs()
    bound = bfloat16_products.COARSE * points.double().norm(dim=1)[:, None] * centres.double().norm(dim=1)
    assert bool((error <= bound).all()) and float((error / bound).max()) > 0.6


def test_bfloat16_is_for_float32_on_a_fast_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    points = normal(10, 4)
    monkeypatch.setattr(bfloat16_products, "_processor_is_fast", lambda: True)
    assert bfloat16_products.pays(points) and not bfloat16_products.pays(points.double())
    monkeypatch.setattr(bfloat16_products, "_processor_is_fast", lambda: False)
    assert not bfloat16_products.pays(points)


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
    with pytest.raises(InputError, match="fraction"):
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


def test_a_central_coreset_starts_near_the_mean():
    points = torch.tensor([[0.0, 0.0], [4.0, 0.0], [1.0, 0.5], [0.0, 9.0], [-5.0, 0.0]])  # mean (0, 1.9)
    assert central_coreset(points, 3).tolist() == [2, 3, 4]
    assert central_coreset(points, 2, start=1).tolist() == [0, 3]
    assert sorted(central_coreset(points, 5).tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("size", "start"), [(0, 0), (6, 0), (2, 5), (2, -1)])
def test_a_central_coreset_refuses_what_it_cannot_pick(size, start):
    with pytest.raises(InputError):
        central_coreset(torch.rand(5, 2), size, start)
