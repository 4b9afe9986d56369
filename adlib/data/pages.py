"""A page of a stack (a file of several images, such as a TIFF) as a path: `stack.tif/page_003` is its third page.

No such file exists. `read_image` and `content_key` take the path apart; everything else treats it like any other path.
"""

import os
import re
from pathlib import Path

_PAGE = re.compile(r"page_(\d+)")


def page_path(stack: Path, number: int) -> Path:
    """The path of one page; number: from 1."""
    return stack / f"page_{number:03d}"


def split_page(path: str | os.PathLike) -> tuple[str | os.PathLike, int | None]:
    """The file of a page and its number from 1; for any other path the path itself and None."""
    found = _PAGE.fullmatch(os.path.basename(os.fspath(path)))
    stack = os.path.dirname(os.fspath(path))
    return (stack, int(found[1])) if found and os.path.isfile(stack) else (path, None)
