"""What detectors of images and of point clouds share: parameters that are fields, and learned state that is saved."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import save as save_bytes
from torch import Tensor

from adlib import __version__
from adlib.errors import InputError
from adlib.files import atomic_write
from adlib.growth import Growth


@dataclass(kw_only=True, eq=False, repr=False)
class Learner:
    """A dataclass of plain parameters whose learned attributes end in `_`.

    A subclass says `learned_device`, and `weights_sha256` where it uses a backbone.
    """

    name: ClassVar[str]
    revision: ClassVar[int] = 0  # raised whenever the same parameters give different numbers
    growth: ClassVar[Growth] = Growth()  # parameters added or renamed later: `growth = Detector.growth | Growth(...)`
    takes: ClassVar[str] = "images"  # what `fit` and `predict` take

    def __repr__(self) -> str:
        """The parameters that differ from the defaults, as code: PatchCore(resize=448)."""
        defaults = self.parameter_defaults()
        changed = [f"{name}={value!r}" for name, value in self.parameters().items() if value != defaults[name]]
        return f"{type(self).__name__}({', '.join(changed)})"

    @classmethod
    def parameter_defaults(cls) -> dict[str, Any]:
        """Name -> default of every constructor argument."""
        return {field.name: field.default for field in fields(cls)}

    @classmethod
    def check_names(cls, parameters: Mapping[str, Any]) -> None:
        """Raise InputError for a parameter that this method does not take."""
        names = cls.parameter_defaults()
        if unknown := sorted(set(parameters) - set(names)):
            raise InputError(f"{cls.name} takes no parameter {unknown[0]!r}; it takes {', '.join(names)}.")

    @classmethod
    def complete(cls, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Name -> value of every constructor argument, given or default. Raises InputError for an unknown parameter."""
        cls.check_names(parameters)
        return {**cls.parameter_defaults(), **parameters}

    def parameters(self) -> dict[str, Any]:
        """Name -> value of every constructor argument."""
        return {name: getattr(self, name) for name in self.parameter_defaults()}

    def learned_tensors(self) -> list[Tensor]:
        """What `save` would write, without plain values; [] before `fit`."""
        return [value for value in self._learned().values() if isinstance(value, Tensor)]

    def learned_device(self) -> torch.device:
        """Where the learned tensors are."""
        raise NotImplementedError

    def weights_sha256(self) -> str | None:
        """Of the backbone's weights; None where there is no backbone."""
        return None

    def save(self, path: str | Path) -> None:
        """Write one safetensors file: learned tensors, with parameters and learned plain values in the header.

        Of the backbone's weights it holds only the sha256. Raises InputError before `fit`.
        """
        self._require_fit("save")
        learned = self._learned()
        tensors = {k: v.detach().cpu().contiguous() for k, v in learned.items() if isinstance(v, Tensor)}
        header = {
            "detector": self.name,
            "revision": self.revision,
            "adlib": __version__,
            "parameters": self.parameters(),
            "learned": {k: v for k, v in learned.items() if k not in tensors},
            "weights_sha256": self.weights_sha256(),
        }
        with atomic_write(path, "wb") as file:
            file.write(save_bytes(tensors, {"adlib": json.dumps(header, allow_nan=False)}))

    def _restore(self, tensors: dict[str, Tensor], learned: dict[str, Any]) -> None:
        device = self.learned_device()
        for name, value in (tensors | learned).items():
            setattr(self, name, value.to(device) if isinstance(value, Tensor) else value)

    def _learned(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name.endswith("_")}

    def _require_fit(self, purpose: str = "predict") -> None:
        if not self._learned():
            raise InputError(
                f"This {self.name} detector has learned nothing yet; call fit({self.takes}) before {purpose}."
            )
