"""STFPM (Wang et al. 2021, 'Student-Teacher Feature Pyramid Matching for Anomaly Detection'; chapter 02).

The teacher is a pretrained network; the student, untrained and of the same or a lighter shape, learns to give the
teacher's maps on good pictures. On a defect it has never had to answer, and there the two part. Maps are compared as
directions, each position's vector brought to length 1, at several scales at once: a defect must disturb all of them to
score high in their product.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adlib.detectors.training import Maps, TrainedDetector
from adlib.errors import InputError
from adlib.features.backbones import Backbone, shape_of, untrained_stages
from adlib.features.extract import ImageFeatures
from adlib.features.pixels import PIXELS
from adlib.features.stages import Stages, pyramid_layers


@dataclass(kw_only=True, eq=False, repr=False)
class STFPM(TrainedDetector):
    """A student that knows the teacher's answers on good pictures only.

    layers: the scales, None for the deepest at each of the strides 4, 8 and 16; student: name of the convolutional
    backbone whose untrained shape the student takes, None for the teacher's own (where channels differ, a 1 x 1
    convolution translates); sigma: in network pixels. Patch scores: 1 - cosine of teacher and student, multiplied over
    the scales. Image score: the maximum of the patch scores.
    The paper trains a ResNet-18 for 100 epochs by SGD (0.4); AdamW's held-out loss was lower after 200 steps of the toy
    nut: 0.28, against 0.36.
    """

    name: ClassVar[str] = "stfpm"
    family: ClassVar[str] = "teacher-student"
    chapter: ClassVar[str] = "02"

    learning_rate: float = 5e-3
    student: str | None = None

    def _layers(self) -> tuple[str, ...]:
        return (*(self.layers or pyramid_layers(self.network())), PIXELS)

    def _build(self) -> nn.Module:
        return Student(self.network(), self._layers()[:-1], self.student or self.backbone)

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        return sum(apart.mean() for apart in differences(maps, network(maps[PIXELS])).values())

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        maps = {layer: values[None] for layer, values in features.maps.items()}
        grid = on_finest_grid(differences(maps, self.network_(maps[PIXELS])))[0].prod(0)
        return grid.max(), grid


class Student(nn.Module):
    """Pixels in, the teacher's maps out, or what the student takes them to be. shape: name of a backbone.

    Raises InputError where the student has no layer at the stride of one of the teacher's.
    """

    def __init__(self, teacher: Backbone, layers: tuple[str, ...], shape: str) -> None:
        super().__init__()
        stages = untrained_stages(shape)
        strides, dims = shape_of(shape)
        deepest = {stride: layer for layer, stride in strides.items()}
        self.own: dict[str, str] = {}  # layer of the teacher -> the student's that answers it
        self.translate = nn.ModuleDict()
        for layer in layers:
            stride = teacher.strides[layer]
            if stride not in deepest:
                raise InputError(f"A {shape} student has no maps of stride {stride}, as layer {layer!r} has them.")
            own = self.own[layer] = layer if shape == teacher.name else deepest[stride]
            same = dims[own] == teacher.dims[layer]
            self.translate[layer] = nn.Identity() if same else nn.Conv2d(dims[own], teacher.dims[layer], 1)
        used = 1 + max(stages.layers.index(own) for own in self.own.values())  # what lies behind would learn nothing
        self.stages = Stages(stages.stem, stages.stages[:used], stages.layers[:used])
        for key, values in (("mean", teacher.mean), ("std", teacher.std)):
            self.register_buffer(key, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Maps:
        """(B, 3, H, W) RGB in [0, 1] -> layer of the teacher -> (B, C, h, w)."""
        maps = self.stages((pixels - self.mean) / self.std, tuple(self.own.values()))
        return {layer: self.translate[layer](maps[own]) for layer, own in self.own.items()}


def differences(teacher: Maps, student: Maps) -> Maps:
    """How far the two part at every position: half the squared distance of unit vectors, which is 1 - cosine.

    Layer of the student -> (B, h, w), 0 to 2.
    """
    return {
        layer: (F.normalize(teacher[layer], dim=1) - F.normalize(answer, dim=1)).square().sum(1) / 2
        for layer, answer in student.items()
    }


def on_finest_grid(scales: Maps) -> Tensor:
    """Layer -> (B, h, w) of several sizes, brought bilinearly to the finest: (B, layers, h, w)."""
    finest = max(values.shape[1:] for values in scales.values())
    enlarged = [F.interpolate(values[:, None], size=finest, mode="bilinear") for values in scales.values()]
    return torch.cat(enlarged, dim=1)
