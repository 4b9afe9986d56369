"""Local outlier factors of patches among the patches at the same position (Breunig et al. 2000; SoftPatch).

Symbols, after Breunig et al., for a patch p and its k nearest other patches N_k(p):

    k-distance(p)   the distance of p to the farthest patch of N_k(p)
    reach(p, o)     max(k-distance(o), d(p, o)), the reachability distance of p from o, definition 5
    lrd(p)          1 / mean of reach(p, o) over o in N_k(p), the local reachability density, definition 6
    LOF(p)          mean of lrd(o) / lrd(p) over o in N_k(p), definition 7: about 1 inside a cluster, large outside
"""

import torch
from torch import Tensor

from adlib.errors import InputError

BYTE_BUDGET = 128 * 2**20  # distances held at once
FLOOR = 1e-6  # added to reachability distances, relative to a patch's length: equal patches have a finite density


def local_outlier_factors(samples: Tensor, k: int) -> Tensor:
    """LOF of each of N patches among the N patches at its position: (N, P) float64, > 0.

    Of equally distant neighbours exactly k count, as in scikit-learn. Time: P products of (N, D) by (D, N).

    samples: (N, P, D) finite floats: patches of N images at P positions.
    k: number of neighbours; all N - 1 others where there are fewer. A patch without others has the factor 1.
    Raises InputError for k below 1.
    """
    if k < 1:
        raise InputError(f"A local outlier factor needs at least 1 neighbour, not {k}.")
    images = len(samples)
    if images == 1:
        return samples.new_ones(samples.shape[:2], dtype=torch.float64)
    at_once = max(1, BYTE_BUDGET // (images**2 * 8 * 2))
    floor = FLOOR * torch.linalg.vector_norm(samples, dim=2).mean().double().clamp_min(FLOOR)
    parts = (part.transpose(0, 1).double() for part in samples.split(at_once, dim=1))
    return torch.cat([_factors(torch.cdist(part, part), min(k, images - 1), floor) for part in parts]).T


def _factors(distances: Tensor, k: int, floor: Tensor) -> Tensor:
    """(p, N) factors from the distances (p, N, N) between the patches at each of p positions."""
    distances.diagonal(dim1=1, dim2=2).fill_(torch.inf)  # a patch is not its own neighbour
    to_nearest, nearest = distances.topk(k, largest=False)  # (p, N, k)
    reach = torch.maximum(to_nearest, _of(to_nearest[:, :, -1], nearest))
    density = 1 / (reach.mean(dim=2) + floor)  # (p, N)
    return _of(density, nearest).mean(dim=2) / density


def _of(values: Tensor, nearest: Tensor) -> Tensor:
    """The value (p, N) of each neighbour: (p, N, k)."""
    return values.gather(1, nearest.flatten(1)).reshape(nearest.shape)
