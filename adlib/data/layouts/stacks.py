"""Files of several images, such as TIFF stacks: a defect may be on any page, so the user says which are meant."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from adlib.data.dataset import Sample
from adlib.data.images import pages_in
from adlib.data.names import printable
from adlib.data.pages import page_path
from adlib.errors import InputError, check_choice

PAGES = ("ask", "first", "each")
_ENDINGS = {".tif", ".tiff", ".gif", ".webp", ".avif", ".apng"}


def spread(paths: Iterable[Path], pages: str = "ask") -> dict[Path, list[Path]]:
    """Image file -> what to read of it: itself, or one path per page (see `adlib.data.pages`).

    paths: image files; the headers of those that can hold several pages are read.
    pages: "first" takes the first page of every file, "each" every page; "ask" refuses files of several pages.
    Raises InputError for another word, and where "ask" finds several pages.
    """
    check_choice("pages", pages, PAGES)
    found = {path: [path] for path in paths}
    if pages == "first":
        return found
    stacks = {path: _numbers(path) for path in found}
    stacks = {path: numbers for path, numbers in stacks.items() if len(numbers) > 1}
    if stacks and pages == "ask":
        path, numbers = next(iter(stacks.items()))
        raise InputError(
            f"{len(stacks)} files have several pages, such as {printable(path)} ({len(numbers)} pages); say which are "
            'meant: pages="each" (--pages each), every page an image of its own, or "first".'
        )
    return found | {path: [page_path(path, n) for n in numbers] for path, numbers in stacks.items()}


def spread_samples(samples: Iterable[Sample], pages: str) -> tuple[Sample, ...]:
    """The same for a data set: each page has the label of its file, and its page of the mask if masks are stacks, too.

    One mask for several pages belongs to none of them in particular, so they have none.
    """
    samples = tuple(samples)
    found = spread([s.path for s in samples], pages)
    pairs = ((s, found[s.path], _masks(s, len(found[s.path]))) for s in samples)
    return tuple(
        replace(s, path=path, mask=mask) for s, paths, masks in pairs for path, mask in zip(paths, masks, strict=True)
    )


def _masks(sample: Sample, count: int) -> list[Path | None]:
    if sample.mask is None or count == 1:
        return [sample.mask] * count
    numbers = _numbers(sample.mask)
    return [page_path(sample.mask, n) for n in numbers] if len(numbers) == count else [None] * count


def _numbers(path: Path) -> list[int]:
    """Numbers of a file's pages; one where it cannot be read, which reading it will explain."""
    if path.suffix.lower() not in _ENDINGS:
        return [1]
    try:
        return pages_in(path)
    except InputError:
        return [1]
