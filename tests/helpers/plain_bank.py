"""Points for a bank, and all distances between points, by definition."""

import torch
from torch import Tensor


def all_distances(queries: Tensor, bank: Tensor) -> Tensor:
    return torch.stack([(bank.double() - query).square().sum(1).sqrt() for query in queries.double()])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def clusters(n: int, dims: int, spread: float = 0.05, seed: int = 0) -> Tensor:
    """Points around 40 centres in a subspace of 6 dimensions, far from the origin, like features of a network."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.randn(40, 6, generator=generator) @ torch.randn(6, dims, generator=generator)
    chosen = torch.randint(40, (n,), generator=generator)
    return places[chosen] + spread * torch.randn(n, dims, generator=generator) + 20
