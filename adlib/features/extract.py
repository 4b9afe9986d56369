"""Images in, feature maps out: several images in parallel, one core per image, with a cache."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from adlib.data.images import content_key, image_name, read_image
from adlib.data.rotation import rotate
from adlib.errors import InputError
from adlib.features.backbones import Backbone
from adlib.features.cache import TensorCache, digest
from adlib.features.patches import Frame, Preprocess
from adlib.features.pixels import PIXELS
from adlib.parallel import one_core_each
from adlib.progress import progress

# Raise it whenever the same image and settings give other features, so that old cache files are not used.
FEATURES_VERSION = 2
GPU_BATCH = 8


@dataclass(frozen=True)
class ImageFeatures:
    """Features of one image.

    maps: layer -> (C, h, w) float32.
    frame: the part of the image that the network saw.
    key: identifies the image by its content.
    name: name for messages; the path where the image has one.
    """

    maps: dict[str, Tensor]
    frame: Frame
    key: str
    name: str


@dataclass(frozen=True)
class FeatureSpec:
    """Everything that affects features apart from the image and the backbone.

    layers: names of the layers.
    preprocess: how an image becomes network input.
    window: (low, high) of `read_image`, None for none.
    rotation: how images are turned, see `rotate`.
    """

    layers: tuple[str, ...]
    preprocess: Preprocess
    window: tuple[float, float] | None = None
    rotation: str = "centred"

    def kind(self, backbone: Backbone, layer: str, angle: float) -> str:
        """The cache folder of one layer's features."""
        affected_by = {
            "version": FEATURES_VERSION,
            "backbone": backbone.name,
            "weights": backbone.weights_sha256,
            "precision": backbone.precision,
            "preprocess": asdict(self.preprocess),
            "window": self.window,
            "angle": angle,
            "layer": layer,
        }
        if angle and self.rotation != "centred":  # what is cached from before keeps its name
            affected_by["rotation"] = self.rotation
        return f"{backbone.name}-{layer}-{digest(affected_by)}"


def extract(
    backbone: Backbone,
    images: Sequence[Any],
    spec: FeatureSpec,
    angles: Sequence[float] = (0,),
    cache: TensorCache | None = None,
    show_progress: bool = False,
    label: str = "features",
) -> Iterator[ImageFeatures]:
    """Yield features of every image at every angle, in order: all angles of the first image, then of the second.

    Every backbone has the layer "pixels", the network's input as RGB in [0, 1], which is never cached.

    backbone: the network.
    images: paths, PIL images or arrays (see `read_image`).
    spec: layers and preprocessing.
    angles: degrees, counter-clockwise.
    cache: a `TensorCache`, None for none.
    show_progress: whether to show a progress bar.
    label: text before the bar.
    Raises InputError, naming the image, for the first image that cannot be read, and for unknown layers.
    """
    unknown = [layer for layer in spec.layers if layer not in (*backbone.layers, PIXELS)]
    if unknown:
        raise InputError(f"{backbone.name} has no layer {unknown[0]!r}; choose from {', '.join(backbone.layers)}.")
    views = [(image, angle) for image in images for angle in angles]
    # A small network on one image hardly uses two cores; two images on one core each do. A GPU needs a batch.
    batch = 1 if backbone.device.type == "cpu" else GPU_BATCH
    windows = [views[start : start + batch] for start in range(0, len(views), batch)]
    bar = progress(total=len(views), label=label, unit="img", show=show_progress)
    with bar, closing(one_core_each(partial(_window, backbone, spec, cache), windows)) as finished:
        for features in finished:
            yield from features
            bar.update(len(features))


def _window(
    backbone: Backbone, spec: FeatureSpec, cache: TensorCache | None, views: Sequence[tuple[Any, float]]
) -> list[ImageFeatures]:
    return list(_finish(backbone, spec, cache, [_load(backbone, spec, cache, *view) for view in views]))


@dataclass
class _Loaded:
    key: str
    name: str
    angle: float
    frame: Frame
    maps: dict[str, Tensor]  # from the cache, and the pixels where they are requested
    pixels: Tensor | None  # network input, where anything has to be computed


def _load(backbone: Backbone, spec: FeatureSpec, cache: TensorCache | None, image: Any, angle: float) -> _Loaded:
    key, name = content_key(image), image_name(image)
    maps, frame = _cached(backbone, spec, cache, key, angle)
    cached = len(maps) == len(_computed(spec))
    if cached and frame is not None and PIXELS not in spec.layers:
        return _Loaded(key, name, angle, frame, maps, None)
    rgb = read_image(image, window=spec.window)
    if angle:
        rgb = rotate(rgb, angle, spec.rotation)
    pixels, frame = spec.preprocess(rgb)
    if PIXELS in spec.layers:
        maps[PIXELS] = pixels
    return _Loaded(key, name, angle, frame, maps, None if cached else pixels)


def _cached(
    backbone: Backbone, spec: FeatureSpec, cache: TensorCache | None, key: str, angle: float
) -> tuple[dict[str, Tensor], Frame | None]:
    maps: dict[str, Tensor] = {}
    frame = None
    for layer in _computed(spec) if cache is not None else ():
        entry = cache.get(spec.kind(backbone, layer, angle), key)
        if entry is None:
            break
        maps[layer], frame = entry["map"], Frame.from_tensor(entry["frame"])
    return maps, frame


def _computed(spec: FeatureSpec) -> list[str]:
    return [layer for layer in spec.layers if layer != PIXELS]


def _finish(
    backbone: Backbone, spec: FeatureSpec, cache: TensorCache | None, loaded: list[_Loaded]
) -> Iterator[ImageFeatures]:
    missing = [item for item in loaded if item.pixels is not None]
    for shape in dict.fromkeys(item.pixels.shape for item in missing):
        group = [item for item in missing if item.pixels.shape == shape]
        batch = torch.stack([item.pixels for item in group]).to(backbone.device, non_blocking=True)
        outputs = backbone(batch, _computed(spec))
        for row, item in enumerate(group):
            computed = {layer: values[row].contiguous() for layer, values in outputs.items()}
            item.maps |= computed
            if cache is not None:
                frame = item.frame.as_tensor()
                for layer, values in computed.items():
                    cache.put(spec.kind(backbone, layer, item.angle), item.key, {"map": values, "frame": frame})
    for item in loaded:
        maps = {layer: item.maps[layer].to(backbone.device) for layer in spec.layers}
        yield ImageFeatures(maps, item.frame, item.key, item.name)
