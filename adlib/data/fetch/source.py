"""What is known of a public data set: its source, its licence, how to arrange it and how to verify it."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from adlib.data.dataset import Dataset
from adlib.data.names import printable
from adlib.errors import InputError

Counts = Mapping[str, Mapping[str, int]]  # category -> what is counted -> its number


@dataclass
class Verdict:
    """The result of a check.

    verified: names of categories or films that are as expected.
    missing: names of those that are missing.
    mismatches: whole sentences.
    """

    verified: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    mismatches: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """A data set that can be fetched.

    name: its name in messages.
    page: its web page.
    licence: the terms to accept.
    archive: file name of the download.
    url: address of the archive, None where no stable address is known.
    sha256: of the archive, None where its bytes are not fixed.
    arrange: arrange(found, made, place, options) fills the folder `made` from the unpacked folder `found` and returns
        lines to print; place(source, target) moves or copies.
    check: check(folder) verifies what `arrange` makes.
    add_options: extends the command line.
    """

    name: str
    page: str
    licence: str
    archive: str
    url: str | None
    sha256: str | None
    arrange: Callable[[Path, Path, Callable[[Path, Path], None], Namespace], list[str]]
    check: Callable[[Path], Verdict]
    add_options: Callable[[ArgumentParser], None] = lambda parser: None


def compare(found: Counts, published: Counts, paper: str) -> Verdict:
    """Compare the counts of every category with the published counts; unpublished categories are left out."""
    verdict = Verdict()
    for category, numbers in published.items():
        if category not in found:
            verdict.missing.append(category)
            continue
        wrong = [
            f"{category}: {found[category].get(what, 0)} {what}, but {number} were published ({paper})."
            for what, number in numbers.items()
            if found[category].get(what, 0) != number
        ]
        verdict.mismatches += wrong
        if not wrong:
            verdict.verified.append(category)
    return verdict


def tally(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Images of each category by split and label, and the masks of defective test images."""
    counts = {}
    for name in dataset.categories:
        part = dataset.category(name)
        defective = [s for s in part.test if s.label]
        counts[name] = {
            "good training images": len(part.train_good),
            "good test images": len(part.test) - len(defective),
            "defective test images": len(defective),
            "masks": sum(s.mask is not None for s in defective),
        }
    return counts


def split_counts(train: int, good: int, defective: int) -> dict[str, int]:
    """Published numbers under the keys of `tally`; every defective image has a mask."""
    return {
        "good training images": train,
        "good test images": good,
        "defective test images": defective,
        "masks": defective,
    }


def root_below(found: Path, is_root: Callable[[Path], bool], wanted: str) -> Path:
    """The first folder that `is_root` accepts: `found` itself or at most three levels below it.

    Archives differ in the folders around the same content. Raises InputError, naming `wanted`, where no folder fits.
    """
    level = [found]
    for _ in range(4):
        for folder in level:
            if is_root(folder):
                return folder
        level = [child for folder in level for child in sorted(folder.iterdir()) if child.is_dir()]
    raise InputError(f"{printable(found.name)} holds no {wanted}; give the original archive or folder.")


def place_all(names: Iterable[str], root: Path, made: Path, place: Callable[[Path, Path], None]) -> None:
    """Place those of `names` that exist in `root` into `made`."""
    for name in names:
        if (root / name).exists():
            place(root / name, made / name)
