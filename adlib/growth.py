"""Add and rename named values without invalidating stored files.

Results are named by a hash over all values of a run, and a saved detector holds its parameters. Both must stay readable
when a value is added or renamed later, and a result must keep its hash.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Growth:
    """What was added to a set of named values, or renamed, after the first files were written.

    added: name -> the value that reproduces files without the name; not necessarily the current default.
    renamed: current name -> the name in older files, which the hash keeps.
    """

    added: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)

    def __or__(self, later: "Growth") -> "Growth":
        """Both combined: the growth of a class on top of that of its base."""
        return Growth({**self.added, **later.added}, {**self.renamed, **later.renamed})

    def read(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Stored values under their current names; a missing value gets the one that reproduces the file."""
        current = {old: new for new, old in self.renamed.items()}
        return {**self.added, **{current.get(name, name): value for name, value in stored.items()}}

    def hashed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values that enter the hash, under their oldest names; values that reproduce older files are left out."""
        old = {name for name, value in self.added.items() if name in values and values[name] == value}
        return {self.renamed.get(name, name): value for name, value in values.items() if name not in old}
