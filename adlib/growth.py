"""How named values grow without a stored file losing its meaning or its name.

Results are named by a hash over all values of a run, and a saved detector holds its parameters. Both must stay readable
when a value is added or renamed later, and a result must keep its hash.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Growth:
    """What came to a set of named values after the first files were written.

    added: name -> the value that reproduces files without the name; not necessarily the default of today.
    renamed: name of today -> the name that older files have, and that the hash keeps.
    """

    added: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)

    def __or__(self, later: "Growth") -> "Growth":
        """Both together: what a class adds to that of its base."""
        return Growth({**self.added, **later.added}, {**self.renamed, **later.renamed})

    def read(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Stored values under the names of today; a value that the file lacks is the one that reproduces it."""
        today = {old: new for new, old in self.renamed.items()}
        return {**self.added, **{today.get(name, name): value for name, value in stored.items()}}

    def hashed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values that enter the hash: not those which reproduce older files, and all under their oldest names."""
        old = {name for name, value in self.added.items() if name in values and values[name] == value}
        return {self.renamed.get(name, name): value for name, value in values.items() if name not in old}
