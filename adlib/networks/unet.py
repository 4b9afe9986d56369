"""A network that narrows and widens again: an autoencoder without skip connections, a U-Net with all of them.

Ronneberger, Fischer & Brox 2015, 'U-Net'; chapters 07 and 08. Both have the same shape and differ in what bypasses the
bottleneck: nothing in an autoencoder, every scale in a U-Net.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adlib.errors import InputError

WIDEST = 8  # channels double at each level, up to this multiple of the first level's, as in DRAEM


class Hourglass(nn.Module):
    """Images in, maps of the same height and width out, through a grid that is coarser by 2 ** depth.

    The output has no activation.

    inputs: input channels.
    outputs: output channels.
    width: channels at full resolution, doubled at each level.
    depth: number of levels; each halves the sides.
    bottleneck: channels of the bottleneck, None for as many as its convolutions have.
    skips: number of levels with a skip connection, from the coarsest on; `depth` of them make a U-Net.
    Raises InputError for sizes below 1 and for more skips than levels.
    """

    def __init__(
        self, inputs: int, outputs: int, width: int, depth: int, bottleneck: int | None = None, skips: int = 0
    ) -> None:
        super().__init__()
        check_shape(width, depth, bottleneck, skips)
        widths = [width * min(2**level, WIDEST) for level in range(depth + 1)]
        self.depth, self.skips, self.deepest = depth, skips, widths[-1]
        self.down = nn.ModuleList(
            block(above, below) for above, below in zip([inputs, *widths[:-1]], widths, strict=True)
        )
        narrow = bottleneck or self.deepest
        self.squeeze = nn.Identity() if bottleneck is None else nn.Conv2d(self.deepest, narrow, 1)
        self.widen = nn.Identity() if bottleneck is None else nn.Conv2d(narrow, self.deepest, 1)
        self.up = nn.ModuleList(
            block(widths[level + 1] + widths[level] * self._skipped(level), widths[level]) for level in range(depth)
        )
        self.answer = nn.Conv2d(width, outputs, 1)

    def _skipped(self, level: int) -> bool:
        return level >= self.depth - self.skips

    def forward(self, images: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h, w)."""
        deepest, passed = self.encode(images)
        return self.decode(self.squeeze(deepest), passed)

    def encode(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The deepest map (B, C, h / 2 ** depth, w / 2 ** depth), sides rounded up, and the maps above it."""
        # Channels last: convolutions of few channels run a sixth faster on a CPU.
        values, passed = self.down[0](images.contiguous(memory_format=torch.channels_last)), []
        for convolve in self.down[1:]:
            passed.append(values)
            values = convolve(F.max_pool2d(values, 2, ceil_mode=True))
        return values, passed

    def decode(self, code: Tensor, passed: list[Tensor]) -> Tensor:
        """Decode the bottleneck's output.

        code: (B, C, h / 2 ** depth, w / 2 ** depth).
        passed: the other maps of `encode`; their sizes are used, and their values at levels with a skip connection.
        Returns (B, outputs, h, w).
        """
        values = self.widen(code)
        for level in reversed(range(self.depth)):
            values = F.interpolate(values, size=passed[level].shape[2:])  # nearest neighbour: no checkerboard
            if self._skipped(level):
                values = torch.cat([values, passed[level]], dim=1)
            values = self.up[level](values)
        return self.answer(values)


def check_shape(width: int, depth: int, bottleneck: int | None = None, skips: int = 0) -> None:
    """Raise InputError for invalid sizes of an `Hourglass`."""
    sizes = (("width", width), ("depth", depth), ("bottleneck", 1 if bottleneck is None else bottleneck))
    for name, value in sizes:
        if value < 1:
            raise InputError(f"{name} of a network must be at least 1, not {value}.")
    if not 0 <= skips <= depth:
        raise InputError(f"A network of depth {depth} has 0 to {depth} skip connections, not {skips}.")


def block(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3 x 3 convolutions, each with batch normalisation and ReLU; they keep height and width."""
    return nn.Sequential(*_convolution(inputs, outputs), *_convolution(outputs, outputs))


def _convolution(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
