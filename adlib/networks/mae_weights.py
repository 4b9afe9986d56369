"""Where a masked autoencoder's weights come from: training on photographs here, or the official file (chapter 19).

MAEDAY (Schwartz et al. 2022) takes a network that learned from ImageNet. Here eighteen photographs that install with
scikit-image and scikit-learn stand in for it: people, animals, plants, buildings, stars, cells, coins, brick, grass and
gravel; none shows a part that this course inspects.
"""

import functools
import hashlib
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from skimage import data
from sklearn.datasets import load_sample_image
from torch import Tensor

from adlib.errors import InputError
from adlib.features.cache import TensorCache, digest
from adlib.features.weights import Published, find_weights, first_of, put_into, read_checkpoint
from adlib.networks.mae import MaskedAutoencoder, Shape, official_state, random_kept
from adlib.progress import progress

# Raise it whenever the same settings give other weights, so that old ones are not loaded.
PRETRAINING_VERSION = 1
OFFICIAL_SHAPE = Shape(224, 16, 768, 12, 12, 512, 8, 16)  # ViT-B
OFFICIAL = Published(
    "mae_vit_base",
    "mae_visualize_vit_base.pth",  # trained on plain pixels; files without 'visualize' predict normalised patches
    "https://dl.fbaipublicfiles.com/mae/visualize/mae_visualize_vit_base.pth",
    "",
)
SCIKIT_IMAGE = (
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "clock",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "page",
    "retina",
    "rocket",
    "text",
)
SCIKIT_LEARN = ("china.jpg", "flower.jpg")
SMALLEST_CROP = 96  # pixels of a photograph
WARM_UP = 0.1  # fraction of the steps in which the learning rate rises


@dataclass(frozen=True)
class Pretraining:
    """Everything that decides the weights.

    shape: of the network.
    steps: batches; 0 leaves the network as it starts.
    batch: crops in a batch.
    learning_rate: the highest of a warm-up and half a cosine.
    kept: fraction of the patches that the encoder sees.
    seed: of the first weights, the crops and the masks.
    """

    shape: Shape
    steps: int
    batch: int = 8
    learning_rate: float = 1e-3
    kept: float = 0.25
    seed: int = 0

    @property
    def key(self) -> str:
        """Identifies the weights in a cache."""
        return digest(asdict(self) | {"version": PRETRAINING_VERSION})


_LEARNED: dict[str, dict[str, Tensor]] = {}  # once per process for the same settings


def pretrained(settings: Pretraining, cache: TensorCache | None = None, show: bool = False) -> dict[str, Tensor]:
    """State of a network that learned from the photographs, or what the cache holds under the same settings."""
    kind, key = f"mae-photographs-{settings.key}", hashlib.sha256(settings.key.encode()).hexdigest()
    if settings.key not in _LEARNED:
        stored = cache.get(kind, key) if cache is not None else None
        _LEARNED[settings.key] = stored or _learn(settings, show)
    if cache is not None and (kind, key) not in cache:
        cache.put(kind, key, _LEARNED[settings.key])
    return _LEARNED[settings.key]


def official(shape: Shape = OFFICIAL_SHAPE, path: str | Path | None = None) -> dict[str, Tensor]:
    """State of a network with the official weights.

    shape: the network's.
    path: the file, None to search for it, see `find_weights`.
    Raises InputError where the file is missing or another network's.
    """
    found = find_weights(OFFICIAL, path).path
    network = MaskedAutoencoder(shape)
    missing = put_into(network, official_state(read_checkpoint(found)), found)
    if lacking := [name for name in missing if name not in ("mean", "std")]:  # constants, not in the file
        raise InputError(f"{found} lacks weights that the network needs: {first_of(lacking)}; give the complete file.")
    return network.state_dict()


def _learn(settings: Pretraining, show: bool) -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(settings.seed)
        network = MaskedAutoencoder(settings.shape).train()
        optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, (0.9, 0.95), weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, functools.partial(_rate, settings.steps))
        crops = random_crops(settings.shape.side, settings.batch, settings.seed)
        for _ in progress(range(settings.steps), total=settings.steps, label="pre-training", unit="step", show=show):
            kept = random_kept(settings.batch, settings.shape.patches, settings.kept)
            loss = network.loss(next(crops), kept)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return {name: value.detach() for name, value in network.state_dict().items()}


def _rate(steps: int, step: int) -> float:
    warm_up = max(1, round(WARM_UP * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def random_crops(side: int, batch: int, seed: int) -> Iterator[Tensor]:
    """Batches (batch, 3, side, side) in [0, 1] without end: squares of any size and place, mirrored, some grey."""
    rng, shown = np.random.default_rng(seed), photographs()
    while True:
        yield torch.stack([_crop(shown[rng.integers(len(shown))], side, rng) for _ in range(batch)])


def _crop(photograph: Tensor, side: int, rng: np.random.Generator) -> Tensor:
    longest = min(photograph.shape[1:])
    size = int(rng.integers(min(SMALLEST_CROP, longest), longest + 1))
    top, left = (int(rng.integers(length - size + 1)) for length in photograph.shape[1:])
    piece = photograph[:, top : top + size, left : left + size]
    piece = F.interpolate(piece[None], size=(side, side), mode="bilinear", antialias=True)[0]
    piece = piece.flip(2) if rng.random() < 0.5 else piece
    return piece.mean(dim=0, keepdim=True).expand(3, -1, -1) if rng.random() < 0.2 else piece


@functools.cache
def photographs() -> list[Tensor]:
    """(3, h, w) RGB in [0, 1]."""
    arrays = [getattr(data, name)() for name in SCIKIT_IMAGE] + [load_sample_image(name) for name in SCIKIT_LEARN]
    arrays = [np.repeat(array[..., None], 3, axis=2) if array.ndim == 2 else array[..., :3] for array in arrays]
    return [torch.from_numpy(np.array(array)).permute(2, 0, 1).float() / 255 for array in arrays]
