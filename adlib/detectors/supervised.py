"""Base class of detectors that also learn from labelled defects: a head on the maps of a frozen backbone (chapter 09).

The backbone stays frozen, so its maps are cached and a fit takes seconds. With a handful of defects none can be held
out to decide when to stop; the number of steps is fixed instead.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adlib.detectors.labelled import LabelledFeatures
from adlib.detectors.training import Maps, TrainedDetector, joined, shuffled, stack
from adlib.errors import InputError
from adlib.features.extract import ImageFeatures

LABEL, MASK = "label", "mask"  # names in a batch, next to the layers


@dataclass(kw_only=True, eq=False, repr=False)
class SupervisedDetector(TrainedDetector):
    """A head on frozen maps that is trained on good images and labelled defects.

    A batch holds as many labelled defects as good images, however few they are, so that the loss weighs both sides
    alike; without any it holds good images alone.

    batch: images per batch, at least 2.
    held_out: 0; of good images alone a loss says nothing about defects.
    """

    learns_defects: ClassVar[bool] = True

    held_out: float = 0.0

    def _check(self) -> None:
        super()._check()
        if self.held_out:
            raise InputError(f"{self.name} learns for a fixed number of steps, so held_out is 0, not {self.held_out}.")
        if self.batch < 2:
            raise InputError(f"A batch holds good images and defects, so batch is at least 2, not {self.batch}.")

    def _prepare(self, network: nn.Module, samples: Sequence[ImageFeatures]) -> None:
        good = [item for item in samples if not isinstance(item, LabelledFeatures)]
        network.standardise([self._input(stack([item]))[0] for item in good])

    def _batches(self, trained: list[ImageFeatures]) -> Iterator[list[ImageFeatures]]:
        """Half good images, half labelled defects, which are repeated where they are few."""
        good = [item for item in trained if not isinstance(item, LabelledFeatures)]
        defects = [item for item in trained if isinstance(item, LabelledFeatures)]
        if not defects:
            yield from super()._batches(good)
        half = self.batch // 2
        sides = (shuffled(len(good), self.batch - half, self.seed), shuffled(len(defects), half, self.seed + 1))
        for some, few in zip(*sides, strict=True):
            few = few.repeat(-(-half // len(few)))[:half]
            yield [*(good[i] for i in some), *(defects[i] for i in few)]

    def _stacked(self, samples: Sequence[ImageFeatures]) -> Maps:
        """The maps of a batch, with `LABEL` (B,), 1 for defects, and `MASK` (B, 1, h, w) on the finest grid.

        A mask is 1 where the defect covers any of a position, 0 elsewhere, and NaN where nobody has marked it.
        """
        maps = stack(samples)
        size = max(values.shape[2:] for values in maps.values())
        labels = torch.tensor([float(isinstance(item, LabelledFeatures)) for item in samples])
        masks = torch.stack([_on_grid(item, size) for item in samples])
        device = next(iter(maps.values())).device
        return maps | {LABEL: labels.to(device), MASK: masks.to(device)}

    def _input(self, maps: Maps) -> Tensor:
        """(B, C, h, w): the backbone's layers."""
        return joined({layer: maps[layer] for layer in self._layers()})


def _on_grid(item: ImageFeatures, size: tuple[int, int]) -> Tensor:
    """(1, h, w) mask of one image on a grid, as in `SupervisedDetector._stacked`."""
    if not isinstance(item, LabelledFeatures):
        return torch.zeros(1, *size)
    if item.mask is None:
        return torch.full((1, *size), torch.nan)
    return F.adaptive_max_pool2d(item.mask.float()[None], size)
