"""From the patch distances of an image to its image score."""

import torch
from torch import Tensor

from adlib.errors import InputError


def top_share_mean(distances: Tensor, share: float = 0.01) -> Tensor:
    """Mean of the largest patch distances: AnomalyDINO's image score (Damm et al. 2025, sec. 3.1; chapter 21).

    distances: (..., n) distances of one image's patches, >= 0; masked patches count as 0.
    share: fraction in [0, 1] of the patches; 0 gives the maximum, PatchCore's score.
    Returns (...,) scores: the mean of the int(n * share) largest distances, or the maximum where that number is 0.
    Raises InputError if share is outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise InputError(f"The fraction of patches in the image score must be between 0 and 1, not {share}.")
    # A tensor also where the number of patches is one, as in a traced graph: int() would fix that of the example.
    count = (torch.as_tensor(distances.shape[-1]).double() * share).long().clamp(min=1)
    return torch.topk(distances, count, dim=-1).values.mean(dim=-1)


def reweighted(score: Tensor, to_nearest: Tensor, to_neighbours: Tensor) -> Tensor:
    """Eq. 7 of PatchCore (Roth et al. 2022): a far patch counts more where the bank around its nearest entry is sparse.

    score: () the largest patch distance s*.
    to_nearest: () distance of that patch to m*, its nearest bank entry.
    to_neighbours: (b,) distances of that patch to the b bank entries nearest to m*, including m*.
    Returns (1 - exp(to_nearest) / sum(exp(to_neighbours))) * score; the weight is at least 1 - 1 / b. Computed by
    log-sum-exp, because exp(100) overflows float32.
    """
    weight = 1 - torch.exp(to_nearest - torch.logsumexp(to_neighbours, dim=0))
    return weight * score
