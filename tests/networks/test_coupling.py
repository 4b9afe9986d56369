"""Coupling layers: inverse and log-determinant against autograd's Jacobian, density against its definition."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from adlib.errors import InputError
from adlib.networks.coupling import Coupling, Flow, convolutions, dense, standard_normal

sizes = st.tuples(st.integers(1, 3), st.integers(2, 7), st.integers(1, 5), st.integers(1, 5))


@pytest.fixture(autouse=True)
def same_orders():
    """A flow draws the orders of its channels from torch's generator."""
    torch.manual_seed(0)


def awake(module: nn.Module, seed: int = 0) -> nn.Module:
    """In float64, and with weights other than the zeros with which training begins."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in module.parameters():
            weights.copy_(torch.randn(weights.shape, generator=generator) * 0.7)
    return module.double()


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def lower(channels: int, seed: int = 0) -> Tensor:
    """A lower triangular matrix with a positive diagonal."""
    matrix = random(channels, channels, seed=seed).tril()
    return matrix - matrix.diagonal().diag() + (matrix.diagonal().abs() + 0.2).diag()


def plain_log_det(flow: nn.Module, value: Tensor, *condition: Tensor) -> Tensor:
    """log |det| of the Jacobian of one value (1, C, ...), all its numbers in a row."""

    def flat(numbers: Tensor) -> Tensor:
        return flow(numbers.reshape(value.shape), *condition)[0].flatten()

    jacobian = torch.autograd.functional.jacobian(flat, value.flatten())
    return torch.linalg.slogdet(jacobian).logabsdet


@settings(deadline=None, max_examples=25)
@given(sizes, st.integers(1, 5), st.integers(0, 99))
def test_a_flow_of_maps_runs_backwards_and_knows_its_determinant(size, layers, seed):
    batch, channels, height, width = size
    flow = awake(Flow(channels, [convolutions(3, (3, 1)[k % 2]) for k in range(layers)]), seed)
    flow.whiten(random(channels, seed=seed), lower(channels, seed))
    values = random(*size, seed=seed)
    latent, log_det = flow(values)
    assert latent.shape == values.shape and log_det.shape == (batch, height, width)
    torch.testing.assert_close(flow.inverse(latent), values, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(log_det[0].sum(), plain_log_det(flow, values[:1]), rtol=1e-6, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 5), st.integers(2, 9), st.integers(1, 5), st.integers(0, 3), st.integers(0, 99))
def test_a_flow_of_vectors_under_a_condition_does_too(batch, channels, layers, seen, seed):
    flow = awake(Flow(channels, [dense(4)] * layers, condition=seen), seed)
    flow.whiten(random(channels, seed=seed), lower(channels, seed))
    values, condition = random(batch, channels, seed=seed), random(batch, seen, seed=seed + 1)
    latent, log_det = flow(values, condition)
    assert log_det.shape == (batch,)
    torch.testing.assert_close(flow.inverse(latent, condition), values, rtol=1e-6, atol=1e-6)
    for row in range(batch):
        expected = plain_log_det(flow, values[row : row + 1], condition[row : row + 1])
        torch.testing.assert_close(log_det[row], expected, rtol=1e-6, atol=1e-6)


def test_one_coupling_is_what_its_formula_says():
    coupling = awake(Coupling(torch.tensor([2, 0, 1]), dense(5)))
    value = random(1, 3)
    kept, changed = value[:, [2]], value[:, [0, 1]]
    scale, shift = coupling.subnet(kept).chunk(2, dim=1)
    latent, log_det = coupling(value)
    expected = torch.cat([kept, changed * torch.exp(torch.tanh(scale)) + shift], dim=1)
    assert torch.equal(latent, expected) and torch.equal(log_det, torch.tanh(scale).sum(1))


def test_two_couplings_change_every_channel_and_the_condition_counts():
    for channels in (2, 3, 7, 8):
        flow = awake(Flow(channels, [dense(16)] * 2, condition=1))
        jacobian = torch.autograd.functional.jacobian(
            lambda value, flow=flow: flow(value, torch.ones(1, 1).double())[0], random(1, channels)
        )[0, :, 0]
        scaled = jacobian.abs().sum(1)
        assert (scaled > 0).all() and torch.linalg.matrix_rank(jacobian) == channels
        values = random(50, channels)  # many: a unit that is silent for one value may hide the condition there
        one, two = (flow(values, torch.full((50, 1), c).double())[0] for c in (0.0, 1.0))
        assert (one != two).any(dim=0).all()


def test_scales_stay_bounded_however_wild_the_subnet():
    coupling = awake(Coupling(torch.arange(4), dense(3))).float()
    with torch.no_grad():
        coupling.subnet[-1].weight.mul_(1e6)
    _, log_det = coupling(torch.randn(50, 4) * 100)
    assert log_det.abs().max() <= 2.0 and log_det.abs().max() > 1.9


def test_before_training_a_flow_is_the_gaussian_it_was_whitened_by():
    samples = random(500, 3) @ lower(3).T + 2.0
    mean, covariance = samples.mean(0), torch.cov(samples.T, correction=0)
    flow = Flow(3, [dense(8)] * 4).double()
    flow.whiten(mean, torch.linalg.inv(torch.linalg.cholesky(covariance)))
    expected = torch.distributions.MultivariateNormal(mean, covariance).log_prob(samples)
    torch.testing.assert_close(flow.log_likelihood(samples), expected)


def test_the_density_of_a_flow_integrates_to_one():
    flow = awake(Flow(2, [dense(6)] * 4))
    axis = torch.linspace(-40, 40, 1201, dtype=torch.float64)
    plane = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        total = flow.log_likelihood(plane).exp().sum() * (axis[1] - axis[0]) ** 2
    assert total.item() == pytest.approx(1.0, abs=0.01)


def test_standard_normal_is_torchs():
    values = random(4, 3, 2, 5)
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(values).sum(1)
    torch.testing.assert_close(standard_normal(values), expected)
    assert standard_normal(torch.zeros(1, 2)).item() == pytest.approx(-math.log(2 * math.pi))


def test_training_raises_the_likelihood_of_what_no_gaussian_describes():
    torch.manual_seed(0)
    angle = torch.rand(400) * 2 * math.pi
    ring = torch.stack([angle.cos(), angle.sin()], dim=1) + 0.05 * torch.randn(400, 2)
    flow = Flow(2, [dense(32)] * 6)
    before = flow.log_likelihood(ring).mean().item()
    optimiser = torch.optim.Adam(flow.parameters(), lr=0.005)
    for _ in range(100):
        loss = -flow.log_likelihood(ring).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert -loss.item() > before + 0.5


def test_a_single_channel_cannot_be_split():
    with pytest.raises(InputError, match="at least 2"):
        Flow(1, [dense(4)])
