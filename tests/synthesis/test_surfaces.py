"""Random surfaces to learn shapes from."""

import numpy as np
import pytest

from adlib.errors import InputError
from adlib.synthesis.surfaces import random_surface


def test_a_surface_is_a_height_over_a_grid_and_depends_on_the_generator_alone():
    one, same, other = (random_surface(np.random.default_rng(seed), 20, 1.5) for seed in (0, 0, 1))
    assert one.shape == (400, 3) and np.array_equal(one, same) and not np.array_equal(one, other)
    assert np.unique(one[:, 0]) == pytest.approx(1.5 * np.arange(20))
    assert np.ptp(one[:, 2]) > 1 and np.isfinite(one).all()


def test_lengths_scale_with_the_spacing():
    small, large = (random_surface(np.random.default_rng(0), 20, s, noise=0) for s in (1.0, 3.0))
    assert large == pytest.approx(3 * small)


def test_a_side_below_2_is_refused():
    with pytest.raises(InputError, match="side"):
        random_surface(np.random.default_rng(0), 1)
