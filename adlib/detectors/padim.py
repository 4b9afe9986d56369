"""PaDiM (Defard et al. 2021, 'PaDiM: a Patch Distribution Modeling Framework'; chapter 06).

Every position of the patch grid has its own idea of good: a Gaussian, fitted to the features which the good pictures
show there. A patch is as anomalous as it is far from the Gaussian of ITS position, in standard deviations along each
direction (Mahalanobis). Fast and small, and it needs parts that always lie in the same place.
"""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from adlib.bank.memory import GIB, PatchBank, memory_budget
from adlib.detectors.base import Detector, Predictions, as_numpy_grid, require_images
from adlib.errors import InputError
from adlib.features.backbones import Backbone
from adlib.features.cache import TensorCache
from adlib.features.extract import FeatureSpec, extract
from adlib.features.patches import Frame, Preprocess, patch_vectors

EPSILON = 0.01  # on the diagonal of every covariance, as in the paper: fewer pictures than channels leave it singular
STRIDES = (4, 8, 16)  # the paper's layers 1, 2 and 3 of a ResNet
CHUNK = 256  # positions fitted at once: 256 covariances of 100 x 100 in float64 take 20 MB


class PaDiM(Detector):
    """A Gaussian at each grid position.

    layers: names of the backbone's layers, None for the deepest at each of the strides 4, 8 and 16 (a ViT: its
    default); resize, crop, aspect: see `Preprocess`. All pictures must give one grid, so aspect is "square" by default;
    dims: a random choice of so many channels, capped at what the layers have; sigma: Gaussian of the map in network
    pixels, and the image score is the maximum of that smoothed map; seed: of the choice of channels.
    """

    name: ClassVar[str] = "padim"

    def __init__(
        self,
        *,
        backbone: str = "efficientnet_lite0",
        weights: str | None = None,
        device: str | None = None,
        precision: str = "float32",
        layers: tuple[str, ...] | None = None,
        resize: int | None = 256,
        crop: int | None = None,
        aspect: str = "square",
        window: tuple[float, float] | None = None,
        dims: int = 100,
        sigma: float = 4.0,
        seed: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.device = device
        self.precision = precision
        self.layers = layers
        self.resize = resize
        self.crop = crop
        self.aspect = aspect
        self.window = window
        self.dims = dims
        self.sigma = sigma
        self.seed = seed

    def fit(self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False) -> "PaDiM":
        """Fit `mean_` (P, d) and `whitening_` (P, d, d) of the P positions of `grid_` on `channels_`; returns self.

        Memory: N x P x d floats while fitting, P x d x d to keep; both are predicted, and InputError names the ways
        out where they do not fit.
        """
        if self.dims < 1:
            raise InputError(f"dims is the number of channels to keep, at least 1, not {self.dims}.")
        require_images(images, "fit on")
        patches = PatchBank(len(images))
        for number, (vectors, grid, _) in enumerate(self._patches(images, cache, show_progress, "reference features")):
            if number == 0:
                self.grid_ = list(grid)
                self.channels_ = self._choose_channels(vectors)
                _check_memory(len(vectors), len(self.channels_), vectors)
            self._check_grid(grid, number)
            patches.append(vectors[:, self.channels_])
        samples = patches.vectors().reshape(len(images), -1, len(self.channels_))
        self.mean_ = samples.mean(0)
        self.whitening_ = torch.cat([whitening(part) for part in samples.split(CHUNK, dim=1)])
        return self

    def predict(
        self, images: Sequence[Any], cache: TensorCache | None = None, show_progress: bool = False
    ) -> Predictions:
        """Scores and maps; raises InputError before `fit`, and on a picture whose grid is not that of the references.

        A patch scores its Mahalanobis distance, >= 0.
        """
        self._require_fit("whitening_")
        scores, grids, frames = [], [], []
        for number, (vectors, grid, frame) in enumerate(self._patches(images, cache, show_progress, "scoring")):
            self._check_grid(grid, number)
            deviations = vectors[:, self.channels_] - self.mean_
            distances = torch.linalg.vector_norm(torch.bmm(self.whitening_, deviations[:, :, None])[:, :, 0], dim=1)
            grids.append(as_numpy_grid(distances, grid))
            frames.append(frame)
            scores.append(float(frame.network_map(grids[-1], self.sigma).max()))
        return self.assemble(scores, grids, frames)

    def spec(self) -> FeatureSpec:
        """What is asked of the backbone."""
        network = self.network()
        layers = tuple(self.layers or pyramid_layers(network))
        preprocess = Preprocess(self.resize, self.crop, self.aspect, "bilinear", network.patch_multiple)
        return FeatureSpec(layers, preprocess, tuple(self.window) if self.window else None)

    def _patches(
        self, images: Sequence[Any], cache: TensorCache | None, show_progress: bool, label: str
    ) -> Iterator[tuple[Tensor, tuple[int, int], Frame]]:
        for features in extract(
            self.network(), images, self.spec(), cache=cache, show_progress=show_progress, label=label
        ):
            vectors, grid = patch_vectors(features.maps, neighbourhood=1)
            yield vectors, grid, features.frame

    def _choose_channels(self, vectors: Tensor) -> Tensor:
        order = torch.randperm(vectors.shape[1], generator=torch.Generator().manual_seed(self.seed))
        return order[: self.dims].sort().values.to(vectors.device)

    def _check_grid(self, grid: tuple[int, int], number: int) -> None:
        if list(grid) != self.grid_:
            raise InputError(
                f"Image {number} gives {grid[0]} x {grid[1]} patches and the first reference image "
                f"{self.grid_[0]} x {self.grid_[1]}; PaDiM compares position by position, so give images of one shape "
                f'or aspect="square".'
            )


def whitening(samples: Tensor) -> Tensor:
    """Inverse Cholesky factors W of the covariances: |W (x - mean)| is the Mahalanobis distance of x.

    samples: (N, P, d), N features at each of P positions. Returns (P, d, d) of the samples' dtype, computed in
    float64. The covariance is the unbiased one, 0 where N is 1, plus 0.01 on its diagonal.
    """
    centred = (samples.double() - samples.double().mean(0)).transpose(0, 1)
    covariance = centred.mT @ centred / max(len(samples) - 1, 1)
    identity = torch.eye(samples.shape[2], dtype=torch.float64, device=samples.device)
    factor = torch.linalg.cholesky(covariance + EPSILON * identity)
    return torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False).to(samples.dtype)


def pyramid_layers(network: Backbone) -> tuple[str, ...]:
    """The deepest layer at each of the strides 4, 8 and 16; a ViT has one stride and gives its default layers."""
    if network.kind == "vit":
        return tuple(network.default_layers)
    deepest = {network.strides[layer]: layer for layer in network.layers}
    return tuple(deepest[stride] for stride in STRIDES if stride in deepest)


def _check_memory(positions: int, dims: int, like: Tensor) -> None:
    needed = positions * dims**2 * like.element_size()
    budget = memory_budget() if like.device.type == "cpu" else torch.cuda.mem_get_info(like.device)[0]
    if needed > budget:
        raise InputError(
            f"{positions:,} Gaussians over {dims} channels would take {needed / GIB:.1f} GB and {budget / GIB:.1f} GB "
            f"are free; choose fewer dims, a smaller resize or coarser layers."
        )
