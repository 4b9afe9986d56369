"""Image scores against plain statements of their definitions."""

import math

import pytest
import torch

from adlib.detectors.scores import reweighted, top_share_mean
from adlib.errors import InputError


@pytest.mark.parametrize(
    ("n", "taken"), [(1, 1), (99, 1), (100, 1), (150, 1), (199, 1), (200, 2), (784, 7), (1024, 10)]
)
def test_top_share_takes_int_of_n_times_share(n, taken):
    distances = torch.rand(n, generator=torch.Generator().manual_seed(n))
    highest = sorted(distances.tolist(), reverse=True)[:taken]
    assert top_share_mean(distances).item() == pytest.approx(sum(highest) / taken, rel=1e-6)


def test_masked_patches_count_as_zero_and_stay_in_n():
    """300 patches, all but two masked: int(300 * 0.01) = 3 values are averaged, one of them a masked zero."""
    distances = torch.zeros(300)
    distances[7], distances[8] = 0.6, 0.3
    assert top_share_mean(distances).item() == pytest.approx(0.3)


def test_share_zero_is_the_maximum_and_one_the_mean():
    distances = torch.tensor([[0.1, 0.5, 0.3], [0.2, 0.2, 0.8]])
    assert torch.allclose(top_share_mean(distances, 0.0), torch.tensor([0.5, 0.8]))
    assert torch.allclose(top_share_mean(distances, 1.0), torch.tensor([0.3, 0.4]))


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(InputError, match="between 0 and 1"):
        top_share_mean(torch.ones(10), share)


def test_eq_7_as_it_stands_in_the_paper():
    nearest, neighbours, score = 2.0, [2.0, 2.5, 3.0], 2.0
    expected = (1 - math.exp(nearest) / sum(math.exp(d) for d in neighbours)) * score
    assert reweighted(torch.tensor(score), torch.tensor(nearest), torch.tensor(neighbours)).item() == pytest.approx(
        expected
    )


def test_eq_7_does_not_overflow():
    value = reweighted(torch.tensor(500.0), torch.tensor(500.0), torch.tensor([500.0, 500.0]))
    assert value.item() == pytest.approx(250.0, rel=1e-4)
