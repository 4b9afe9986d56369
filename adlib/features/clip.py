"""CLIP (Radford et al. 2021) as a backbone: an image's windows and patches as feature maps, and sentences as vectors.

Network, checkpoint reader and tokenizer are open_clip's (the extra `clip`). The windows are WinCLIP's (Jeong et al.
2023; chapter 11): only the patches of a window, each with its position embedding, pass through the
transformer together with the class token, as if the rest of the image were masked; the class token comes out as the
window's vector.
"""

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adlib.errors import InputError
from adlib.features.weights import FoundWeights, Published, find_weights
from adlib.features.windows import window_indices

IMAGE, PATCHES = "image", "patches"
WINDOWS = {"windows2": 2, "windows3": 3}  # layer -> side in patches
# Of OpenAI's training images; open_clip keeps it for all networks without a constant of their own.
NORMALISATION = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
CLIP_FILE = "clip_file"  # the network whose shapes the file of weights= has
_HEAD = 64  # channels of an attention head in all of CLIP's transformers: a checkpoint does not say
WINDOW_BATCH = 512  # windows that pass through the transformer together
SENTENCE_BATCH = 64

CLIP_NETWORKS: dict[str, Published] = {
    "clip_vitb16_plus_240": Published(
        backbone="clip_vitb16_plus_240",
        file="vit_b_16_plus_240-laion400m_e31-8fb26589.pt",
        url="https://github.com/mlfoundations/open_clip/releases/download/v0.2-weights/"
        "vit_b_16_plus_240-laion400m_e31-8fb26589.pt",
        hub_repository="timm/vit_base_patch16_plus_clip_240.laion400m_e31",
        sha256="8fb26589",
        hub_file="open_clip_model.safetensors",
    )
}
_ANY = Published(CLIP_FILE, file="clip_file.pt", url="", hub_repository="")
# Shapes of the networks above, in the words of open_clip's configurations.
SHAPES = {
    "clip_vitb16_plus_240": {
        "embed_dim": 640,
        "vision_cfg": {"image_size": 240, "layers": 12, "width": 896, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 640, "heads": 10, "layers": 12},
    }
}


class Clip(nn.Module):
    """A frozen CLIP with a vision transformer, with the interface of a `Backbone`; made by `load_clip`.

    layers: "image", the vector of the image; "windows2" and "windows3", those of windows of 2 x 2 and 3 x 3 patches at
        stride 1; "patches", the tokens of the patches after the last norm, in the transformer's own dimensions.
    size: side in pixels of the input, which is square.
    grid: (h, w) patches.
    """

    kind = "clip"
    layers = default_layers = (IMAGE, *WINDOWS, PATCHES)

    def __init__(self, name: str, network: nn.Module, tokenizer: Any, weights: FoundWeights, precision: str) -> None:
        super().__init__()
        visual = network.visual
        self.name, self.precision = name, precision
        self.weights_sha256, self.weights_source = weights.sha256, weights.source
        self.size, self.grid = visual.image_size[0], tuple(visual.grid_size)
        self.patch_multiple = visual.patch_size[0]
        self.strides = {layer: self.patch_multiple for layer in self.layers} | {IMAGE: self.size}
        self.dims = dict.fromkeys(self.layers, visual.output_dim) | {PATCHES: visual.conv1.out_channels}
        self.mean, self.std = NORMALISATION
        self.network, self.tokenizer = network, tokenizer
        for key, values in (("_mean", self.mean), ("_std", self.std)):
            self.register_buffer(key, torch.tensor(values).view(3, 1, 1), persistent=False)
        self._sentences: dict[tuple[str, ...], Tensor] = {}
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Clip":
        """Stay in evaluation mode, as `Backbone`."""
        return super().train(False)

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return self._mean.device

    def check_layers(self, layers: Sequence[str]) -> tuple[str, ...]:
        """As `Backbone.check_layers`."""
        if isinstance(layers, str) or not layers or set(layers) - set(self.layers):
            raise InputError(f"{self.name} has no layers {layers!r}; choose from {', '.join(self.layers)}.")
        return tuple(layers)

    def forward(self, images: Tensor, layers: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Feature maps of some layers.

        images: (B, 3, size, size) float RGB in [0, 1], not normalised.
        layers: names; None for all.
        Returns {layer: (B, C, h', w')} float32, where h' and w' are 1 for "image", those of the grid for "patches", and
        h - side + 1, w - side + 1 for windows. Raises InputError for images of another size, and for unknown layers.
        """
        layers = self.check_layers(layers or self.layers)
        if images.shape[1:] != (3, self.size, self.size):
            raise InputError(
                f"{self.name} takes images of {self.size} x {self.size} pixels, not {tuple(images.shape[2:])}; set "
                f"resize={self.size} and aspect=square."
            )
        with torch.inference_mode(), self._autocast():
            maps = self.maps(images.to(self.device, torch.float32), layers)
        # As in `Backbone.forward`: a copy made outside of inference mode can enter a loss.
        return {layer: torch.empty(maps[layer].shape, device=self.device).copy_(maps[layer]) for layer in layers}

    def maps(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """`forward` without checks."""
        tokens = self._tokens((images - self._mean) / self._std)
        maps = {}
        if {IMAGE, PATCHES} & set(layers):
            whole = self._transformed(tokens)
            maps[IMAGE] = self._projected(whole[:, 0])[:, :, None, None]
            maps[PATCHES] = whole[:, 1:].transpose(1, 2).unflatten(2, self.grid)
        for layer in set(WINDOWS) & set(layers):
            maps[layer] = self._window_map(tokens, WINDOWS[layer])
        return maps

    def _tokens(self, images: Tensor) -> Tensor:
        """(B, 1 + patches, C): class token and patches with their positions, before the transformer."""
        visual = self.network.visual
        patches = visual.conv1(images).flatten(2).transpose(1, 2)
        first = visual.class_embedding.expand(len(images), 1, -1)
        return visual.ln_pre(torch.cat([first, patches], dim=1) + visual.positional_embedding)

    def _transformed(self, tokens: Tensor) -> Tensor:
        return self.network.visual.ln_post(self.network.visual.transformer(tokens))

    def _projected(self, class_tokens: Tensor) -> Tensor:
        return class_tokens @ self.network.visual.proj

    def _window_map(self, tokens: Tensor, side: int) -> Tensor:
        indices = window_indices(self.grid, side).to(tokens.device) + 1  # the class token is number 0
        indices = torch.cat([torch.zeros_like(indices[:, :1]), indices], dim=1)
        windows = tokens[:, indices].flatten(0, 1)  # (B * windows, 1 + side * side, C)
        vectors = [self._projected(self._transformed(part)[:, 0]) for part in windows.split(WINDOW_BATCH)]
        shape = (self.grid[0] - side + 1, self.grid[1] - side + 1)
        return torch.cat(vectors).unflatten(0, (len(tokens), *shape)).permute(0, 3, 1, 2)

    def sentences(self, sentences: Sequence[str]) -> Tensor:
        """(n, D) float32 vectors of sentences, of length 1; D is that of "image". Kept, since a fit asks again.

        Raises InputError for a sentence that is longer than the network reads.
        """
        key = tuple(sentences)
        if key not in self._sentences:
            tokens = self.tokenizer(list(key), context_length=self.network.context_length)
            self._check_length(key, tokens)
            with torch.inference_mode(), self._autocast():
                parts = [self.network.encode_text(part.to(self.device)) for part in tokens.split(SENTENCE_BATCH)]
            self._sentences[key] = nn.functional.normalize(torch.cat(parts).float(), dim=1).clone()
        return self._sentences[key]

    def _check_length(self, sentences: Sequence[str], tokens: Tensor) -> None:
        cut = [sentence for sentence, last in zip(sentences, tokens[:, -1], strict=True) if last != 0]
        if cut:
            raise InputError(
                f"{self.name} reads {tokens.shape[1]} tokens, too few for {cut[0][:60]!r}...; give a shorter "
                "object_name."
            )

    def _autocast(self) -> Any:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)


def load_clip(name: str, weights: str | Path | None, device: torch.device, precision: str) -> Clip:
    """A pretrained CLIP, ready to use.

    name: a key of `CLIP_NETWORKS`, or `CLIP_FILE` for the network whose shapes the checkpoint has: any vision
        transformer in open_clip's layout with heads of 64 channels and plain GELU.
    weights: the checkpoint; None searches for it as `find_weights`.
    device: where it runs.
    precision: as in `load_backbone`.
    Raises InputError where open_clip is not installed, and where weights are missing or of another network.
    """
    open_clip = _open_clip()
    found = find_weights(CLIP_NETWORKS.get(name, _ANY), weights)
    state = _read(open_clip, found.path)
    shapes = shapes_of(state, found.path)
    if shapes != SHAPES.get(name, shapes):
        raise InputError(f"{found.path} is another network's file: {name} is {SHAPES[name]}, the file {shapes}.")
    with torch.random.fork_rng(devices=[]):  # the random initial values are overwritten
        network = open_clip.CLIP(**shapes)
    try:
        network.load_state_dict({key: value.float() for key, value in state.items()})
    except RuntimeError as error:
        raise InputError(f"{found.path} is not a CLIP in open_clip's layout: {_first_line(error)}.") from error
    return Clip(name, network, open_clip.SimpleTokenizer(), found, precision).to(device)


def _open_clip() -> Any:
    try:
        import open_clip
    except ImportError as error:
        raise InputError("CLIP needs the package open_clip; run pip install 'adlib[clip]'.") from error
    return open_clip


def _read(open_clip: Any, path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, read by open_clip, which takes the training's wrappers and prefixes away."""
    try:
        return open_clip.factory.load_state_dict(str(path), weights_only=True)
    except Exception as error:  # safetensors, zip and unpickler each raise their own for a foreign file
        raise InputError(f"{path} is not a checkpoint of tensors; give a .pt or .safetensors file.") from error


def shapes_of(state: Mapping[str, Tensor], path: str | Path) -> dict[str, Any]:
    """The configuration of a checkpoint, in open_clip's words, read from the shapes of its tensors.

    state: name -> tensor.
    path: the checkpoint, for messages.
    Raises InputError where it is not a CLIP with a vision transformer on square images.
    """
    try:
        width, _, _, patch = state["visual.conv1.weight"].shape
        side = math.isqrt(len(state["visual.positional_embedding"]) - 1)
        vocabulary, text_width = state["token_embedding.weight"].shape
        return {
            "embed_dim": state["visual.proj"].shape[1],
            "vision_cfg": {
                "image_size": side * patch,
                "layers": _depth(state, "visual.transformer"),
                "width": width,
                "patch_size": patch,
            },
            "text_cfg": {
                "context_length": len(state["positional_embedding"]),
                "vocab_size": vocabulary,
                "width": text_width,
                "heads": text_width // _HEAD,
                "layers": _depth(state, "transformer"),
            },
        }
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"{path} is not a CLIP with a vision transformer in open_clip's layout: {error} is missing."
        ) from error


def _depth(state: Mapping[str, Tensor], transformer: str) -> int:
    pattern = re.compile(rf"{re.escape(transformer)}\.resblocks\.(\d+)\.")
    return 1 + max(int(found[1]) for key in state if (found := pattern.match(key)))


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
