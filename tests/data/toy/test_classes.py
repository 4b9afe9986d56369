"""Rendered classes: repeatable, alike within a class, different between classes."""

import numpy as np
import pytest

from adlib.data.toy.classes import render_class
from adlib.errors import InputError


def test_the_same_arguments_give_the_same_image():
    image = render_class(3, 5, 64)
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    assert (image == render_class(3, 5, 64)).all() and (image != render_class(3, 6, 64)).any()


def test_images_of_a_class_are_more_alike_than_those_of_two():
    means = np.array([[render_class(number, seed, 64).mean((0, 1)) for seed in range(3)] for number in range(48)])
    within = np.abs(means - means.mean(axis=1, keepdims=True)).mean()
    between = np.abs(means.mean(axis=1) - means.mean(axis=(0, 1))).mean()
    assert within < between / 5


@pytest.mark.parametrize("arguments", [(-1, 0, 64), (0, -1, 64), (0, 0, 63)])
def test_invalid_arguments_are_refused(arguments):
    with pytest.raises(InputError, match="at least 0"):
        render_class(*arguments)
