"""Reverse distillation (Deng & Li 2022, 'Anomaly Detection via Reverse Distillation from One-Class Embedding').

Chapter 02. The student never sees the image. It gets the teacher's maps through a bottleneck that learns to encode good
images, and reconstructs the maps from deep to shallow. A defect does not pass the bottleneck: the student returns the
map of a good part, and differs from the teacher at the defect.

The loss is the paper's: 1 - cosine at each position, averaged over positions. The authors' code (hq-deng/RD4AD) trains
on 1 - cosine of each whole map, flattened to one vector, where positions with long vectors count more. Its score is
the paper's and ours: 1 - cosine at each position, the layers' maps added.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adlib.detectors.stfpm import differences, on_finest_grid
from adlib.detectors.training import Maps, TrainedDetector
from adlib.errors import InputError
from adlib.features.extract import ImageFeatures
from adlib.features.stages import pyramid_layers


@dataclass(kw_only=True, eq=False, repr=False)
class ReverseDistillation(TrainedDetector):
    """A decoder trained to reconstruct a teacher's features of good images through a bottleneck.

    Patch scores: 1 - cosine of teacher and student, summed over the scales. Image score: the maximum of the smoothed
    map. The paper's decoder mirrors its WideResNet-50 teacher and trains for 200 epochs; here it has one residual block
    per scale.

    layers: the scales, None for the deepest layer at each of the strides 4, 8 and 16.
    width: channels of the decoder at its finest scale, doubled at every coarser scale.
    sigma: in network pixels.
    """

    name: ClassVar[str] = "reverse_distillation"
    family: ClassVar[str] = "teacher-student"
    chapter: ClassVar[str] = "02"
    unit: ClassVar[str] = "sum over the scales of 1 - cosine, smoothed"

    learning_rate: float = 3e-3
    width: int = 32

    def _check(self) -> None:
        super()._check()
        if self.width < 1:
            raise InputError(f"width is the decoder's number of channels, at least 1, not {self.width}.")

    def _layers(self) -> tuple[str, ...]:
        return tuple(self.layers or pyramid_layers(self.network()))

    def _build(self) -> nn.Module:
        teacher = self.network()
        layers = self._layers()
        return Decoder({k: teacher.strides[k] for k in layers}, {k: teacher.dims[k] for k in layers}, self.width)

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        return sum(apart.mean() for apart in differences(maps, network(maps)).values())

    def _score(self, features: ImageFeatures) -> tuple[float, Tensor]:
        maps = {layer: values[None] for layer, values in features.maps.items()}
        grid = on_finest_grid(differences(maps, self.network_(maps)))[0].sum(0)
        return features.frame.highest(grid, self.sigma), grid


class Decoder(nn.Module):
    """Reconstructs the teacher's maps from an embedding of them.

    strides, dims: of the teacher's layers, by name.
    width: channels at the finest scale.
    """

    def __init__(self, strides: Mapping[str, int], dims: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.layers = tuple(sorted(strides, key=strides.__getitem__))  # from fine to coarse
        halvings = {layer: (strides[layer] // strides[self.layers[0]]).bit_length() - 1 for layer in self.layers}
        widths = {layer: width * 2 ** halvings[layer] for layer in self.layers}
        deepest = self.layers[-1]
        self.fuse = nn.ModuleDict()
        for layer in self.layers:
            missing = halvings[deepest] - halvings[layer]
            sizes = [dims[layer], *(widths[layer] * 2**step for step in range(1, missing + 1))]
            pairs = zip(sizes[:-1], sizes[1:], strict=True)
            self.fuse[layer] = nn.Sequential(*(_convolution(*pair, 3, 2, nn.ReLU()) for pair in pairs))
        fused = sum(widths[deepest] if halvings[k] < halvings[deepest] else dims[k] for k in self.layers)
        narrow = 2 * widths[deepest]
        self.squeeze = nn.Sequential(_convolution(fused, widths[deepest], 1, 1, nn.ReLU()))
        self.embed = Residual(widths[deepest], narrow, stride=2)
        self.rise, self.answer = nn.ModuleDict(), nn.ModuleDict()
        for layer in reversed(self.layers):
            self.rise[layer] = Residual(narrow, widths[layer])
            self.answer[layer] = nn.Conv2d(widths[layer], dims[layer], 1)
            narrow = widths[layer]

    def embedding(self, maps: Maps) -> Tensor:
        """All scales, fused at the coarsest and halved: (B, C, h, w) at twice the coarsest stride."""
        fused = torch.cat([self.fuse[layer](maps[layer]) for layer in self.layers], dim=1)
        return self.embed(self.squeeze(fused))

    def forward(self, maps: Maps) -> Maps:
        """Layer -> (B, C, h, w), of the shapes of `maps`."""
        values, answers = self.embedding(maps), {}
        for layer in reversed(self.layers):
            # Nearest-neighbour upsampling: a transposed convolution leaves a checkerboard pattern and needs even sides.
            values = self.rise[layer](F.interpolate(values, size=maps[layer].shape[2:]))
            answers[layer] = self.answer[layer](values)
        return {layer: answers[layer] for layer in self.layers}


class Residual(nn.Module):
    """Two 3 x 3 convolutions and a shortcut, as in ResNet-18."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            _convolution(inputs, outputs, 3, stride, nn.ReLU()), _convolution(outputs, outputs, 3, 1, nn.Identity())
        )
        plain = inputs == outputs and stride == 1
        self.around = nn.Identity() if plain else _convolution(inputs, outputs, 1, stride, nn.Identity())

    def forward(self, values: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h / stride, w / stride), sides rounded up."""
        return torch.relu(self.inner(values) + self.around(values))


def _convolution(inputs: int, outputs: int, size: int, stride: int, activation: nn.Module) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), activation)
