"""Whether a worker gives the numbers that this machine would give: same adlib, same packages, same paths."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import adlib
from adlib.data.names import printable, real_path
from adlib.experiments.execution import PACKAGES


@dataclass(frozen=True)
class Needs:
    """What a worker must have.

    versions: package -> version, without what follows a "+": workers with CUDA fit a client without.
    source: `source_digest` of adlib.
    paths: absolute paths that must exist: data and weights.
    """

    versions: Mapping[str, str]
    source: str
    paths: tuple[str, ...] = ()

    @classmethod
    def here(cls, *paths: str | None) -> "Needs":
        """What this machine has. paths: of data and weights; "elpv", "toy" and None need no path."""
        kept = (str(real_path(path)) for path in paths if path is not None)
        return cls(_versions(), source_digest(), tuple(kept))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Needs":
        """The inverse of `as_dict`."""
        return cls(values["versions"], values["source"], tuple(values["paths"]))

    def lacking(self) -> str:
        """Why this machine does not fit, as the end of "the worker ..."; "" where it fits."""
        own = _versions()
        for name, wanted in self.versions.items():
            if own[name] != wanted:
                return f"has {name} {own[name] or 'not installed'}, and {wanted} is needed; install that version there"
        if source_digest() != self.source:
            return f"has adlib {own['adlib']} with other source files; copy the same checkout there"
        missing = next((path for path in self.paths if not os.path.exists(path)), None)
        return f"has no {printable(missing)}; data and weights must be there under the same path" if missing else ""


@lru_cache
def source_digest() -> str:
    """10 hex digits over the content of every Python file and notebook of adlib, whatever its line ends."""
    root = Path(adlib.__file__).parent
    files = sorted(path for ending in ("py", "ipynb") for path in root.rglob(f"*.{ending}"))
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:10]


def _versions() -> dict[str, str]:
    return {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str:
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return ""
