"""Patch SVDD (Yi & Yoon 2020, 'Patch SVDD: Patch-level SVDD for Anomaly Detection and Segmentation'; chapter 03).

One centre for all patches of an image would force a rim and a background to look alike. Patch SVDD has no centre:
neighbouring patches are pulled together, and a second task prevents collapse to one point: of two patches the network
must predict in which of eight directions the second is. A patch is scored by the distance of its vector to the nearest
patch of the good images, at two patch sizes, and the two maps are multiplied.

The encoder has no padding, so one pass over the image gives, at every fourth pixel, the vector of the patch cropped
there: training takes its pairs from that grid instead of cropping each patch, and scoring is one pass.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adlib.bank.neighbours import nearest
from adlib.detectors.training import Maps, TrainedDetector
from adlib.errors import InputError
from adlib.features.extract import ImageFeatures
from adlib.features.pixels import PIXELS

SMALL, LARGE = 32, 64  # sides of a patch in pixels
CELL = 4  # pixels between neighbouring patches of the encoder's grid
DIRECTIONS = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))
PAIRS = 256  # of patches, per image, patch size and task
NOISE = 0.02  # in RGB, [0, 1]: without noise the colour of the light reveals the direction


@dataclass(kw_only=True, eq=False, repr=False)
class PatchSVDD(TrainedDetector):
    """A self-supervised patch encoder; a patch is scored by the distance to its nearest good patch.

    It works on pixels: no pretrained backbone, and no layers to choose. Images must be at least 128 pixels high and
    wide after resizing; sides are cut to multiples of 16. Patches are 32 and 64 pixels wide. Patch scores: the distance
    to the nearest good patch of the same size, averaged over the patches that cover a cell, multiplied over the two
    sizes. Image score: the highest patch score. The authors' code trains for 300 epochs.

    dims: length of a vector.
    pull: weight of the distance of neighbouring patches in the loss; the position task has weight 1.
    stride: pixels between patches of 32 in the bank and in scoring, 4 or 8; patches of 64 have twice that stride
        (paper: 4 and 16).
    sigma: in network pixels.
    """

    name: ClassVar[str] = "patch_svdd"
    family: ClassVar[str] = "one-class"
    chapter: ClassVar[str] = "03"
    multiple: ClassVar[int] = 16

    backbone: str = "pixels"
    steps: int = 600
    batch: int = 4
    dims: int = 64
    pull: float = 1e-3
    stride: int = 8

    def _check(self) -> None:
        super()._check()
        if self.stride not in (4, 8):
            raise InputError(f"stride must be 4 or 8 pixels, not {self.stride}.")
        if self.dims < 1 or self.pull < 0:
            raise InputError(f"dims must be at least 1 and pull at least 0, not {self.dims} and {self.pull}.")

    def _layers(self) -> tuple[str, ...]:
        if self.layers and tuple(self.layers) != (PIXELS,):
            raise InputError(f"patch_svdd learns from pixels and takes no layer {self.layers[0]!r}; leave layers out.")
        return (PIXELS,)

    def _build(self) -> nn.Module:
        return PatchEncoder(self.dims)

    def _prepare(self, network: nn.Module, samples: Sequence[ImageFeatures]) -> None:
        least = LARGE + apart(LARGE) * CELL + CELL - 1  # the shift in `_loss` needs the last pixels
        if min(samples[0].maps[PIXELS].shape[1:]) < least:
            raise InputError(
                f"{samples[0].name} is {tuple(samples[0].maps[PIXELS].shape[1:])} pixels after resizing, but two "
                f"patches need {least}; choose a larger resize."
            )
        network.mean.copy_(torch.stack([item.maps[PIXELS].mean((1, 2)) for item in samples]).mean(0)[:, None, None])

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        top, left = torch.randint(CELL, (2,)).tolist()  # otherwise patches would start at every fourth pixel only
        shifted = maps[PIXELS][:, :, top:, left:]
        first, second = (network(recoloured(shifted)) for _ in range(2))
        loss = shifted.new_zeros(())
        for size in (SMALL, LARGE):
            here, there, directions = pairs(first[size], second[size], apart(size), PAIRS)
            loss = loss + F.cross_entropy(network.judge[str(size)](here - there), directions)
            here, there, _ = pairs(first[size], second[size], 1, PAIRS)
            loss = loss + self.pull * (here - there).square().sum(1).add(1e-12).sqrt().mean()
        return loss

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Learn the network and `bank32_`, `bank64_`, (N, dims) each: the patches of all good images."""
        kept: list[ImageFeatures] = []
        super()._learn((kept.append(item) or item for item in features), views, show_progress)
        with torch.inference_mode():
            looks = [self._patches(item) for item in kept]
        self.bank32_, self.bank64_ = (torch.cat([look[k].flatten(1).T for look in looks]) for k in range(2))

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        grid = torch.ones(())
        for k, (size, bank) in enumerate(((SMALL, self.bank32_), (LARGE, self.bank64_))):
            vectors = self._patches(features)[k]
            distances = nearest(vectors.flatten(1).T.contiguous(), bank)[0].reshape(vectors.shape[1:])
            grid = grid * cover(distances, size // self.stride, k + 1)
        return grid.max(), grid

    def _patches(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        """Vectors (dims, h, w) of the small and of the large patches of one image, at their strides."""
        step = self.stride // CELL
        maps = self.network_(features.maps[PIXELS][None])
        return maps[SMALL][0, :, ::step, ::step], maps[LARGE][0, :, :: 2 * step, :: 2 * step]


class PatchEncoder(nn.Module):
    """Maps images to the vectors of all their patches; `judge` holds a direction classifier for each patch size."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        shapes = [(3, 32, 4, 2), (32, 64, 3, 2), (64, 128, 3, 1), (128, 128, 3, 1)]  # channels in and out, size, stride
        body = [part for shape in shapes for part in (nn.Conv2d(*shape), nn.LeakyReLU(0.1))]
        self.small = nn.Sequential(*body, nn.Conv2d(128, dims, 3), nn.Tanh())  # sees 32 pixels, one every 4
        # Four adjacent small patches form a large patch: they are SMALL // CELL positions apart.
        join = nn.Conv2d(dims, 128, 2, dilation=SMALL // CELL)
        self.large = nn.Sequential(join, nn.LeakyReLU(0.1), nn.Conv2d(128, dims, 1), nn.Tanh())
        self.judge = nn.ModuleDict({str(size): _judge(dims) for size in (SMALL, LARGE)})

    def forward(self, pixels: Tensor) -> dict[int, Tensor]:
        """(B, 3, H, W) RGB in [0, 1] -> side of the patch -> (B, dims, (H - side) // 4 + 1, (W - side) // 4 + 1)."""
        small = self.small((pixels - self.mean) / 0.25)  # 0.25: about the standard deviation of an image's RGB
        return {SMALL: small, LARGE: self.large(small)}


def _judge(dims: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(dims, 128), nn.LeakyReLU(0.1), nn.Linear(128, 128), nn.LeakyReLU(0.1), nn.Linear(128, len(DIRECTIONS))
    )


def apart(size: int) -> int:
    """Distance in grid cells of the two patches of the position task: three quarters of a patch's side."""
    return size * 3 // 4 // CELL


def recoloured(pixels: Tensor) -> Tensor:
    """Images (B, 3, H, W) with a random shift of each colour and noise on each pixel."""
    shift = torch.randn(len(pixels), 3, 1, 1).to(pixels.device)
    return pixels + NOISE * (shift + torch.randn(pixels.shape).to(pixels.device))


def pairs(first: Tensor, second: Tensor, distance: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random pairs of patches: one from `first`, and the patch `distance` cells away in `second`.

    first, second: (B, D, h, w), two augmentations of the same images; h and w above `distance`.
    distance: in cells.
    count: pairs per image.
    Returns vectors (B * count, D) twice and the directions (B * count,), indices into DIRECTIONS. The direction is
    uniform, the position uniform among positions that have such a neighbour.
    """
    batch, _, height, width = first.shape
    directions = torch.randint(len(DIRECTIONS), (batch, count))
    step = torch.tensor(DIRECTIONS)[directions] * distance
    room = torch.tensor([height, width]) - step.abs()
    here = (torch.rand(batch, count, 2) * room).long().minimum(room - 1) + (-step).clamp(min=0)
    chosen = []
    for grid, place in ((first, here), (second, here + step)):
        index = (place[..., 0] * width + place[..., 1]).to(grid.device)[:, None].expand(-1, grid.shape[1], -1)
        chosen.append(grid.flatten(2).gather(2, index).transpose(1, 2).flatten(0, 1))
    return chosen[0], chosen[1], directions.flatten().to(first.device)


def cover(distances: Tensor, side: int, step: int) -> Tensor:
    """Mean over the patches that cover a cell: patch (i, j) covers `side` x `side` cells from (i, j) * step.

    distances: (h, w), of the patches.
    Returns ((h - 1) * step + side, (w - 1) * step + side); every cell is covered by at least one patch.
    """
    kernel = distances.new_ones(1, 1, side, side)
    both = torch.stack([distances, torch.ones_like(distances)])[:, None]
    total, count = F.conv_transpose2d(both, kernel, stride=step)[:, 0]
    return total / count
