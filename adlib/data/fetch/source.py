"""What a data set tells about itself: where it comes from, under which terms, how it is arranged and what is right."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from adlib.data.dataset import Dataset
from adlib.data.images import printable
from adlib.errors import InputError

Counts = Mapping[str, Mapping[str, int]]  # of each category: what is counted, and how much of it


@dataclass
class Verdict:
    """What a check found: `verified` and `missing` name categories or films, `mismatches` are whole sentences."""

    verified: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    mismatches: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """A data set that can be fetched.

    page: where people get it; licence: what they agree to; archive: file name of the download; url: its address, None
    where none is known that lasts; sha256: of the archive, None where its bytes are not fixed.
    arrange(found, made, place, options) fills the folder `made` from the unpacked folder `found` and returns lines to
    print; place(source, target) moves or copies. check(folder) verifies what `arrange` makes. add_options extends the
    command line.
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
    """Hold the counts of every category against the published ones; categories that nobody published are left out."""
    verdict = Verdict()
    for category, numbers in published.items():
        if category not in found:
            verdict.missing.append(category)
            continue
        wrong = [
            f"{category}: {found[category].get(what, 0)} {what}, published are {number} ({paper})."
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
    """Published numbers in the words of `tally`; every defective image has a mask."""
    return {
        "good training images": train,
        "good test images": good,
        "defective test images": defective,
        "masks": defective,
    }


def root_below(found: Path, is_root: Callable[[Path], bool], wanted: str) -> Path:
    """The first folder at most three levels below `found`, itself included, that `is_root` accepts.

    Archives differ in the folders around the same content. Raises InputError, with what was `wanted`, where none fits.
    """
    level = [found]
    for _ in range(4):
        for folder in level:
            if is_root(folder):
                return folder
        level = [child for folder in level for child in sorted(folder.iterdir()) if child.is_dir()]
    raise InputError(f"{printable(found.name)} holds no {wanted}; give the archive or folder as its authors made it.")


def place_all(names: Iterable[str], root: Path, made: Path, place: Callable[[Path, Path], None]) -> None:
    """Place those of `names` that lie in `root` into `made`."""
    for name in names:
        if (root / name).exists():
            place(root / name, made / name)
