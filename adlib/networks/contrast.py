"""A linear head that learns from good patches alone, in the manner of ReConPatch (Hyun et al., WACV 2024; chapter 17).

Patches that are alike attract each other, all others repel each other up to a margin. How alike two patches are is a
number in [0, 1], not a label: half of it is their distance, half how many of their nearest neighbours they share. The
paper takes it from a slow average of the trained network, with a projection on top and neighbours of neighbours; here
it is measured on the frozen features, which stay as they are.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BANDWIDTH = 0.25  # of the similarity by distance, in mean squared distances of the batch


def similarities(points: Tensor, neighbours: int = 8) -> Tensor:
    """(n, n) how alike the rows of points (n, D) are, in [0, 1], symmetric.

    neighbours: the nearest rows, itself included, whose overlap counts.
    """
    squared = torch.cdist(points, points).square()
    by_distance = torch.exp(-squared / (BANDWIDTH * squared.mean()))
    nearest = squared.topk(neighbours, largest=False).indices
    among = torch.zeros_like(squared).scatter_(1, nearest, 1.0)  # (n, n) 1 where the column is a neighbour of the row
    by_context = among * (among @ among.T) / neighbours
    return (by_distance + (by_context + by_context.T) / 2) / 2


def relaxed_contrastive_loss(embedded: Tensor, alike: Tensor, margin: float = 1.0) -> Tensor:
    """Mean over pairs of w d^2 + (1 - w) max(0, margin - d)^2; d is in units of the row's mean distance.

    embedded: (n, d).
    alike: (n, n) w in [0, 1].
    """
    lengths = embedded.square().sum(dim=1)
    squared = lengths[:, None] + lengths - 2 * embedded @ embedded.T  # (n, n)
    gaps = squared.clamp_min(1e-9).sqrt()  # a root has no slope at 0
    gaps = gaps / gaps.mean(dim=1, keepdim=True)
    return (alike * gaps.square() + (1 - alike) * F.relu(margin - gaps).square()).mean()


def contrastive_head(patches: Tensor, dims: int = 64, steps: int = 200, batch: int = 256, seed: int = 0) -> nn.Linear:
    """A linear map of D to `dims` values, trained on good patches (n, D); with 0 steps it is random."""
    chance = torch.Generator().manual_seed(seed)
    head = nn.Linear(patches.shape[1], dims, bias=False)
    nn.init.normal_(head.weight, std=patches.shape[1] ** -0.5, generator=chance)
    optimiser = torch.optim.Adam(head.parameters(), 1e-3)
    for _ in range(steps):
        points = patches[torch.randint(len(patches), (batch,), generator=chance)]
        loss = relaxed_contrastive_loss(head(points), similarities(points))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return head.requires_grad_(False)
