"""Pictures in, feature maps out: several pictures at a time, a core each, and a cache that spares the work."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from adlib.data.images import content_key, image_name, read_image, rotate
from adlib.errors import InputError
from adlib.features.backbones import Backbone
from adlib.features.cache import TensorCache, digest
from adlib.features.patches import Frame, Preprocess
from adlib.features.pixels import PIXELS
from adlib.parallel import one_core_each
from adlib.progress import progress

# Raise it whenever the same picture and settings come to give other features, so that old cache files are not used.
FEATURES_VERSION = 2
GPU_BATCH = 8


@dataclass(frozen=True)
class ImageFeatures:
    """What the network says of one picture.

    maps: layer -> (C, h, w) float32. frame: where the network looked. key: names the picture by its content; name:
    for a reader, its path where it has one.
    """

    maps: dict[str, Tensor]
    frame: Frame
    key: str
    name: str


@dataclass(frozen=True)
class FeatureSpec:
    """Everything that shapes features apart from the picture itself."""

    layers: tuple[str, ...]
    preprocess: Preprocess
    window: tuple[float, float] | None = None

    def kind(self, backbone: Backbone, layer: str, angle: float) -> str:
        """The cache folder of one layer's features."""
        shaped_by = {
            "version": FEATURES_VERSION,
            "backbone": backbone.name,
            "weights": backbone.weights_sha256,
            "precision": backbone.precision,
            "preprocess": asdict(self.preprocess),
            "window": self.window,
            "angle": angle,
            "layer": layer,
        }
        return f"{backbone.name}-{layer}-{digest(shaped_by)}"


def extract(
    backbone: Backbone,
    images: Sequence[Any],
    spec: FeatureSpec,
    angles: Sequence[float] = (0,),
    cache: TensorCache | None = None,
    show_progress: bool = False,
    label: str = "features",
) -> Iterator[ImageFeatures]:
    """Features of every picture at every angle, in order: all angles of the first picture, then the second's.

    Every backbone has the layer "pixels": the picture as it goes in, RGB in [0, 1], which no cache keeps.
    images: paths, PIL pictures or arrays (see `read_image`); angles: degrees, counter-clockwise, border reflected.
    Raises InputError, with the picture's name, on the first picture that cannot be read.
    """
    unknown = [layer for layer in spec.layers if layer not in (*backbone.layers, PIXELS)]
    if unknown:
        raise InputError(f"{backbone.name} has no layer {unknown[0]!r}; it offers {', '.join(backbone.layers)}.")
    views = [(image, angle) for image in images for angle in angles]
    # A small network on one picture hardly uses two cores; two pictures on a core each do. A GPU wants them together.
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
    maps: dict[str, Tensor]  # what the cache held, and the pixels where they are asked for
    pixels: Tensor | None  # network input, where anything has to be computed


def _load(backbone: Backbone, spec: FeatureSpec, cache: TensorCache | None, image: Any, angle: float) -> _Loaded:
    key, name = content_key(image), image_name(image)
    maps, frame = _cached(backbone, spec, cache, key, angle)
    known = len(maps) == len(_computed(spec))
    if known and frame is not None and PIXELS not in spec.layers:
        return _Loaded(key, name, angle, frame, maps, None)
    picture = read_image(image, window=spec.window)
    if angle:
        picture = rotate(picture, angle)
    pixels, frame = spec.preprocess(picture)
    if PIXELS in spec.layers:
        maps[PIXELS] = pixels
    return _Loaded(key, name, angle, frame, maps, None if known else pixels)


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
            found = {layer: values[row].contiguous() for layer, values in outputs.items()}
            item.maps |= found
            if cache is not None:
                frame = item.frame.as_tensor()
                for layer, values in found.items():
                    cache.put(spec.kind(backbone, layer, item.angle), item.key, {"map": values, "frame": frame})
    for item in loaded:
        maps = {layer: item.maps[layer].to(backbone.device) for layer in spec.layers}
        yield ImageFeatures(maps, item.frame, item.key, item.name)
