"""Nuts of the toy data set."""

import numpy as np

from adlib.data import toy


def test_nuts_are_turned():
    turns = [toy.nut._nut(64, np.random.default_rng(seed)).turn for seed in range(30)]
    assert np.ptp(turns) > 0.7 * np.pi / 3
