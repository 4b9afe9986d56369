"""One frozen dataclass says a whole run: a number without its protocol says nothing."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from adlib.detectors.registry import make_detector
from adlib.errors import InputError

FRAMES = ("original", "network")
# Said by the protocol itself, or of where things run, not of what is computed.
_NOT_OPTIONS = ("backbone", "weights", "device", "seed")


@dataclass(frozen=True)
class Protocol:
    """What was run, in plain values; its hash names the result.

    data_digest: names, sizes and split of every picture of the category (see `data_digest`); options: every
    parameter of the method, defaults included; weights_sha256: of the backbone's weights file; shots: number of good
    pictures learned from, None for all; selection: how they were drawn ("slice" or "random"); map_frame: where maps
    and masks are compared, "original" pixels or the "network"'s frame (official PatchCore: the 224 crop).
    """

    dataset: str
    category: str
    data_digest: str
    method: str
    backbone: str
    weights_sha256: str
    split_seed: int = 0
    shots: int | None = None
    selection: str = "slice"
    seed: int = 0
    map_frame: str = "original"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.map_frame not in FRAMES:
            raise InputError(f"Unknown map_frame {self.map_frame!r}; choose one of {', '.join(FRAMES)}.")
        if self.shots is not None and self.shots < 0:
            raise InputError(f"shots must be at least 0, not {self.shots}; leave it out to learn from all good images.")
        taken = {name: value for name, value in self.options.items() if name not in _NOT_OPTIONS}
        complete = make_detector(self.method, **taken).parameters()
        plain = {name: _plain(value) for name, value in complete.items() if name not in _NOT_OPTIONS}
        object.__setattr__(self, "options", plain)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Protocol":
        """The inverse of `as_dict`; an unknown name is an InputError."""
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise InputError(f"A protocol has no {unknown[0]!r}.")
        return cls(**values)

    @property
    def hash(self) -> str:
        """10 hex digits of the sha256 of all values."""
        text = json.dumps(self.as_dict(), sort_keys=True, ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    @property
    def title(self) -> str:
        """A readable, file-safe name that the hash makes unique."""
        shots = "full" if self.shots is None else f"{self.shots}shot"
        words = (self.dataset, self.category, self.method, self.backbone, shots, f"s{self.seed}", self.hash)
        return "-".join("".join(c if c.isalnum() or c in "._" else "_" for c in word) for word in words)

    def group(self) -> "dict[str, Any]":
        """Everything but the seeds: runs that agree in this are draws of one experiment."""
        return {k: v for k, v in self.as_dict().items() if k not in ("seed", "split_seed", "data_digest")}


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
