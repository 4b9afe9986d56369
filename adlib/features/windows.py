"""Square windows of patches at stride 1, and scores of windows as scores of patches (WinCLIP; chapter 11)."""

import torch
from torch import Tensor


def window_indices(grid: tuple[int, int], side: int) -> Tensor:
    """The patches of every window, both numbered row by row: (windows, side * side) int64.

    grid: (h, w) patches.
    side: of a window in patches, at most that of the grid; there are (h - side + 1) * (w - side + 1) windows.
    """
    numbers = torch.arange(grid[0] * grid[1]).reshape(grid)
    return numbers.unfold(0, side, 1).unfold(1, side, 1).reshape(-1, side * side)


def harmonic_over_windows(scores: Tensor, side: int) -> Tensor:
    """Each patch's harmonic mean of the scores of the windows that contain it.

    The harmonic mean is near the lowest of its values: one window that looks normal lowers the patches in it.

    scores: (h - side + 1, w - side + 1), at least 0, one per window.
    side: of a window in patches.
    Returns (h, w).
    """
    reciprocals = torch.nn.functional.pad(scores.reciprocal(), [side - 1] * 4)
    sums = reciprocals.unfold(0, side, 1).unfold(1, side, 1).sum(dim=(2, 3))
    counts = torch.nn.functional.pad(torch.ones_like(scores), [side - 1] * 4)
    return counts.unfold(0, side, 1).unfold(1, side, 1).sum(dim=(2, 3)) / sums


def harmonic_mean(maps: list[Tensor]) -> Tensor:
    """Harmonic mean of maps or scores at least 0 that have, or broadcast to, one shape."""
    return len(maps) / sum(values.reciprocal() for values in maps)
