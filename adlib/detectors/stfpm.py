"""STFPM (Wang et al. 2021, 'Student-Teacher Feature Pyramid Matching for Anomaly Detection'; chapter 02).

The teacher is a pretrained network; the student, of the same or a smaller architecture and randomly initialised, learns
to predict the teacher's maps on good images. It was never trained on defects, and differs from the teacher there. Maps
are compared as directions, each position's vector normalised to length 1, at several scales: a defect must change all
scales to score high in their product.

The authors' code (gdwang08/STFPM) leaves out the 1/2 of the paper's squared distance: its loss is twice ours, and its
product of three maps eight times, in the same order.
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
    """A student trained to predict a teacher's features on good images; where they differ is anomalous.

    Patch scores: 1 - cosine of teacher and student, multiplied over the scales. Image score: the maximum of the patch
    scores. The paper trains a ResNet-18 for 100 epochs by SGD (0.4); on the toy nut AdamW's held-out loss was lower
    after 200 steps: 0.28, against 0.36.

    layers: the scales, None for the deepest layer at each of the strides 4, 8 and 16.
    student: name of the convolutional backbone whose architecture the student has, None for the teacher's; where the
        channels differ, a 1 x 1 convolution maps the student's to the teacher's.
    sigma: in network pixels.
    """

    name: ClassVar[str] = "stfpm"
    family: ClassVar[str] = "teacher-student"
    chapter: ClassVar[str] = "02"
    unit: ClassVar[str] = "product over the scales of 1 - cosine"

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
    """Predicts the teacher's maps from pixels.

    teacher: the pretrained backbone.
    layers: the teacher's layers to predict.
    shape: name of the backbone whose architecture the student has.
    Raises InputError where the student has no layer at the stride of one of the teacher's layers.
    """

    def __init__(self, teacher: Backbone, layers: tuple[str, ...], shape: str) -> None:
        super().__init__()
        stages = untrained_stages(shape)
        strides, dims = shape_of(shape)
        deepest = {stride: layer for layer, stride in strides.items()}
        self.own: dict[str, str] = {}  # layer of the teacher -> layer of the student that predicts it
        self.translate = nn.ModuleDict()
        for layer in layers:
            stride = teacher.strides[layer]
            if stride not in deepest:
                raise InputError(f"A {shape} student has no maps of stride {stride}; leave out layer {layer!r}.")
            own = self.own[layer] = layer if shape == teacher.name else deepest[stride]
            same = dims[own] == teacher.dims[layer]
            self.translate[layer] = nn.Identity() if same else nn.Conv2d(dims[own], teacher.dims[layer], 1)
        used = 1 + max(stages.layers.index(own) for own in self.own.values())  # later stages would learn nothing
        self.stages = Stages(stages.stem, stages.stages[:used], stages.layers[:used])
        for key, values in (("mean", teacher.mean), ("std", teacher.std)):
            self.register_buffer(key, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Maps:
        """(B, 3, H, W) RGB in [0, 1] -> layer of the teacher -> (B, C, h, w)."""
        maps = self.stages((pixels - self.mean) / self.std, tuple(self.own.values()))
        return {layer: self.translate[layer](maps[own]) for layer, own in self.own.items()}


def differences(teacher: Maps, student: Maps) -> Maps:
    """Difference of teacher and student at every position: half the squared distance of unit vectors, 1 - cosine.

    teacher, student: layer -> (B, C, h, w).
    Returns layer of the student -> (B, h, w), 0 to 2.
    """
    return {
        layer: (F.normalize(teacher[layer], dim=1) - F.normalize(answer, dim=1)).square().sum(1) / 2
        for layer, answer in student.items()
    }


def on_finest_grid(scales: Maps) -> Tensor:
    """Layer -> (B, h, w) of several sizes, resized bilinearly to the finest: (B, layers, h, w)."""
    finest = max(values.shape[1:] for values in scales.values())
    enlarged = [F.interpolate(values[:, None], size=finest, mode="bilinear") for values in scales.values()]
    return torch.cat(enlarged, dim=1)
