"""Networks trained in episodes: losses against plain loops, what the transformer may do, and that training learns."""

import pytest
import torch
import torch.nn.functional as F

from adlib.networks.episodes import Prototypes, Registration, train_in_episodes


@pytest.fixture(autouse=True)
def same_weights():
    torch.manual_seed(0)


def pair(classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(2, classes, 6, 4, 4).unbind()


def test_an_untrained_transformer_turns_nothing():
    maps = pair()[0]
    assert torch.allclose(Registration(6, 5).align(maps), maps, atol=1e-5)


def test_a_quarter_turn_is_a_rotation():
    network, maps = Registration(6, 5), pair()[0]
    network.locate[-1].bias.data = torch.tensor([0.0, 2.0])  # any length: an angle of 90 degrees
    assert torch.allclose(network.align(maps), maps.rot90(1, (2, 3)), atol=1e-5)


def test_registration_loss_is_the_mean_over_patches_of_one_minus_cosine():
    network = Registration(6, 5).eval()
    query, support = pair()
    one, other = network(query), network(support)
    guessed, returned = network.predictor(one), network.predictor(other)
    values = [
        1 - F.cosine_similarity(guess[b, :, y, x], target[b, :, y, x], dim=0)
        for guess, target in ((guessed, other), (returned, one))
        for b in range(3)
        for y in range(4)
        for x in range(4)
    ]
    assert torch.allclose(network.loss(query, support), torch.stack(values).mean(), atol=1e-6)


def test_prototype_loss_is_a_cross_entropy_over_the_nearest_patch_of_each_class():
    network = Prototypes(6, 5)
    query, support = pair()
    described, known = network(query).flatten(2), network(support).flatten(2)
    values = []
    for b in range(3):
        for p in range(16):
            nearest = [
                max(F.cosine_similarity(described[b, :, p], known[k, :, q], dim=0) for q in range(16)) for k in range(3)
            ]
            values.append(-torch.log_softmax(torch.stack(nearest) / 0.1, dim=0)[b])
    assert torch.allclose(network.loss(query, support), torch.stack(values).mean(), atol=1e-5)


@pytest.mark.parametrize("kind", [Registration, Prototypes])
def test_training_lowers_the_loss_and_repeats(kind):
    maps = torch.randn(8, 1, 6, 4, 4) + 0.3 * torch.randn(8, 5, 6, 4, 4)
    losses = []
    for _ in range(2):
        torch.manual_seed(0)
        network = kind(6, 8)
        losses.append(train_in_episodes(network, maps, 40, classes=4, rate=0.01))
    assert losses[0] == losses[1] and not network.training
    assert sum(losses[0][-5:]) < 0.7 * sum(losses[0][:5])
