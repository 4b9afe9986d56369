"""The training loop of all trained detectors, and their base class (chapters 02, 03, 05, 07 and 08).

Only good images are available, so good images decide when to stop: a fraction of them is held out, and the weights
with the lowest held-out loss are kept. The test set is never used.
"""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adlib.bank.memory import check_memory
from adlib.data.images import content_key
from adlib.detectors.base import Detector, Scored
from adlib.detectors.labelled import LabelledFeatures, labels_key
from adlib.errors import InputError
from adlib.features.cache import TensorCache, digest
from adlib.features.extract import ImageFeatures
from adlib.progress import progress

# Raise it whenever the same parameters and images give different weights, so that old weights are not loaded.
TRAINING_VERSION = 1
CHECKS = 20  # evaluations of the held-out loss over all steps
FEWEST_TO_HOLD_OUT = 10  # with fewer images than this, training uses all images and all steps

Maps = dict[str, Tensor]  # layer -> (B, C, h, w)
History = list[tuple[int, float, float | None]]  # step, mean training loss since the last entry, held-out loss


@dataclass(kw_only=True, eq=False, repr=False)
class TrainedDetector(Detector):
    """A detector that trains its own network, `network_`, on feature maps or pixels of good images.

    A subclass builds the network (`_build`) and defines the loss (`_loss`). All images must give maps of one shape, so
    aspect is "square" by default.

    steps: maximal number of batches.
    batch: images per batch.
    learning_rate, weight_decay: of AdamW.
    held_out: fraction of the good images that decide when to stop (none where there are fewer than ten).
    patience: evaluations of the held-out loss (20 over all steps) without improvement before training stops.
    seed: of the initial weights, the batches and the held-out images.
    """

    aspect: str = "square"
    steps: int = 300
    batch: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    held_out: float = 0.1
    patience: int = 5

    @abstractmethod
    def _build(self) -> nn.Module:
        """The network to train, with initial weights from torch's generator."""

    @abstractmethod
    def _loss(self, network: nn.Module, maps: Maps) -> Tensor:
        """Loss of a batch, a scalar."""

    def _rate(self, step: int) -> float:
        """Factor of the learning rate at a step; steps count from 1."""
        return 1.0

    def _prepare(self, network: nn.Module, samples: Sequence[ImageFeatures]) -> None:
        """Before training: store statistics of the training images in the network's buffers."""

    def fit(
        self,
        images: Sequence[Any],
        cache: TensorCache | None = None,
        show_progress: bool = False,
        *,
        defects: Sequence[Any] = (),
        masks: Sequence[Any] = (),
    ) -> "TrainedDetector":
        """Train, or load from the cache what the same parameters and images gave before; returns self.

        Learns `network_` and `history_`: (step, training loss, held-out loss) at every evaluation; the held-out loss
        is None where nothing is held out. Raises InputError for invalid parameters, for images whose maps differ in
        shape, and where the loss is not finite.
        """
        labels = {"defects": defects, "masks": masks}
        if cache is None or not len(images):
            return super().fit(images, cache, show_progress, **labels)
        self._check()
        self.check_defects(len(defects))
        kind, key = self._cache_place(images, labels_key(defects, masks))
        cached = cache.get(kind, key)
        if cached is not None:
            plain = json.loads(bytes(cached.pop("plain").tolist()))
            self._restore(cached, plain)
            return self
        super().fit(images, cache, show_progress, **labels)
        learned = self._learned()
        tensors = {name: value for name, value in learned.items() if isinstance(value, Tensor)}
        plain = json.dumps({name: value for name, value in learned.items() if name not in tensors}).encode()
        cache.put(kind, key, tensors | {"plain": torch.tensor(list(plain), dtype=torch.uint8)})
        return self

    def _learn(
        self,
        features: Iterator[ImageFeatures],
        views: int,
        show_progress: bool,
        defects: Sequence[LabelledFeatures] = (),
    ) -> None:
        samples = _gather(chain(features, defects), views + len(defects))
        samples = samples[: len(samples) - len(defects)]
        order = np.random.default_rng(self.seed).permutation(len(samples))
        count = round(self.held_out * len(samples)) if len(samples) >= FEWEST_TO_HOLD_OUT else 0
        watched, trained = [samples[i] for i in order[:count]], [samples[i] for i in order[count:]]
        trained += defects  # none is held out: there are few
        device = self.network().device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            network = self._build().to(device)
            with torch.inference_mode():
                self._prepare(network, trained)
            history = self._train(network, trained, watched, show_progress)
        self.network_, self.history_ = network.eval(), history

    def _batches(self, trained: list[ImageFeatures]) -> Iterator[list[ImageFeatures]]:
        """Batches without end."""
        return ([trained[i] for i in batch] for batch in shuffled(len(trained), self.batch, self.seed))

    def _stacked(self, samples: Sequence[ImageFeatures]) -> Maps:
        """A batch as `_loss` takes it."""
        return stack(samples)

    def _train(
        self, network: nn.Module, trained: list[ImageFeatures], watched: list[ImageFeatures], show_progress: bool
    ) -> History:
        """AdamW on random batches; the network returns with the weights of the lowest held-out loss."""
        optimiser = torch.optim.AdamW(
            [p for p in network.parameters() if p.requires_grad], self.learning_rate, weight_decay=self.weight_decay
        )
        batches = self._batches(trained)
        every = max(1, self.steps // CHECKS)
        best, best_state, waited, recent = np.inf, None, 0, []
        history: History = []
        with progress(total=self.steps, label="training", unit="step", show=show_progress) as bar:
            for step in range(1, self.steps + 1):
                for group in optimiser.param_groups:
                    group["lr"] = self.learning_rate * self._rate(step)
                network.train()
                loss = self._loss(network, self._stacked(next(batches)))
                if not torch.isfinite(loss):
                    raise InputError(
                        f"The training loss of {self.name} is {loss.item()} at step {step}; "
                        f"choose a smaller learning_rate."
                    )
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                recent.append(loss.item())
                bar.update()
                bar.set_postfix_str(f"loss {recent[-1]:.4f}")
                if step % every and step != self.steps:
                    continue
                held_out = self._held_out_loss(network, watched)
                history.append((step, float(np.mean(recent)), held_out))
                recent = []
                if held_out is None:
                    continue
                if held_out < best:
                    best, waited = held_out, 0
                    best_state = {name: value.clone() for name, value in network.state_dict().items()}
                elif (waited := waited + 1) >= self.patience:
                    break
        if best_state is not None:
            network.load_state_dict(best_state)
        return history

    def _held_out_loss(self, network: nn.Module, watched: list[ImageFeatures]) -> float | None:
        """Mean loss of the held-out images, with the same random numbers each time; None where there are none."""
        if not watched:
            return None
        network.eval()
        parts = [watched[start : start + self.batch] for start in range(0, len(watched), self.batch)]
        device = self.network().device
        with torch.inference_mode(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            return sum(float(self._loss(network, self._stacked(part))) * len(part) for part in parts) / len(watched)

    def _scored(self, features: ImageFeatures) -> Scored:
        with torch.inference_mode():
            return super()._scored(features)

    def _cache_place(self, images: Sequence[Any], labels: str) -> tuple[str, str]:
        elsewhere = ("weights", "device")  # file and device do not change the result
        shaped_by = {name: value for name, value in self.parameters().items() if name not in elsewhere}
        network = self.network()
        shaped_by |= {"version": TRAINING_VERSION, "sha256": network.weights_sha256, "on": network.device.type}
        keys = "".join(content_key(image) for image in images) + labels
        return f"{self.name}-trained-{digest(shaped_by)}", hashlib.sha256(keys.encode()).hexdigest()

    def _learned(self) -> dict[str, Any]:
        learned = super()._learned()
        network = learned.pop("network_", None)
        if network is None:
            return {}
        return learned | {f"network_.{name}": value for name, value in network.state_dict().items()}

    def _restore(self, tensors: dict[str, Tensor], learned: dict[str, Any]) -> None:
        own = "network_."
        state = {name.removeprefix(own): value for name, value in tensors.items() if name.startswith(own)}
        super()._restore({name: value for name, value in tensors.items() if not name.startswith(own)}, learned)
        with torch.random.fork_rng():
            network = self._build()
        network.load_state_dict(state)
        self.network_ = network.to(self.network().device).eval()


def stack(samples: Sequence[ImageFeatures]) -> Maps:
    """Maps of several images as a batch: layer -> (B, C, h, w)."""
    return {layer: torch.stack([sample.maps[layer] for sample in samples]) for layer in samples[0].maps}


def joined(maps: Maps) -> Tensor:
    """All layers as one map (B, C, h, w), resized to the finest grid."""
    size = max(values.shape[2:] for values in maps.values())
    same = [
        values if values.shape[2:] == size else F.interpolate(values, size=size, mode="bilinear")
        for values in maps.values()
    ]
    return torch.cat(same, dim=1)


def _gather(features: Iterator[ImageFeatures], views: int) -> list[ImageFeatures]:
    """All maps of all images; memory is predicted from the first image, whose shapes all must have."""
    samples: list[ImageFeatures] = []
    shapes: dict[str, torch.Size] = {}
    for item in features:
        if not samples:
            shapes = {layer: values.shape for layer, values in item.maps.items()}
            needed = views * sum(4 * values.numel() for values in item.maps.values())
            device = next(iter(item.maps.values())).device
            check_memory(needed, f"The maps of {views} images", "use fewer shots or a smaller resize", device)
        elif shapes != {layer: values.shape for layer, values in item.maps.items()}:
            raise InputError(
                f'{item.name} has another shape than the first image; give images of one shape or aspect="square".'
            )
        samples.append(item)
    return samples


def shuffled(count: int, batch: int, seed: int) -> Iterator[np.ndarray]:
    """Indices of batches, without end: every image comes once before any comes again."""
    generator = np.random.default_rng(seed)
    waiting = np.empty(0, dtype=int)
    while True:
        while len(waiting) < min(batch, count):
            waiting = np.concatenate([waiting, generator.permutation(count)])
        yield waiting[:batch]
        waiting = waiting[batch:]
