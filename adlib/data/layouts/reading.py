"""How a user's folder is read: what no layout prescribes and no file says."""

import re
from dataclasses import dataclass
from pathlib import Path

from adlib.data.names import printable
from adlib.errors import InputError

GOOD = {"good", "ok", "normal"}


@dataclass(frozen=True)
class Reading:
    """What a user may say about a folder.

    split_seed: seed of the split where none is published.
    masks: which files are masks, as in `Masks`.
    group: a regular expression; what it finds in the path of an image below the data set is the image's group (its
        first bracketed part, where it has one). Images of one group (part, film, camera) are alike. None for no groups.
    Raises InputError where `group` is no regular expression.
    """

    split_seed: int = 0
    masks: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.group or "")
        except re.error as error:
            raise InputError(f"group {self.group!r} is not a regular expression ({error}); correct it.") from None

    def group_of(self, path: Path, root: Path | None = None) -> str:
        """The group of an image, "" where there are no groups. Raises InputError where the expression finds nothing.

        path: the image.
        root: folder of the data set, below which the expression reads the path; None for the whole path.
        """
        if self.group is None:
            return ""
        name = (path.relative_to(root) if root else path).as_posix()
        found = re.search(self.group, name)
        if found is None:
            raise InputError(
                f"group {self.group!r} finds nothing in {printable(name)}; give an expression that fits every image."
            )
        return (found[1] if found.re.groups else found[0]) or ""


NOTHING_SAID = Reading()


def is_good(folder: Path) -> bool:
    """Whether a folder is called as those of good images are, in any case."""
    return folder.name.casefold() in GOOD
