"""Local outlier factors against the definitions of Breunig et al. 2000 in plain loops, and against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import LocalOutlierFactor

from adlib.bank import local_outlier_factors, outliers
from adlib.errors import InputError
from helpers.plain_bank import clusters, normal


def plain_factors(points: np.ndarray, k: int) -> list[float]:
    """LOF of each point (N, D) among the others, definition by definition."""
    others = range(len(points))
    d = np.linalg.norm(points[:, None] - points[None], axis=2)
    near = [sorted((o for o in others if o != p), key=lambda o: d[p, o])[:k] for p in others]
    k_distance = [d[p, near[p][-1]] for p in others]
    lrd = [1 / np.mean([max(k_distance[o], d[p, o]) for o in near[p]]) for p in others]
    return [np.mean([lrd[o] / lrd[p] for o in near[p]]) for p in others]


@pytest.mark.parametrize("k", [1, 3, 11, 50])
@pytest.mark.parametrize("make", [normal, lambda *shape: 1000 * normal(*shape), lambda *shape: 1e-3 * normal(*shape)])
def test_factors_are_those_of_the_definitions(k, make):
    samples = make(12, 5, 4)
    expected = np.stack([plain_factors(samples[:, i].double().numpy(), min(k, 11)) for i in range(5)], axis=1)
    np.testing.assert_allclose(local_outlier_factors(samples, k), expected, rtol=1e-4)


def test_factors_are_those_of_scikit_learn():
    points = clusters(150, 20).double().numpy()
    expected = -LocalOutlierFactor(n_neighbors=6).fit(points).negative_outlier_factor_
    found = local_outlier_factors(torch.from_numpy(points)[:, None], 6)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_a_position_is_judged_alone_and_in_parts(monkeypatch):
    samples = normal(9, 13, 6)
    whole = local_outlier_factors(samples, 3)
    assert torch.allclose(local_outlier_factors(samples[:, 4:5], 3)[:, 0], whole[:, 4], rtol=1e-4)
    monkeypatch.setattr(outliers, "BYTE_BUDGET", 1)
    assert torch.allclose(local_outlier_factors(samples, 3), whole)


def test_equal_patches_are_no_outliers_and_the_odd_one_is():
    samples = normal(1, 2, 30).repeat(8, 1, 1)
    assert torch.allclose(local_outlier_factors(samples, 3), torch.ones(8, 2, dtype=torch.float64), rtol=0.1)
    samples[5, 1] += 1
    factors = local_outlier_factors(samples, 3)
    assert factors[5, 1] > 1000 and factors[:, 0].max() < 1.1 and torch.isfinite(factors).all()
    assert torch.equal(local_outlier_factors(torch.zeros(4, 2, 3), 2), torch.ones(4, 2, dtype=torch.float64))


def test_a_patch_without_others_has_the_factor_one():
    assert torch.equal(local_outlier_factors(normal(1, 4, 3), 6), torch.ones(1, 4, dtype=torch.float64))


def test_refuses_to_judge_by_no_neighbour():
    with pytest.raises(InputError, match="at least 1 neighbour, not 0"):
        local_outlier_factors(normal(4, 4, 3), 0)
