"""Deep SVDD (Ruff et al. 2018, 'Deep One-Class Classification'; chapter 03).

A network learns to send good pictures near one fixed point, the centre; what lands far from it is anomalous. Nothing
asks the network to tell anything from anything, so it may send ALL pictures to the centre: the hypersphere collapses.
Three habits are against that: the centre is fixed before training and has no coordinate near zero, which a network of
zeros would reach; no layer has a bias, which alone could produce the centre; no activation is bounded, for one that
saturates is a constant, and so a bias.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adlib.detectors.training import Maps, TrainedDetector, stack
from adlib.errors import InputError, check_choice
from adlib.features.extract import ImageFeatures
from adlib.features.pixels import PIXELS

OBJECTIVES = ("one-class", "soft-boundary")
STRIDE = 16  # input pixels a position of the network's output
FROM_ZERO = 0.1  # no coordinate of the centre is nearer to zero, as in the authors' code


@dataclass(kw_only=True, eq=False, repr=False)
class DeepSVDD(TrainedDetector):
    """A convolutional network and a hypersphere around what it makes of good pictures.

    It learns from the pixels (backbone "pixels"), or as a head on the layers of a pretrained backbone.
    The paper's network ends in one vector a picture. This one stays convolutional: a vector at every 16 x 16 pixels
    (or cell of a coarser layer), one centre for all of them, and a picture's squared distance is the mean over its
    positions. Image score: that distance, not squared. Map: the distance at each position, so the map's mean square is
    the squared score; a position sees its receptive field, for pixels a square of 31, so the map is coarse.

    objective: "one-class" minimises the mean squared distance; "soft-boundary" the squared radius and what lies
    outside, divided by nu (eq. 3 of the paper), the radius being the 1 - nu quantile of the batch's distances;
    nu: share in (0, 1) of the good pictures that may lie outside; dims: length of a vector; width: channels of the
    first convolution, doubled at each later one; bias: whether the layers have bias terms, to show the collapse;
    sigma: in network pixels. No autoencoder is trained beforehand, which the paper does.
    """

    name: ClassVar[str] = "deep_svdd"
    family: ClassVar[str] = "one-class"
    chapter: ClassVar[str] = "03"

    backbone: str = "pixels"
    objective: str = "one-class"
    nu: float = 0.1
    dims: int = 32
    width: int = 16
    bias: bool = False

    def _check(self) -> None:
        super()._check()
        check_choice("objective", self.objective, OBJECTIVES)
        if not 0 < self.nu < 1:
            raise InputError(f"nu is the share of good pictures outside, above 0 and below 1, not {self.nu}.")
        if min(self.dims, self.width) < 1:
            raise InputError(f"dims and width are at least 1, not {self.dims} and {self.width}.")

    def _build(self) -> nn.Module:
        network = self.network()
        layers = self._layers()
        strides, dims = network.strides | {PIXELS: 1}, network.dims | {PIXELS: 3}
        stride = min(strides[layer] for layer in layers)
        return Sphere(sum(dims[layer] for layer in layers), stride, self.width, self.dims, self.bias)

    def _prepare(self, network: nn.Module, samples: Sequence[ImageFeatures]) -> None:
        inputs = [self._input(stack([item]))[0] for item in samples]
        network.standardise(inputs)
        network.centre.copy_(centre_of([network(values[None])[0] for values in inputs]))

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        squared = network.squared_distances(self._input(maps)).mean(dim=(1, 2))
        if self.objective == "one-class":
            return squared.mean()
        loss = soft_boundary(squared, network.radius, self.nu)
        if network.training:
            network.radius.copy_(squared.detach().sqrt().quantile(1 - self.nu))
        return loss

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Beside the network `radius_`: the 1 - nu quantile of the distances of the pictures it learned from.

        New good pictures lie outside more often than that; a threshold comes from pictures that were held out.
        """
        kept: list[ImageFeatures] = []
        super()._learn((kept.append(item) or item for item in features), views, show_progress)
        with torch.inference_mode():
            scores = torch.tensor([float(self._score(item)[0]) for item in kept], dtype=torch.float64)
        self.radius_ = float(scores.quantile(1 - self.nu))

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        squared = self.network_.squared_distances(self._input(stack([features])))[0]
        return squared.mean().sqrt(), squared.sqrt()

    def _input(self, maps: Maps) -> Tensor:
        """(B, C, h, w): all layers on the grid of the finest."""
        size = max(values.shape[2:] for values in maps.values())
        same = [
            values if values.shape[2:] == size else F.interpolate(values, size=size, mode="bilinear")
            for values in maps.values()
        ]
        return torch.cat(same, dim=1)


class Sphere(nn.Module):
    """Convolutions down to a stride of 16, at least two of them, then the vectors; and where their centre lies.

    inputs, stride: channels of the input and its pixels a cell. No layer after the standardisation adds a constant,
    unless bias is on: f(a x) = a f(x) for a > 0.
    """

    def __init__(self, inputs: int, stride: int, width: int, dims: int, bias: bool) -> None:
        super().__init__()
        for name in ("mean", "std"):
            self.register_buffer(name, torch.ones(inputs, 1, 1))
        halvings = max(0, (STRIDE // stride).bit_length() - 1)
        layers: list[nn.Module] = []
        for number, step in enumerate([2] * halvings + [1] * (2 - halvings)):
            outputs = width * 2**number
            layers += [nn.Conv2d(inputs, outputs, 3, step, 1, bias=bias), nn.LeakyReLU(0.1)]
            inputs = outputs
        self.body = nn.Sequential(*layers, nn.Conv2d(inputs, dims, 1, bias=bias))
        for layer in self.body[::2]:
            nn.init.kaiming_normal_(layer.weight, 0.1)
        self.register_buffer("centre", torch.zeros(dims))
        self.register_buffer("radius", torch.zeros(()))

    def standardise(self, inputs: Sequence[Tensor]) -> None:
        """Let every channel of some inputs (C, h, w) have mean 0 and standard deviation 1."""
        values = torch.stack([torch.stack([one.mean((1, 2)), one.square().mean((1, 2))]) for one in inputs]).mean(0)
        self.mean.copy_(values[0, :, None, None])
        self.std.copy_((values[1] - values[0].square()).clamp(min=1e-8).sqrt()[:, None, None])

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, h, w) -> vectors (B, dims, h', w'). Each picture is brought to one contrast, as in the paper."""
        values = (inputs - self.mean) / self.std
        values = values - values.mean((1, 2, 3), keepdim=True)
        return self.body(values / values.square().mean((1, 2, 3), keepdim=True).clamp(min=1e-8).sqrt())

    def squared_distances(self, inputs: Tensor) -> Tensor:
        """(B, C, h, w) -> squared distances to the centre (B, h', w')."""
        return (self(inputs) - self.centre[:, None, None]).square().sum(1)


def centre_of(outputs: Sequence[Tensor]) -> Tensor:
    """Mean (dims,) of maps (dims, h, w); coordinates nearer to zero than 0.1 are moved to 0.1 or -0.1."""
    centre = torch.stack([one.mean((1, 2)) for one in outputs]).mean(0)
    away = torch.where(centre < 0, -FROM_ZERO, FROM_ZERO)
    return torch.where(centre.abs() < FROM_ZERO, away, centre)


def soft_boundary(squared: Tensor, radius: Tensor, nu: float) -> Tensor:
    """Eq. 3 of the paper without its weight decay: R^2 + mean(max(0, d^2 - R^2)) / nu of squared distances (B,)."""
    return radius**2 + (squared - radius**2).clamp(min=0).mean() / nu
