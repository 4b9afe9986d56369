"""From the patch distances of one picture to its image score."""

import torch
from torch import Tensor

from adlib.errors import InputError


def top_share_mean(distances: Tensor, share: float = 0.01) -> Tensor:
    """Mean of the largest `share` of patch distances: AnomalyDINO's image score (Damm et al. 2025, sec. 3.1; ch. 21).

    distances: (..., n) distances of one image's patches, >= 0; masked patches count as 0.
    Returns (...,) scores. Takes int(n * share) patches, and the maximum alone where that is none.
    Raises InputError if share is outside [0, 1]; 0 gives the maximum, PatchCore's score.
    """
    if not 0 <= share <= 1:
        raise InputError(f"The share of patches in the image score must lie between 0 and 1, not {share}.")
    count = max(1, int(distances.shape[-1] * share))
    return torch.topk(distances, count, dim=-1).values.mean(dim=-1)


def reweighted(score: Tensor, to_nearest: Tensor, to_neighbours: Tensor) -> Tensor:
    """Eq. 7 of PatchCore (Roth et al. 2022): a far patch counts more where the bank around its nearest entry is sparse.

    score: () the largest patch distance s*; to_nearest: () distance of that patch to m*, its nearest bank entry;
    to_neighbours: (b,) its distances to the b bank entries nearest to m*, m* itself among them.
    Returns (1 - exp(to_nearest) / sum(exp(to_neighbours))) * score: the weight is at least 1 - 1 / b. By way of
    log-sum-exp, since exp(100) overflows float32.
    """
    weight = 1 - torch.exp(to_nearest - torch.logsumexp(to_neighbours, dim=0))
    return weight * score
