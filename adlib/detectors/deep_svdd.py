"""Deep SVDD (Ruff et al. 2018, 'Deep One-Class Classification'; chapter 03).

A network learns to map good images close to one fixed point, the centre; images far from it are anomalous. The loss
never asks the network to distinguish anything, so it may map ALL images to the centre: the hypersphere collapses. Three
rules prevent this: the centre is fixed before training and has no coordinate near zero, which a network of zeros would
reach; no layer has a bias, which alone could produce the centre; no activation is bounded, because a saturated
activation is a constant and acts as a bias.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from adlib.detectors.training import Maps, TrainedDetector, joined, stack
from adlib.errors import InputError, check_choice
from adlib.features.extract import ImageFeatures
from adlib.features.pixels import PIXELS
from adlib.networks.standardised import Standardised

OBJECTIVES = ("one-class", "soft-boundary")
STRIDE = 16  # input pixels per position of the network's output
FROM_ZERO = 0.1  # smallest magnitude of a coordinate of the centre, as in the authors' code


@dataclass(kw_only=True, eq=False, repr=False)
class DeepSVDD(TrainedDetector):
    """A network trained to map good images close to one centre; the distance to the centre is the score.

    It learns from pixels (backbone "pixels"), or as a head on the layers of a pretrained backbone.
    The paper's network outputs one vector per image and is pretrained as an autoencoder. This network is not
    pretrained and stays convolutional: a vector at every 16 x 16 pixels (or cell of a coarser layer), one centre for
    all vectors, and the squared distance of an image is the mean over its positions. Image score: that distance, not
    squared. Map: the distance at each position, so the map's mean square is the squared score; a position sees its
    receptive field, for pixels a square of 31, so the map is coarse.

    objective: "one-class" minimises the mean squared distance; "soft-boundary" minimises the squared radius plus the
        excess over it, divided by nu (eq. 3 of the paper), where the radius is the 1 - nu quantile of the batch's
        distances.
    nu: fraction in (0, 1) of the good images that may be outside.
    dims: length of a vector.
    width: channels of the first convolution, doubled at each later convolution.
    bias: whether the layers have bias terms, to show the collapse.
    sigma: in network pixels.
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
            raise InputError(f"nu is the fraction of good images outside, above 0 and below 1, not {self.nu}.")
        if min(self.dims, self.width) < 1:
            raise InputError(f"dims and width must be at least 1, not {self.dims} and {self.width}.")

    def _build(self) -> nn.Module:
        network = self.network()
        layers = self._layers()
        strides, dims = network.strides | {PIXELS: 1}, network.dims | {PIXELS: 3}
        stride = min(strides[layer] for layer in layers)
        return Sphere(sum(dims[layer] for layer in layers), stride, self.width, self.dims, self.bias)

    def _prepare(self, network: nn.Module, samples: Sequence[ImageFeatures]) -> None:
        inputs = [joined(stack([item]))[0] for item in samples]
        network.standardise(inputs)
        network.centre.copy_(centre_of([network(values[None])[0] for values in inputs]))

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        squared = network.squared_distances(joined(maps)).mean(dim=(1, 2))
        if self.objective == "one-class":
            return squared.mean()
        loss = soft_boundary(squared, network.radius, self.nu)
        if network.training:
            network.radius.copy_(squared.detach().sqrt().quantile(1 - self.nu))
        return loss

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Learn the network and `radius_`, the 1 - nu quantile of the distances of the images learned from.

        New good images are outside more often than that; a threshold needs held-out images.
        """
        kept: list[ImageFeatures] = []
        super()._learn((kept.append(item) or item for item in features), views, show_progress)
        with torch.inference_mode():
            scores = torch.tensor([float(self._score(item)[0]) for item in kept], dtype=torch.float64)
        self.radius_ = float(scores.quantile(1 - self.nu))

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        squared = self.network_.squared_distances(joined(stack([features])))[0]
        return squared.mean().sqrt(), squared.sqrt()

    def onnx_refusal(self) -> str:
        """See `Detector.onnx_refusal`."""
        return "it divides by an image's contrast, which on an image of one grey level is rounding over rounding"


class Sphere(Standardised):
    """Convolutions down to a stride of 16, at least two, then the vectors; and the centre of the hypersphere.

    Without bias no layer after the standardisation adds a constant: f(a x) = a f(x) for a > 0.

    inputs: channels of the input.
    stride: pixels per cell of the input.
    width: channels of the first convolution.
    dims: length of a vector.
    bias: whether the layers have bias terms.
    """

    def __init__(self, inputs: int, stride: int, width: int, dims: int, bias: bool) -> None:
        super().__init__(inputs)
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

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, h, w) -> vectors (B, dims, h', w'). The contrast of each image is normalised, as in the paper."""
        values = self.standard(inputs)
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
