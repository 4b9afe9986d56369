"""One index for every data set: its images, what each is for, and which ones a few-shot draw takes (chapter 00).

Nothing is decoded here; a missing mask is a normal case and means that pixel metrics are not available.
"""

import operator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from adlib.errors import InputError

SELECTIONS = ("slice", "random")  # how shots are drawn, see `Dataset.few_shot`


@dataclass(frozen=True)
class Sample:
    """One image of a data set.

    split: "train", "validation" or "test"; label: 0 good, 1 defective; defect: its kind, "good" where there is none.
    """

    path: Path
    category: str
    split: str
    label: int
    defect: str
    mask: Path | None = None


@dataclass(frozen=True)
class Dataset:
    """All images of a data set, of one category or several. Lists come sorted by path below `root`, by code point.

    layout: how the files lay there, see `load_dataset`.
    """

    name: str
    root: Path
    samples: tuple[Sample, ...]
    layout: str = ""

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the categories, sorted."""
        return tuple(sorted({s.category for s in self.samples}))

    def category(self, name: str) -> "Dataset":
        """The part of one category. Raises InputError, with the names there are, for any other."""
        if name not in self.categories:
            raise InputError(f"{self.name} has no category {name!r}; it has {', '.join(self.categories)}.")
        return replace(self, samples=tuple(s for s in self.samples if s.category == name))

    @property
    def train_good(self) -> list[Sample]:
        """Good images to learn from."""
        return self._sorted("train", 0)

    @property
    def validation(self) -> list[Sample]:
        """Good images held out for thresholds; empty where the data set keeps none."""
        return self._sorted("validation", 0)

    @property
    def test(self) -> list[Sample]:
        """Good and defective images to measure on."""
        return self._sorted("test", 0, 1)

    @property
    def has_masks(self) -> bool:
        """Whether there are defective test images and each has a mask."""
        defective = self._sorted("test", 1)
        return bool(defective) and all(s.mask is not None for s in defective)

    def relative(self, sample: Sample) -> str:
        """The path of a sample below `root`, with forward slashes: its name in stored results."""
        return sample.path.relative_to(self.root).as_posix()

    def few_shot(self, shots: int | None, seed: int = 0, selection: str = "slice") -> list[Sample]:
        """The good training images of one few-shot draw; shots=None takes all of them.

        selection: "slice" is AnomalyDINO's own, sorted(train_good)[seed * shots : (seed + 1) * shots], whose draws
        never overlap; "random" takes the first `shots` of a permutation seeded with `seed`, so that of one seed the
        4-shot draw starts with the 1-shot draw.
        Raises InputError where the images do not suffice or several categories are mixed.
        """
        good = self.train_good
        if len(self.categories) > 1:
            raise InputError(f"Shots are drawn from one category; choose one of {', '.join(self.categories)}.")
        if selection not in SELECTIONS:
            raise InputError(f'Unknown selection {selection!r}; choose "slice" or "random".')
        if shots is None:
            return good
        shots, seed = whole_number("shots", shots, 1), whole_number("seed", seed, 0)
        there = f"{'/'.join((self.name, *self.categories))} has {len(good)} good training images"
        if shots > len(good):
            raise InputError(f"{there}, fewer than the {shots} shots asked for; take fewer shots.")
        if selection == "random":
            order = np.random.default_rng(seed).permutation(len(good))
            return [good[i] for i in order[:shots]]
        if (seed + 1) * shots > len(good):
            raise InputError(
                f"{there}, but {shots} shots with seed {seed} need {(seed + 1) * shots};"
                ' take a smaller seed or selection="random".'
            )
        return good[seed * shots : (seed + 1) * shots]

    def _sorted(self, split: str, *labels: int) -> list[Sample]:
        chosen = (s for s in self.samples if s.split == split and s.label in labels)
        return sorted(chosen, key=self.relative)


def whole_number(name: str, value: int, least: int) -> int:
    """`value` as an int; InputError, with the argument's name, where it is not whole or below `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        raise InputError(f"{name} is a whole number of at least {least}, not {value!r}.")
    return number
