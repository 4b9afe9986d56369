"""A frozen dataclass describes a whole run: a number without its protocol is meaningless."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from adlib.data.dataset import whole_number
from adlib.detectors.registry import detector_class
from adlib.errors import InputError, check_choice
from adlib.experiments.settings import plain_value
from adlib.files import NAME_BYTES, short_name
from adlib.growth import Growth

FRAMES = ("original", "network")
# Fields of the protocol itself, or parameters of the machine, not of the computation.
NOT_OPTIONS = ("backbone", "weights", "device", "seed")
# Add every new field here, with the value that reproduces rows without it: such rows keep their hashes.
GROWTH = Growth(added={"revision": 0, "content_digest": "", "group_by": "", "noise": "", "labelled": 0})


@dataclass(frozen=True)
class Protocol:
    """What was run, in plain values; its hash names the result.

    dataset, category: the data.
    data_digest: names, sizes, split and label of every image of the category (see `data_digest`).
    method: name of the detector.
    backbone: name of the frozen network.
    weights_sha256: of its weights file.
    split_seed: seed of the split, if the data set has no split of its own.
    shots: number of good images learned from, None for all, 0 for batched zero-shot.
    selection: how they were sampled, "slice" or "random".
    seed: of everything random.
    map_frame: where maps and masks are compared, "original" pixels or the "network"'s frame (official PatchCore: the
        224 crop).
    options: all parameters of the method; missing parameters get their defaults.
    revision: of the method's numbers (see `Detector.revision`), None for the current revision.
    content_digest: content of every image and mask (see `content_digest`), "" in rows made before contents were part of
        the protocol.
    group_by: the regular expression of the groups that are split and held out together, "" for none (see `Reading`).
    noise: how many defective images were planted among the good ones, and by which convention (see `adlib.data.noise`),
        "" for none.
    labelled: number of labelled defects learned from, see `label_defects`; `seed` samples them.
    Raises InputError for an unknown method, map_frame or option, for negative shots, and where the method cannot learn
    from that many labelled defects.
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
    revision: int | None = None
    content_digest: str = ""
    group_by: str = ""
    noise: str = ""
    labelled: int = 0

    def __post_init__(self) -> None:
        check_choice("map_frame", self.map_frame, FRAMES)
        for name in ("shots", "seed", "split_seed", "labelled"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, whole_number(name, getattr(self, name), 0))
        method = detector_class(self.method)
        method.check_defects(self.labelled)
        complete = method.complete({name: v for name, v in self.options.items() if name not in NOT_OPTIONS})
        plain = {name: plain_value(value) for name, value in complete.items() if name not in NOT_OPTIONS}
        object.__setattr__(self, "options", plain)
        if self.revision is None:
            object.__setattr__(self, "revision", method.revision)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Protocol":
        """The inverse of `as_dict`, also for old rows. Raises InputError for an unknown name."""
        values = GROWTH.read(values)
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise InputError(f"A protocol has no field {unknown[0]!r}; update adlib or remove the field.")
        options = detector_class(values["method"]).growth.read(values.get("options", {}))
        return cls(**values | {"options": options})

    @property
    def hash(self) -> str:
        """10 hex digits of the sha256 of all values, except newer fields at the value that reproduces older rows."""
        options = detector_class(self.method).growth.hashed(self.options)
        values = GROWTH.hashed(self.as_dict()) | {"options": options}
        text = json.dumps(values, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    @property
    def title(self) -> str:
        """A readable file name, unique by the hash."""
        shots = "full" if self.shots is None else f"{self.shots}shot"
        words = (self.dataset, self.category, self.method, self.backbone, shots, f"s{self.seed}", self.hash)
        return joined_title(*("".join(c if c.isalnum() or c in "._" else "_" for c in word) for word in words))

    def group(self) -> dict[str, Any]:
        """All values except seeds and data: runs that agree in these are repetitions of one experiment."""
        left_out = ("seed", "split_seed", "data_digest", "content_digest")
        return {name: value for name, value in self.as_dict().items() if name not in left_out}


def joined_title(dataset: str, category: str, *words: str) -> str:
    """A file name of at most NAME_BYTES bytes; where it is longer, data set and category are shortened."""
    room = NAME_BYTES - sum(len(word.encode()) + 1 for word in words) - 1
    category = short_name(category, max(room // 2, room - len(dataset.encode())))
    return "-".join((short_name(dataset, room - len(category.encode())), category, *words))
