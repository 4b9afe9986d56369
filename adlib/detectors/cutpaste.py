"""CutPaste (Li et al. 2021, 'CutPaste: Self-Supervised Learning for Anomaly Detection and Localization'; chapter 08).

A network learns to tell good images from good images with a pasted patch or scar, and its classes are then forgotten:
one Gaussian of the features of good images scores new ones. The classification is a pretext that makes the features
sensitive to local irregularities; the density is what also flags defects unlike either class.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adlib.detectors.gaussian import PatchMoments, fit_normal, whitening
from adlib.detectors.training import Maps, TrainedDetector
from adlib.errors import InputError, check_choice
from adlib.features.backbones import Backbone
from adlib.features.extract import ImageFeatures
from adlib.features.patches import patch_vectors, whole_image_vector
from adlib.features.pixels import PIXELS
from adlib.features.stages import Stages
from adlib.synthesis.cutpaste import cutpaste, jittered, scar

VARIANTS: dict[str, tuple[Callable[[Tensor], tuple[Tensor, Tensor]], ...]] = {
    "patch": (cutpaste,),
    "scar": (scar,),
    "3way": (cutpaste, scar),
}
HIDDEN = 128  # values in the middle of the head
SHIFT = 4  # pixels, largest random translation of a good image
WARM_UP = 0.1  # fraction of the steps in which the learning rate rises


@dataclass(kw_only=True, eq=False, repr=False)
class CutPaste(TrainedDetector):
    """A pretrained network learns to recognise pasted patches and scars; a Gaussian of its features scores.

    The network is a copy of the backbone and its own: unlike the backbone it is trained. Image score: the Mahalanobis
    distance of the pooled features from the Gaussian of good images. The method has no map of its own (the paper
    repeats it on crops, or explains the score by gradients); the map here is a substitute, as in `Gaussian`: the
    distance of each position from ONE Gaussian of all positions of all good images.
    The paper trains a ResNet-18 from scratch at 256 pixels, by SGD, for 65,536 batches of 64 images (96 with three
    classes), or fine-tunes a pretrained EfficientNet-B4. Here a pretrained network is fine-tuned for few batches by
    AdamW, with the statistics of its batch normalisation as they were.

    variant: "patch" or "scar" for two classes (good, pasted), "3way" for good, patch and scar.
    frozen: the stem and so many first stages keep their pretrained weights; 0 trains the stem, too.
    layers: layers whose means over the image are the features, None for the deepest.
    batch: good images in a batch; each also comes once with each defect.
    steps: 0 leaves the network as it was pretrained.
    held_out: 0, since the learning rate falls to 0 and the last weights are kept, as in the paper.
    """

    name: ClassVar[str] = "cutpaste"
    family: ClassVar[str] = "one-class"
    chapter: ClassVar[str] = "08"
    unit: ClassVar[str] = "Mahalanobis distance, in standard deviations"

    resize: int | None = 128
    steps: int = 150
    batch: int = 16
    learning_rate: float = 3e-4
    held_out: float = 0.0
    variant: str = "3way"
    frozen: int = 2

    def _check(self) -> None:
        super()._check()
        check_choice("variant", self.variant, VARIANTS)
        network = self.network()
        if network.kind != "cnn":
            raise InputError(f"cutpaste fine-tunes a convolutional backbone, not {self.backbone}; choose another.")
        network.check_layers(self._scored_layers())
        if not 0 <= self.frozen <= len(network.layers):
            raise InputError(f"frozen is a number of stages, 0 to {len(network.layers)}, not {self.frozen}.")

    def _layers(self) -> tuple[str, ...]:
        return (PIXELS,)

    def _scored_layers(self) -> tuple[str, ...]:
        return tuple(self.layers or self.network().layers[-1:])

    def _build(self) -> nn.Module:
        return Classifier(self.network(), self._scored_layers(), self.frozen, 1 + len(VARIANTS[self.variant]))

    def _rate(self, step: int) -> float:
        """A linear rise over a tenth of the steps, for the head starts at random; then half a cosine to 0."""
        done = step / self.steps
        if done <= WARM_UP:
            return done / WARM_UP
        return (1 + torch.cos(torch.tensor(torch.pi * (done - WARM_UP) / (1 - WARM_UP))).item()) / 2

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        classes = with_defects(augmented(maps[PIXELS]), self.variant)
        labels = torch.arange(len(classes), device=classes.device).repeat_interleave(classes.shape[1])
        return F.cross_entropy(network(classes.flatten(0, 1)), labels)

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Learn the network, then two normals of its features of all good images, see `Gaussian`.

        `mean_` (D,) and `whitening_` (D, D) of pooled features, with Ledoit and Wolf's `shrinkage_`; `patch_mean_` and
        `patch_whitening_` of positions. Computed as float64, kept as float32, as a cache keeps them.
        """
        kept: list[ImageFeatures] = []
        super()._learn((kept.append(item) or item for item in features), views, show_progress)
        vectors, moments = [], PatchMoments()
        with torch.inference_mode():
            for item in kept:
                maps = self._maps(item)
                vectors.append(whole_image_vector(maps))
                moments.add(patch_vectors(maps, neighbourhood=1)[0].double())
            mean, inverse, self.shrinkage_ = fit_normal(torch.stack(vectors))
            patch_mean, covariance = moments.finish()
        self.mean_, self.whitening_ = mean.float(), inverse.float()
        self.patch_mean_, self.patch_whitening_ = patch_mean.float(), whitening(covariance).float()

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        maps = self._maps(features)
        score = torch.linalg.vector_norm(self.whitening_ @ (whole_image_vector(maps) - self.mean_))
        patches, grid = patch_vectors(maps, neighbourhood=1)
        distances = (patches - self.patch_mean_) @ self.patch_whitening_.T
        return score, torch.linalg.vector_norm(distances, dim=1).reshape(grid)

    def _maps(self, features: ImageFeatures) -> Maps:
        """Layer -> (C, h, w) of the trained network."""
        maps = self.network_.maps(features.maps[PIXELS][None])
        return {layer: values[0] for layer, values in maps.items()}


class Classifier(nn.Module):
    """A trainable copy of a backbone's stages, the mean of each map over the image, and a head of two layers.

    backbone: the pretrained network; it is not changed.
    layers: of the maps.
    frozen: number of first stages that are not trained, with the stem; 0 trains all.
    classes: outputs.
    """

    def __init__(self, backbone: Backbone, layers: Sequence[str], frozen: int, classes: int) -> None:
        super().__init__()
        pretrained = backbone.network
        used = 1 + max(pretrained.layers.index(layer) for layer in layers)  # later stages would learn nothing
        stages = Stages(pretrained.stem, list(pretrained.stages[:used]), pretrained.layers[:used])
        self.stages, self.layers = copy.deepcopy(stages).requires_grad_(True), tuple(layers)
        for part in [self.stages.stem, *self.stages.stages[:frozen]] if frozen else []:
            part.requires_grad_(False)
        inputs = sum(backbone.dims[layer] for layer in layers)
        self.head = nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes))
        for key, values in (("mean", backbone.mean), ("std", backbone.std)):
            self.register_buffer(key, torch.tensor(values).view(3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> "Classifier":
        """The stages keep their batch normalisation's statistics: batches are small, and half of them is pasted."""
        super().train(mode)
        self.stages.eval()
        return self

    def maps(self, images: Tensor) -> Maps:
        """(B, 3, H, W) RGB in [0, 1] -> layer -> (B, C, h, w)."""
        values = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        maps = self.stages(values, self.layers)
        return {layer: maps[layer] for layer in self.layers}

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) RGB in [0, 1] -> logits (B, classes)."""
        return self.head(torch.cat([values.mean((2, 3)) for values in self.maps(images).values()], dim=1))


def with_defects(good: Tensor, variant: str) -> Tensor:
    """Good images and their copies with each defect of a variant: (B, 3, H, W) -> (classes, B, 3, H, W)."""
    makers = VARIANTS[variant]
    return torch.stack([good, *(torch.stack([make(image)[0] for image in good]) for make in makers)])


def augmented(images: Tensor) -> Tensor:
    """Images (B, 3, H, W) shifted by up to 4 pixels, borders repeated, with jittered colours."""
    padded = F.pad(images, [SHIFT] * 4, mode="replicate")
    height, width = images.shape[2:]
    shifted = []
    for image in padded:
        top, left = torch.randint(2 * SHIFT + 1, (2,)).tolist()
        shifted.append(jittered(image[:, top : top + height, left : left + width]))
    return torch.stack(shifted)
