"""Defective test images join the training images: hidden among the good ones (`noise`), or labelled (`labelled`)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from adlib.data.dataset import Dataset, Sample, whole_number
from adlib.errors import InputError


def defective(dataset: Dataset) -> list[Sample]:
    """The defective test images."""
    return [s for s in dataset.test if s.label]


def drawn(samples: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    """The first `count` samples of a permutation that the seed fixes: fewer are always among more."""
    order = np.random.default_rng(whole_number("seed", seed, 0)).permutation(len(samples))
    return [samples[i] for i in order[:count]]


def moved(dataset: Dataset, chosen: Sequence[Sample], stay: bool, refusal: str, **changes: Any) -> Dataset:
    """The data set with chosen test images among its training images.

    chosen: defective test images.
    stay: whether they also stay in the test set.
    refusal: the message where no defective test image would be left.
    changes: fields of a sample that change on the way.
    Raises InputError where no defective test image would be left.
    """
    removed = set() if stay else set(chosen)
    left = tuple(s for s in dataset.samples if s not in removed)
    if not any(s.split == "test" and s.label for s in left):
        raise InputError(refusal)
    return replace(dataset, samples=left + tuple(replace(s, split="train", **changes) for s in chosen))
