"""The contrastive head: what attracts, what repels, and what training does to the distances."""

import torch

from adlib.networks.contrast import contrastive_head, relaxed_contrastive_loss, similarities


def clusters(count: int = 40) -> torch.Tensor:
    chance = torch.Generator().manual_seed(0)
    centres = 4 * torch.randn(4, 12, generator=chance)
    return centres.repeat(count, 1) + torch.randn(4 * count, 12, generator=chance)


def test_a_patch_is_most_like_itself_and_its_cluster():
    alike = similarities(clusters(), neighbours=8)
    own = torch.arange(160)[:, None] % 4 == torch.arange(160) % 4
    assert torch.allclose(alike, alike.T) and alike.min() >= 0 and alike.max() <= 1 + 1e-6
    assert (alike.diagonal() >= alike.max(dim=1).values - 1e-6).all()
    assert alike[own].mean() > 3 * alike[~own].mean()


def test_the_loss_of_a_pair_by_hand():
    embedded, alike = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0, 0.25], [0.25, 1.0]])
    # Row means are 1, so the gaps are 0 and 2; the pair is beyond the margin of 3 by -1.
    expected = (0.25 * 4 + 0.75 * 1) * 2 / 4
    assert torch.isclose(relaxed_contrastive_loss(embedded, alike, margin=3.0), torch.tensor(expected), atol=1e-4)


def test_training_lowers_the_loss_and_repeats():
    patches = clusters()
    losses = []
    for steps in (0, 100):
        head = contrastive_head(patches, dims=4, steps=steps, batch=64, seed=1)
        losses.append(float(relaxed_contrastive_loss(head(patches), similarities(patches))))
    assert losses[1] < 0.9 * losses[0]
    again = contrastive_head(patches, dims=4, steps=100, batch=64, seed=1)
    assert torch.equal(again.weight, head.weight) and not again.weight.requires_grad
