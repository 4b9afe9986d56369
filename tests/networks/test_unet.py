"""The hourglass network: shapes, what its skip connections hand over, and what must be refused."""

import pytest
import torch
from torch import nn

from adlib.errors import InputError
from adlib.networks.unet import Hourglass, block


def network(**shape) -> Hourglass:
    torch.manual_seed(0)
    return Hourglass(**{"inputs": 3, "outputs": 2, "width": 4, "depth": 3} | shape).eval()


@pytest.mark.parametrize("size", [(32, 32), (24, 40), (17, 9), (1, 1)])
@pytest.mark.parametrize("skips", [0, 2, 3])
def test_maps_are_as_large_as_the_picture(size, skips):
    assert network(skips=skips, bottleneck=5)(torch.rand(2, 3, *size)).shape == (2, 2, *size)


def test_the_narrowest_place_is_coarser_by_two_to_the_depth():
    net = network(bottleneck=5)
    deepest, passed = net.encode(torch.rand(1, 3, 32, 24))
    assert net.squeeze(deepest).shape == (1, 5, 4, 3)
    assert [values.shape[1:] for values in passed] == [(4, 32, 24), (8, 16, 12), (16, 8, 6)]
    assert net.deepest == 32 and network(depth=5).deepest == 32  # eight times the first level's at most


@pytest.mark.parametrize("skips", [0, 1, 2, 3])
def test_only_the_skipped_levels_go_around_the_bottleneck(skips):
    """From the coarsest on: without skips all there is to know of a picture is its code."""
    net = network(skips=skips)
    deepest, passed = net.encode(torch.rand(1, 3, 16, 16))
    answer = net.decode(net.squeeze(deepest), passed)
    for level in range(3):
        spoiled = [values + (number == level) for number, values in enumerate(passed)]
        same = torch.equal(answer, net.decode(net.squeeze(deepest), spoiled))
        assert same == (level < 3 - skips)


def test_what_is_lost_in_the_bottleneck_is_lost():
    net = network(bottleneck=1)
    one, other = torch.rand(2, 1, 3, 16, 16)
    (_, passed), code = net.encode(one), torch.zeros(1, 1, 2, 2)
    assert torch.equal(net.decode(code, passed), net.decode(code, net.encode(other)[1]))


def test_a_block_is_two_convolutions_with_normalisation():
    kinds = [type(layer) for layer in block(3, 8)]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 2
    assert block(3, 8)(torch.rand(2, 3, 7, 5)).shape == (2, 8, 7, 5)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"depth": 0}, {"bottleneck": 0}, {"skips": 4}, {"skips": -1}])
def test_shapes_that_cannot_be_are_refused(wrong):
    with pytest.raises(InputError, match="skip" if "skips" in wrong else next(iter(wrong))):
        network(**wrong)
