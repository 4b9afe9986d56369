"""MAEDAY (Schwartz et al. 2024, 'MAEDAY: MAE for few- and zero-shot AnomalY-Detection'; chapter 19).

Zero-shot, one image at a time: a masked autoencoder that learned from other images sees a quarter of the patches and
predicts the rest. What the neighbours cannot predict is anomalous. The squared error of a pixel is averaged over 32
random masks, and the image score is the maximum of the smoothed map. With good images, the network first learns from
them for a few steps.

The paper has ImageNet's official masked autoencoder, and low-rank updates of its weights for the few-shot case. Here
the default network is small and learned from eighteen photographs, and `fit` trains all of its weights. An error counts
only where the pixel was hidden, since the network never learned to return what it sees.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adlib.detectors.base import Predictions, require_images
from adlib.detectors.pixels import PixelDetector
from adlib.detectors.training import History, Maps
from adlib.errors import InputError, check_choice, check_whole
from adlib.features.cache import TensorCache
from adlib.features.extract import ImageFeatures
from adlib.features.pixels import PIXELS
from adlib.networks.mae import MaskedAutoencoder, Shape, from_patches, random_kept
from adlib.networks.mae_weights import OFFICIAL_SHAPE, Pretraining, official, pretrained

SOURCES = ("photographs", "official")
MASKS_AT_A_TIME = 8


@dataclass(kw_only=True, eq=False, repr=False)
class MAEDAY(PixelDetector):
    """Pixels that a masked autoencoder cannot predict from a quarter of the image are anomalous.

    It works on pixels and has no backbone. `fit_predict` scores images with the pre-trained network, which is the
    zero-shot method; `fit` first trains the network on good images. Image score: see `PixelDetector`.

    pretraining: "photographs" trains the network first (minutes on one core; kept in the cache under its settings), or
        "official" for the published ViT-B at 224 pixels, whose file `weights` names or the usual places hold.
    pretraining_steps: batches of 8 crops of the photographs.
    masks: number of random masks, the same for all images.
    kept: fraction of the patches that the network sees, in (0, 1).
    patch, width, depth, decoder_width, decoder_depth, heads: see `Shape`; not for "official".
    steps, learning_rate: of the training in `fit`; 0 steps leave the network as it is.
    """

    name: ClassVar[str] = "maeday"
    family: ClassVar[str] = "zero-shot"
    chapter: ClassVar[str] = "19"
    unit: ClassVar[str] = "squared error of hidden pixels, smoothed"

    resize: int | None = 112
    steps: int = 50
    learning_rate: float = 1e-4
    pretraining: str = "photographs"
    pretraining_steps: int = 1000
    masks: int = 32
    kept: float = 0.25
    patch: int = 8
    width: int = 128
    depth: int = 6
    decoder_width: int = 64
    decoder_depth: int = 2
    heads: int = 4

    def fit(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False, **labels: Any
    ) -> "MAEDAY":
        """Train the pre-trained network on good images; see `TrainedDetector.fit`."""
        self._check()
        require_images(images, "fit on")
        self.check_defects(len(labels.get("defects", ())))
        self._start(cache, show_progress)  # here, where the cache is at hand
        return super().fit(images, cache, show_progress, **labels)

    def fit_predict(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """Zero-shot: each image alone, by the pre-trained network. Raises InputError where there are no images."""
        self._check()
        require_images(images, "score")
        network = self._build()
        network.load_state_dict(self._start(cache, show_progress))
        self.network_, self.history_ = network.to(self.network().device).eval(), []
        self.visible_ = self._visible()
        return self.predict(images, cache, show_progress)

    def onnx_refusal(self) -> str:
        """See `Detector.onnx_refusal`."""
        return "torch runs each transformer block as one operator, which ONNX lacks"

    def _learn(self, *args: Any, **labels: Any) -> None:
        super()._learn(*args, **labels)
        self.visible_ = self._visible()

    def _train(
        self, network: nn.Module, trained: list[ImageFeatures], watched: list[ImageFeatures], show_progress: bool
    ) -> History:
        network.load_state_dict(self._start(None, show_progress))
        return super()._train(network, trained, watched, show_progress)

    def _build(self) -> MaskedAutoencoder:
        return MaskedAutoencoder(self._shape())

    def _start(self, cache: TensorCache | None, show_progress: bool) -> dict[str, Tensor]:
        """State of the network before it sees a part."""
        if self.pretraining == "official":
            return official(self._shape(), self.weights)
        settings = Pretraining(self._shape(), self.pretraining_steps, kept=self.kept, seed=self.seed)
        return pretrained(settings, cache, show_progress)

    def _visible(self) -> Tensor:
        """(masks, K) numbers of the patches that are kept."""
        generator = torch.Generator().manual_seed(self.seed)
        return random_kept(self.masks, self._shape().patches, self.kept, generator).to(self.network().device)

    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        images = maps[PIXELS]
        kept = random_kept(len(images), self._shape().patches, self.kept)
        return network.loss(images, kept.to(images.device))

    def _pixel_scores(self, pixels: Tensor) -> Tensor:
        return torch.stack([self._hidden_error(image) for image in pixels])

    def _hidden_error(self, image: Tensor) -> Tensor:
        """(h, w) mean squared error of each pixel of (3, h, w) over the masks that hide it."""
        total, times = 0, 0
        for visible in self.visible_.split(MASKS_AT_A_TIME):
            squared, hidden = self.network_.errors(image.expand(len(visible), -1, -1, -1), visible)
            total = total + (squared * hidden[..., None]).sum(dim=0)
            times = times + hidden.sum(dim=0)
        shape = self._shape()
        return from_patches((total / times.clamp(min=1)[:, None])[None], shape.patch, shape.rows)[0, 0]

    def _shape(self) -> Shape:
        if self.pretraining == "official":
            return OFFICIAL_SHAPE
        decoder = self.decoder_width, self.decoder_depth, self.heads
        return Shape(self.resize, self.patch, self.width, self.depth, self.heads, *decoder)

    def _check(self) -> None:
        super()._check()
        check_choice("pretraining", self.pretraining, SOURCES)
        check_whole("masks", self.masks, 1)
        check_whole("pretraining_steps", self.pretraining_steps, 0)
        if not 0 < self.kept < 1:
            raise InputError(
                f"kept is the fraction of patches that the network sees, between 0 and 1, not {self.kept}."
            )
        if self.aspect != "square" or self.resize is None:
            raise InputError('maeday needs images of one shape; set aspect="square" and a resize.')
        if self.resize != self._shape().side:
            raise InputError(
                f"The official network sees {OFFICIAL_SHAPE.side} pixels; set resize={OFFICIAL_SHAPE.side}."
            )
