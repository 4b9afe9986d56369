"""Few-shot draws: whole, nested or without overlap, and the same on every machine."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adlib.data import Dataset, Sample, load_dataset
from adlib.errors import InputError


def made_of(count: int) -> Dataset:
    root = Path("/data")
    samples = [Sample(root / "a" / f"{i:04d}.png", "a", "train", 0, "good") for i in range(count)]
    return Dataset("made", root, tuple(reversed(samples)))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 9))
def test_slices_are_anomalydinos_own(count, shots, seed):
    dataset = made_of(count)
    if (seed + 1) * shots > count:
        with pytest.raises(InputError, match=f"has {count} good"):
            dataset.few_shot(shots, seed)
    else:
        files = sorted(s.path.name for s in dataset.samples)
        assert [s.path.name for s in dataset.few_shot(shots, seed)] == files[seed * shots : (seed + 1) * shots]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**40), st.data())
def test_random_draws_are_nested_distinct_and_repeatable(count, seed, data):
    dataset = made_of(count)
    many = data.draw(st.integers(1, count))
    few = data.draw(st.integers(1, many))
    drawn = dataset.few_shot(many, seed, "random")
    assert len(set(drawn)) == many
    assert drawn[:few] == dataset.few_shot(few, seed, "random")


def test_random_draws_differ_by_seed_and_cover_all():
    dataset = made_of(50)
    assert dataset.few_shot(50, 0, "random") != dataset.few_shot(50, 1, "random")
    assert set(dataset.few_shot(50, 3, "random")) == set(dataset.samples)
    assert dataset.few_shot(None) == dataset.train_good == sorted(dataset.samples, key=lambda s: s.path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0,), "shots must be a whole number of at least 1, not 0"),
        ((-1,), "at least 1"),
        ((2.5,), "not 2.5"),
        ((True,), "not True"),
        (("4",), "not '4'"),
        ((4, -1), "seed must be a whole number"),
        ((11,), "has 10 good training images, fewer than the 11 shots"),
        ((11, 0, "random"), "has 10 good training images, fewer"),
        ((4, 2), 'need 12; take a smaller seed or selection="random"'),
        ((4, 0, "best"), "Unknown selection 'best'"),
        ((None, 0, "best"), "Unknown selection"),
    ],
)
def test_draws_that_are_refused(arguments, words):
    with pytest.raises(InputError) as caught:
        made_of(10).few_shot(*arguments)
    assert words in str(caught.value)


def test_draws_need_one_category(toy_root):
    dataset = load_dataset(toy_root)
    with pytest.raises(InputError, match="nut, weld"):
        dataset.few_shot(1)
    (drawn,) = dataset.category("nut").few_shot(np.int64(1))
    assert dataset.relative(drawn) == "nut/train/good/000.png"
