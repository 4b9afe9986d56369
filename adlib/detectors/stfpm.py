"""STFPM (Wang et al. 2021, 'Student-Teacher Feature Pyramid Matching for Anomaly Detection'; chapter 02).

The teacher is a pretrained network; the student, of the same shape, learns to give the teacher's maps on good pictures.
On a defect it has never had to answer, and there the two part. Maps are compared as directions, each position's vector
brought to length 1, at several scales at once: a defect must disturb all of them to score high in their product.
"""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adlib.detectors.training import Maps, TrainedDetector
from adlib.features.backbones import Backbone, shape_of, untrained_stages
from adlib.features.extract import ImageFeatures
from adlib.features.pixels import PIXELS
from adlib.features.stages import pyramid_layers


@dataclass(kw_only=True, eq=False, repr=False)
class STFPM(TrainedDetector):
    """A student that knows the teacher's answers on good pictures only.

    layers: the scales, None for the deepest at each of the strides 4, 8 and 16; student: name of the convolutional
    backbone whose untrained shape the student takes, None for the teacher's own (where channels differ, a 1 x 1
    convolution translates); sigma: in network pixels. Image score: the maximum of the patch scores. The paper trains
    100 epochs by SGD with a learning rate of 0.4; here AdamW, with the budget of `TrainedDetector`.
    """

    name: ClassVar[str] = "stfpm"

    student: str | None = None

    def _layers(self) -> tuple[str, ...]:
        return (*(self.layers or pyramid_layers(self.network())), PIXELS)

    def _build(self) -> nn.Module:
        return Student(self.network(), self._layers()[:-1], self.student or self.backbone)

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        return sum(apart.mean() for apart in differences(maps, network(maps[PIXELS])).values())

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        maps = {layer: values[None] for layer, values in features.maps.items()}
        scales = list(differences(maps, self.network_(maps[PIXELS])).values())
        finest = max(scale.shape[1:] for scale in scales)
        grid = prod(F.interpolate(scale[:, None], size=finest, mode="bilinear")[0, 0] for scale in scales)
        return grid.max(), grid


class Student(nn.Module):
    """Pixels in, the teacher's maps out, or what the student takes them to be. shape: name of a backbone."""

    def __init__(self, teacher: Backbone, layers: tuple[str, ...], shape: str) -> None:
        super().__init__()
        self.stages = untrained_stages(shape)
        strides, dims = shape_of(shape)
        by_stride = {stride: layer for layer, stride in strides.items()}
        self.answers = {layer: layer if layer in strides else by_stride[teacher.strides[layer]] for layer in layers}
        self.translate = nn.ModuleDict()
        for layer, own in self.answers.items():
            same = dims[own] == teacher.dims[layer]
            self.translate[layer] = nn.Identity() if same else nn.Conv2d(dims[own], teacher.dims[layer], 1)
        for key, values in (("mean", teacher.mean), ("std", teacher.std)):
            self.register_buffer(key, torch.tensor(values).view(3, 1, 1))

    def forward(self, pixels: Tensor) -> Maps:
        """(B, 3, H, W) RGB in [0, 1] -> layer of the teacher -> (B, C, h, w)."""
        maps = self.stages((pixels - self.mean) / self.std, tuple(self.answers.values()))
        return {layer: self.translate[layer](maps[own]) for layer, own in self.answers.items()}


def differences(teacher: Maps, student: Maps) -> Maps:
    """Half the squared distance of unit vectors at every position: layer of the student -> (B, h, w), 0 to 2."""
    return {
        layer: (F.normalize(teacher[layer], dim=1) - F.normalize(answer, dim=1)).square().sum(1) / 2
        for layer, answer in student.items()
    }
