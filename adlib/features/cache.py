"""Features on disk, keyed by the image's content and by everything that affects them.

There is one file per image and layer. A change of any key gives another file, so an entry never has to be invalidated.
A corrupt or half-written file is deleted and computed again. A full disk turns the cache off with one warning, and the
work continues without it.
"""

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_bytes
from safetensors.torch import save as save_bytes
from torch import Tensor

from adlib.errors import InputError
from adlib.files import atomic_write, default_cache_folder


def digest(content: Mapping[str, Any]) -> str:
    """16 hex digits that identify a mapping of plain values."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class TensorCache:
    """A folder of tensors: `get(kind, key)` and `put(kind, key, tensors)`.

    folder: where the files are; None for `features` in the default cache folder.
    kind: name of everything that affects the tensors (network, weights, preprocessing).
    key: name of the input.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else default_cache_folder() / "features"
        self._writable = True

    def get(self, kind: str, key: str) -> dict[str, Tensor] | None:
        """The tensors stored under (kind, key), or None where there are none or their file is damaged."""
        path = self._path(kind, key)
        try:
            return load_bytes(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError):
            path.unlink(missing_ok=True)
            return None

    def put(self, kind: str, key: str, tensors: Mapping[str, Tensor]) -> None:
        """Store tensors, floats as float32; does nothing once an earlier failure turned the cache off."""
        if not self._writable:
            return
        try:
            with atomic_write(self._path(kind, key), "wb", durable=False) as file:
                file.write(save_bytes({name: _storable(tensor) for name, tensor in tensors.items()}))
        except (OSError, InputError) as error:
            self._writable = False
            warnings.warn(f"The feature cache is off from here on: {error}", stacklevel=2)

    def __contains__(self, item: tuple[str, str]) -> bool:
        return self._path(*item).exists()

    def _path(self, kind: str, key: str) -> Path:
        return self.folder / kind / key[:2] / f"{key}.safetensors"


def _storable(tensor: Tensor) -> Tensor:
    dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
    return tensor.detach().to("cpu", dtype).contiguous()
