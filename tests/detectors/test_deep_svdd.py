"""Deep SVDD against plain statements of its objective, its centre and its scores; the collapse, and the cure."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adlib.data.toy import render
from adlib.detectors.deep_svdd import DeepSVDD, Sphere, centre_of, soft_boundary
from adlib.detectors.registry import load_detector
from adlib.errors import InputError

GOOD = [render("nut", seed=seed, size=64)[0] for seed in range(12)]
BAD = render("nut", "missing_part", seed=900, size=64)[0]
QUICK = {"resize": 64, "steps": 20, "batch": 4}


@pytest.fixture(scope="module")
def fitted() -> DeepSVDD:
    return DeepSVDD(**QUICK).fit(GOOD)


def pixels_of(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.astype(np.float32) / 255).permute(2, 0, 1)[None]


def test_score_and_map_are_distances_to_the_centre(fitted):
    with torch.inference_mode():
        vectors = fitted.network_(pixels_of(BAD))[0].numpy()
    expected = np.empty(vectors.shape[1:])
    for y, x in np.ndindex(*expected.shape):
        expected[y, x] = np.linalg.norm(vectors[:, y, x] - fitted.network_.centre.numpy())
    found = fitted.predict([BAD])
    assert found.grids[0].shape == (4, 4)  # one position every 16 pixels
    np.testing.assert_allclose(found.grids[0], expected, rtol=1e-4)
    assert found.scores[0] == pytest.approx(np.sqrt(np.mean(expected**2)), rel=1e-4)


def test_the_centre_is_the_mean_of_the_first_outputs_away_from_zero():
    maps = [torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    mean = np.mean([one.numpy().reshape(5, -1).mean(1) for one in maps], axis=0)
    expected = [value if abs(value) >= 0.1 else (-0.1 if value < 0 else 0.1) for value in mean]
    np.testing.assert_allclose(centre_of(maps), expected, rtol=1e-4)
    assert torch.equal(centre_of([torch.zeros(2, 1, 1)]), torch.full((2,), 0.1))


def test_the_centre_does_not_move(fitted):
    moved = DeepSVDD(**QUICK | {"steps": 1}).fit(GOOD)
    assert torch.equal(fitted.network_.centre, moved.network_.centre)
    assert fitted.network_.centre.abs().min() >= 0.1 - 1e-6


@given(squared=st.lists(st.floats(0, 100), min_size=1, max_size=20), radius=st.floats(0, 10), nu=st.floats(0.01, 0.99))
def test_soft_boundary_is_equation_3(squared, radius, nu):
    outside = [max(0.0, one - radius**2) for one in squared]
    expected = radius**2 + sum(outside) / (nu * len(squared))
    found = soft_boundary(torch.tensor(squared, dtype=torch.float64), torch.tensor(radius, dtype=torch.float64), nu)
    assert found.item() == pytest.approx(expected)


@pytest.mark.slow
@given(nu=st.sampled_from([0.05, 0.1, 0.25, 0.5]), seed=st.integers(0, 50))
def test_the_quantile_is_the_radius_that_minimises_equation_3(nu, seed):
    """Why the radius needs no gradient: a share nu outside is where its derivative changes sign."""
    squared = torch.rand(40, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    best = min(soft_boundary(squared, radius, nu) for radius in torch.linspace(0, 1, 201, dtype=torch.float64))
    at_quantile = soft_boundary(squared, squared.sqrt().quantile(1 - nu, interpolation="higher"), nu)
    assert at_quantile <= best + 1e-9


def test_the_loss_in_training_uses_the_radius_and_then_moves_it():
    detector = DeepSVDD(**QUICK, objective="soft-boundary", nu=0.25).fit(GOOD)
    network, maps = detector.network_, {"pixels": torch.cat([pixels_of(one) for one in GOOD])}
    radius = network.radius.clone()
    with torch.inference_mode():
        squared = network.squared_distances(maps["pixels"]).mean((1, 2))
        assert detector._loss(network.eval(), maps) == soft_boundary(squared, radius, 0.25)
        assert torch.equal(network.radius, radius)  # held-out pictures do not move it
        detector._loss(network.train(), maps)
    assert network.radius.item() == pytest.approx(squared.sqrt().quantile(0.75).item(), rel=1e-5)


@pytest.mark.parametrize("objective", ["one-class", "soft-boundary"])
def test_the_radius_leaves_a_share_nu_of_what_it_learned_from_outside(objective):
    detector = DeepSVDD(**QUICK, objective=objective, nu=0.25).fit(GOOD)
    scores = detector.predict(GOOD).scores
    assert (scores > detector.radius_).sum() == 3
    assert detector.radius_ == pytest.approx(np.quantile(scores, 0.75), rel=1e-5)


def test_training_pulls_good_pictures_to_the_centre(fitted):
    before = DeepSVDD(**QUICK | {"steps": 1, "learning_rate": 1e-9}).fit(GOOD)
    assert fitted.predict(GOOD).scores.mean() < 0.7 * before.predict(GOOD).scores.mean()


def test_without_bias_the_network_is_homogeneous_and_zeros_stay_zeros():
    torch.manual_seed(0)
    plain, biased = (Sphere(3, 1, 4, 8, bias) for bias in (False, True))
    values = torch.randn(1, 3, 32, 32)
    assert torch.allclose(plain.body(3 * values), 3 * plain.body(values), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(biased.body(3 * values), 3 * biased.body(values), rtol=1e-2)
    for layer in plain.body[::2]:
        torch.nn.init.zeros_(layer.weight)
    assert plain.body(values).eq(0).all()  # so a centre that is not zero is out of its reach


def test_with_bias_everything_can_be_sent_to_the_centre():
    torch.manual_seed(0)
    network = Sphere(3, 1, 4, 8, bias=True)
    network.centre.copy_(torch.randn(8))
    last = network.body[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(network.centre)
    assert network.squared_distances(torch.randn(2, 3, 32, 32)).eq(0).all()


def test_inputs_are_standardised():
    network = Sphere(2, 1, 4, 8, bias=False)
    inputs = [torch.randn(2, 5, 5) * torch.tensor([2.0, 0.0]).view(2, 1, 1) + 7 for _ in range(6)]
    network.standardise(inputs)
    values = (torch.stack(inputs) - network.mean) / network.std
    assert values.mean((0, 2, 3)).abs().max() < 1e-4
    assert values[:, 0].std().item() == pytest.approx(1, rel=0.05)
    assert values.isfinite().all()  # a channel that never varies


def test_it_is_a_head_on_the_layers_of_a_backbone(tmp_path):
    backbone = {"backbone": "efficientnet_lite0", "layers": ("blocks2", "blocks4"), "device": "cpu"}
    head = DeepSVDD(**QUICK, **backbone).fit(GOOD)
    found = head.predict([BAD])
    assert found.grids[0].shape == (4, 4) and head.network_.body[0].in_channels == 40 + 112
    head.save(tmp_path / "model")
    again = load_detector(tmp_path / "model", device="cpu")
    assert again.radius_ == head.radius_ and np.array_equal(again.predict([BAD]).scores, found.scores)


def test_pixels_are_a_layer_of_every_backbone():
    options = {"resize": 64, "steps": 1, "layers": ("pixels", "blocks4"), "backbone": "efficientnet_lite0"}
    assert DeepSVDD(**options).fit(GOOD[:2]).network_.body[0].in_channels == 3 + 112


@pytest.mark.parametrize("wrong", [{"objective": "two-class"}, {"nu": 0.0}, {"nu": 1.0}, {"dims": 0}, {"width": 0}])
def test_what_it_cannot_mean_is_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        DeepSVDD(**QUICK | wrong).fit(GOOD[:2])
