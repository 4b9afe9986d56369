"""One index for every data set: its images, their splits and labels, and the few-shot draws (chapter 00).

No image is decoded here. A missing mask is normal and means that pixel metrics are not available.
"""

import operator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from adlib.data.names import printable, storable
from adlib.errors import InputError

SELECTIONS = ("slice", "random")  # how shots are drawn, see `Dataset.few_shot`


@dataclass(frozen=True)
class Sample:
    """One image of a data set.

    path: the image file.
    category: the name of its category.
    split: "train", "validation" or "test".
    label: 0 good, 1 defective.
    defect: the kind of defect, "good" where there is none.
    mask: the mask file, None where there is none.
    group: what good images share that are alike (part, film, camera), "" where no groups are given.
    """

    path: Path
    category: str
    split: str
    label: int
    defect: str
    mask: Path | None = None
    group: str = ""


@dataclass(frozen=True)
class Dataset:
    """All images of a data set, of one category or several. Lists are sorted by path below `root`, by code point.

    name: the name of the data set.
    root: the folder that holds it.
    samples: all images.
    layout: how the files are arranged, see `load_dataset`.
    group: the regular expression that found the groups of the good images, "" where there are none.
    noise: what was planted among the good training images, see `adlib.data.noise`, "" for nothing.
    """

    name: str
    root: Path
    samples: tuple[Sample, ...]
    layout: str = ""
    group: str = ""
    noise: str = ""

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the categories, sorted."""
        return tuple(sorted({s.category for s in self.samples}))

    def category(self, name: str) -> "Dataset":
        """The part of one category. Raises InputError, listing the categories, for an unknown name."""
        name = next((known for known in self.categories if printable(known) == printable(name)), name)
        if name not in self.categories:
            raise InputError(f"{self.name} has no category {name!r}; it has {', '.join(self.categories)}.")
        return replace(self, samples=tuple(s for s in self.samples if s.category == name))

    @property
    def train_good(self) -> list[Sample]:
        """Good training images."""
        return self._sorted("train", 0)

    @property
    def train_defects(self) -> list[Sample]:
        """Labelled defects of the training split; only methods that say so learn from them (`adlib.data.labelled`)."""
        return self._sorted("train", 1)

    @property
    def validation(self) -> list[Sample]:
        """Good images held out for thresholds; empty where the data set has none."""
        return self._sorted("validation", 0)

    @property
    def test(self) -> list[Sample]:
        """Good and defective test images."""
        return self._sorted("test", 0, 1)

    @property
    def has_masks(self) -> bool:
        """Whether there are defective test images and each has a mask."""
        defective = self._sorted("test", 1)
        return bool(defective) and all(s.mask is not None for s in defective)

    def relative(self, sample: Sample) -> str:
        """The path of a sample below `root`, with forward slashes: its name in stored results, see `storable`."""
        return storable(self._below(sample))

    def file(self, name: str) -> Path:
        """The file of a name that `relative` gave; below `root` where there is no such sample."""
        return next((s.path for s in self.samples if self.relative(s) == name), self.root / name)

    def few_shot(self, shots: int | None, seed: int = 0, selection: str = "slice") -> list[Sample]:
        """The good training images of one few-shot draw.

        shots: number of images; None takes all.
        seed: which draw, 0 or more.
        selection: "slice" is AnomalyDINO's, sorted(train_good)[seed * shots : (seed + 1) * shots], whose draws never
            overlap. "random" takes the first `shots` of a permutation seeded with `seed`, so that for one seed the
            4-shot draw starts with the 1-shot draw.
        Raises InputError where there are too few images, or several categories.
        """
        good = self.train_good
        if len(self.categories) > 1:
            raise InputError(f"Shots are sampled from one category; choose one of {', '.join(self.categories)}.")
        if selection not in SELECTIONS:
            raise InputError(f'Unknown selection {selection!r}; choose "slice" or "random".')
        if shots is None:
            return good
        shots, seed = whole_number("shots", shots, 1), whole_number("seed", seed, 0)
        available = f"{'/'.join((self.name, *self.categories))} has {len(good)} good training images"
        if shots > len(good):
            raise InputError(f"{available}, fewer than the {shots} shots requested; use fewer shots.")
        if selection == "random":
            order = np.random.default_rng(seed).permutation(len(good))
            return [good[i] for i in order[:shots]]
        if (seed + 1) * shots > len(good):
            raise InputError(
                f"{available}, but {shots} shots with seed {seed} need {(seed + 1) * shots};"
                ' take a smaller seed or selection="random".'
            )
        return good[seed * shots : (seed + 1) * shots]

    def _sorted(self, split: str, *labels: int) -> list[Sample]:
        chosen = (s for s in self.samples if s.split == split and s.label in labels)
        return sorted(chosen, key=self._below)

    def _below(self, sample: Sample) -> str:
        return sample.path.relative_to(self.root).as_posix()


def whole_number(name: str, value: int, least: int) -> int:
    """`value` as an int. Raises InputError, naming the argument, where it is not whole or below `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}.")
    return number
