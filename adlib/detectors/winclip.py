"""WinCLIP and WinCLIP+ (Jeong et al. 2023, 'WinCLIP: Zero-/Few-Shot Anomaly Classification and Segmentation').

Sentences judge an image: CLIP's vector of an image, or of a window of it, is compared with the mean vectors of
sentences on a normal and on a damaged object (chapter 11). With a few good images, windows and patches are also
compared with theirs (WinCLIP+).

These points could not be read in the paper, and are chosen here:

- the temperature is CLIP's learned one, 0.01; reimplementations also take 0.07. At 0 shots it cannot change the order
  of image scores, but it changes maps.
- the harmonic means, over windows and over scales, are of the probability of 'damaged'. Those of the probability of
  'normal', subtracted from 1, would give another map.
- sentences are brought to length 1 before they are averaged, as CLIP does for ensembles of prompts.
- the map of WinCLIP+ is the mean of both maps, as its image score is of both scores.
- the patch tokens of WinCLIP+ are those after the last norm, before the projection.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from adlib.bank.memory import PatchBank
from adlib.bank.neighbours import nearest
from adlib.detectors.base import Detector, Predictions, require_images
from adlib.detectors.prompts import prompt_ensemble
from adlib.errors import InputError
from adlib.features.cache import TensorCache
from adlib.features.clip import IMAGE, PATCHES, WINDOWS
from adlib.features.extract import ImageFeatures
from adlib.features.windows import harmonic_mean, harmonic_over_windows

TEMPERATURE = 0.01


@dataclass(kw_only=True, eq=False, repr=False)
class WinCLIP(Detector):
    """Sentences on normal and damaged objects score an image and its windows; good images, where given, too.

    `fit_predict` is WinCLIP: it needs no good image, and no other test image. `fit` on good images, then `predict`, is
    WinCLIP+. Nothing here is random.

    backbone: "clip_vitb16_plus_240" (the paper's) or "clip_file", see `load_clip`; both need the extra `clip`.
    layers: the scales, "image" among them; None for the paper's: windows of 2 x 2 and of 3 x 3 patches, the image and,
        in WinCLIP+, single patches.
    resize: side in pixels of the square input, which the network fixes.
    object_name: what the images show, a singular noun such as "metal nut"; `adlib run` takes the category's name.
    temperature: of the softmax over both sentences, above 0.
    sigma: in network pixels; the paper does not smooth.
    """

    name: ClassVar[str] = "winclip"
    family: ClassVar[str] = "zero-shot"
    chapter: ClassVar[str] = "11"
    unit: ClassVar[str] = "probability of the sentences on a damaged object; in WinCLIP+ its mean with a distance"
    interpolation: ClassVar[str] = "bicubic"

    backbone: str = "clip_vitb16_plus_240"
    resize: int | None = 240
    aspect: str = "square"
    object_name: str = "object"
    temperature: float = TEMPERATURE
    sigma: float = 0.0

    def _learn(self, features: Iterator[ImageFeatures], views: int, show_progress: bool) -> None:
        """Keep the two sentence vectors `text_` (2, D) and, per scale, `bank_<layer>_`: vectors of good images."""
        layers = self._association_layers()
        if not layers:
            raise InputError(f"layers={IMAGE} alone leaves nothing to compare with good images; add {PATCHES}.")
        self._read_sentences()
        banks = {layer: PatchBank(views) for layer in layers}
        for item in features:
            for layer in layers:
                banks[layer].append(_unit_vectors(item.maps[layer]))
        for layer, bank in banks.items():
            setattr(self, _bank_name(layer), bank.vectors())
        self.references_ = views

    def fit_predict(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """WinCLIP without good images: each image is scored on its own, by sentences alone.

        Afterwards `predict` does the same with other images.
        """
        self._check()
        require_images(images, "score")
        self._layers()
        self._read_sentences()
        for layer in self._association_layers():
            vars(self).pop(_bank_name(layer), None)  # of an earlier fit
        self.references_ = 0
        return self.predict(images, cache, show_progress)

    def _read_sentences(self) -> None:
        vectors = [self.network().sentences(sentences).mean(dim=0) for sentences in prompt_ensemble(self.object_name)]
        self.text_ = F.normalize(torch.stack(vectors), dim=1)

    def _score(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        score, grid = self._by_sentences(features)
        if not self.references_:
            return score, grid
        distances = self._by_references(features)
        return (score + distances.max()) / 2, (grid + distances) / 2

    def _by_sentences(self, features: ImageFeatures) -> tuple[Tensor, Tensor]:
        """Score of the image, and the harmonic mean over the scales (h, w)."""
        image = damaged_probability(features.maps[IMAGE], self.text_, self.temperature)  # (1, 1)
        windows = [
            harmonic_over_windows(damaged_probability(features.maps[layer], self.text_, self.temperature), side)
            for layer, side in self._sides()
        ]
        return image[0, 0], harmonic_mean([image, *windows])

    def _by_references(self, features: ImageFeatures) -> Tensor:
        """(h, w) mean over the scales of the distances to the good images."""
        maps = []
        for layer in self._association_layers():
            distances = association(features.maps[layer], getattr(self, _bank_name(layer)))
            maps.append(harmonic_over_windows(distances, WINDOWS.get(layer, 1)))
        return torch.stack(maps).mean(dim=0)

    def _sides(self) -> list[tuple[str, int]]:
        return [(layer, WINDOWS[layer]) for layer in self._scales() if layer in WINDOWS]

    def _association_layers(self) -> list[str]:
        return [layer for layer in self._scales() if layer != IMAGE]

    def _scales(self) -> tuple[str, ...]:
        return tuple(self.layers or (IMAGE, *WINDOWS, PATCHES))

    def _layers(self) -> tuple[str, ...]:
        scales, known = self._scales(), self.network().layers
        if IMAGE not in scales or set(scales) - set(known):
            raise InputError(
                f"{self.name} takes the layer {IMAGE} of CLIP and any of {', '.join(WINDOWS)} and {PATCHES}, not "
                f"{', '.join(scales)} of {self.backbone}, which has {', '.join(known)}; give other layers or another "
                "backbone."
            )
        return scales

    def onnx_refusal(self) -> str:
        """See `Detector.onnx_refusal`."""
        return "each of its windows passes through CLIP's transformer on its own, which the export does not write"

    def _check(self) -> None:
        super()._check()
        if not self.object_name.strip():
            raise InputError("object_name is what the images show, such as 'metal nut'; it cannot be empty.")
        if not self.temperature > 0:
            raise InputError(f"temperature divides cosines and must be above 0, not {self.temperature}.")


def damaged_probability(vectors: Tensor, text: Tensor, temperature: float) -> Tensor:
    """Softmax over 'normal' and 'damaged' of cosines divided by a temperature: that of 'damaged'.

    vectors: (D, h, w) of images or windows, any length.
    text: (2, D) of length 1, normal and damaged.
    temperature: above 0.
    Returns (h, w) in (0, 1), held above 1e-12 for the reciprocals of harmonic means.
    """
    cosines = torch.einsum("kd,dhw->khw", text, F.normalize(vectors, dim=0))
    return torch.sigmoid((cosines[1] - cosines[0]) / temperature).clamp_min(1e-12)


def association(vectors: Tensor, bank: Tensor) -> Tensor:
    """Half of one minus the cosine to the nearest vector of good images: WinCLIP+'s association.

    vectors: (D, h, w), any length.
    bank: (N, D) of length 1.
    Returns (h, w) in [0, 1], held above 1e-12 for the reciprocals of harmonic means.
    """
    euclidean = nearest(_unit_vectors(vectors), bank)[0][:, 0]
    return (euclidean.square() / 4).clamp_min(1e-12).reshape(vectors.shape[1:])  # |a - b|^2 = 2 (1 - cos)


def _unit_vectors(values: Tensor) -> Tensor:
    """(D, h, w) -> (h * w, D) of length 1."""
    return F.normalize(values.flatten(1).T, dim=1)


def _bank_name(layer: str) -> str:
    return f"bank_{layer}_"
