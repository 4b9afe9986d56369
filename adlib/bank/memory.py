"""A bank that is allocated once: its size is predicted from the first image, before it is filled."""

import os

import psutil
import torch
from torch import Tensor

from adlib.errors import InputError

GIB = 1024**3


def memory_budget() -> int:
    """Bytes that a bank may take: `$ADLIB_MEMORY_GB` if set, else 80% of the free memory."""
    asked = os.environ.get("ADLIB_MEMORY_GB")
    if asked is None:
        return int(0.8 * psutil.virtual_memory().available)
    try:
        return int(float(asked) * GIB)
    except ValueError:
        raise InputError(f"$ADLIB_MEMORY_GB must be a number of gigabytes, not {asked!r}.") from None


def check_memory(needed: int, what: str, ways_out: str, device: torch.device) -> None:
    """Raise InputError where more bytes are needed than are free on the device.

    needed: in bytes.
    what: subject of the message, with its size, such as "The bank (100 patches of 64 values)".
    ways_out: what to do, beginning with a verb, such as "use fewer shots".
    device: where the memory is needed.
    """
    budget = memory_budget() if device.type == "cpu" else torch.cuda.mem_get_info(device)[0]
    if needed > budget:
        raise InputError(
            f"{what} would take {needed / GIB:.1f} GB, but {budget / GIB:.1f} GB are free; {ways_out}, or raise "
            "$ADLIB_MEMORY_GB."
        )


class PatchBank:
    """Patch vectors of an expected number of images, written into one tensor that is allocated once.

    The first block predicts the total size; InputError where it exceeds `memory_budget()`. Blocks may differ in size:
    the tensor grows if they are larger.

    expected: number of blocks that will be appended.
    """

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.offsets = [0]  # rows offsets[i]:offsets[i + 1] belong to block i
        self._rows: Tensor | None = None

    def append(self, vectors: Tensor) -> None:
        """Add one block (n, D) of vectors. Raises InputError where the bank would not fit in memory."""
        start, end = self.offsets[-1], self.offsets[-1] + len(vectors)
        if self._rows is None:
            self._rows = self._allocate(max(self.expected, 1) * len(vectors), vectors)
        elif end > len(self._rows):
            remaining = max(self.expected - len(self.offsets) + 1, 1)
            larger = self._allocate(start + remaining * len(vectors), vectors)
            larger[:start] = self._rows[:start]
            self._rows = larger
        self._rows[start:end] = vectors
        self.offsets.append(end)

    def vectors(self) -> Tensor:
        """All vectors (N, D), without a copy."""
        return self._rows[: self.offsets[-1]]

    @staticmethod
    def _allocate(rows: int, like: Tensor) -> Tensor:
        what = f"The bank ({rows:,} patches of {like.shape[1]} values)"
        needed = rows * like.shape[1] * like.element_size()
        check_memory(needed, what, "use fewer shots, a smaller resize or a coreset", like.device)
        return torch.empty((rows, like.shape[1]), dtype=like.dtype, device=like.device)
