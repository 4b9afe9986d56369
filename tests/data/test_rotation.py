"""Rotation: exact where it can be, bilinear elsewhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import affine_transform

from adlib.data.rotation import rotate
from adlib.errors import InputError
from helpers.image_files import COLOUR, RANDOM, same


@pytest.mark.parametrize("angle", [0, 90, 180, 270, 360, -90, 450])
def test_quarter_turns_of_squares_are_exact(angle):
    square = RANDOM.integers(0, 256, (31, 31, 3), dtype=np.uint8)
    assert same(rotate(Image.fromarray(square), angle), np.rot90(square, angle // 90))


def test_half_turns_are_exact_for_any_shape():
    assert same(rotate(Image.fromarray(COLOUR), 180), COLOUR[::-1, ::-1])
    assert same(rotate(Image.fromarray(COLOUR), 0), COLOUR)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(-720, 720), st.integers(0, 2**32 - 1))
def test_rotation_is_bilinear_with_a_reflected_border(height, width, angle, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    turned = np.asarray(rotate(Image.fromarray(pixels), angle)).astype(float)
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    back = np.array([[cos, sin], [-sin, cos]])
    centre = (np.array([height, width]) - 1) / 2
    for channel in range(3):
        plain = affine_transform(
            pixels[..., channel].astype(float), back, centre - back @ centre, order=1, mode="reflect"
        )
        assert np.abs(turned[..., channel] - plain).max() < 0.6


def test_rotation_refuses(tmp_path):
    with pytest.raises(InputError, match="RGB"):
        rotate(Image.new("L", (3, 3)), 45)
    with pytest.raises(InputError, match="finite"):
        rotate(Image.new("RGB", (3, 3)), np.nan)
