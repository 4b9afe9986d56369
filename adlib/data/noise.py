"""Defective images among the training images, as where nobody has sorted them (chapter 12).

A noise level of 10% means: as many defective images join the training images as are 10% of the good ones, labelled
good. They come from the test set, so there are two conventions, and their numbers may not be compared:

    removed   planted images leave the test set: it has fewer defects, and all are new to the detector ('no overlap')
    overlap   they stay: the detector is asked to find defects that it learned as good, which is harder
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from adlib.data.dataset import Dataset, Sample, whole_number
from adlib.errors import InputError, check_choice

CONVENTIONS = ("removed", "overlap")


def plant_defects(dataset: Dataset, fraction: float, seed: int = 0, convention: str = "removed") -> Dataset:
    """The data set with randomly chosen defective test images among its good training images.

    For one seed, the images planted at a lower level are among those planted at a higher one.

    dataset: one category.
    fraction: planted images relative to the good training images, 0 or more; their number is rounded.
    seed: of the choice.
    convention: "removed" or "overlap".
    Raises InputError where there are too few defective images for the fraction, or as `plant`.
    """
    if not fraction >= 0:
        raise InputError(f"The fraction of planted images is 0 or more, not {fraction}.")
    defective, good = _defective(dataset), len(dataset.train_good)
    count = round(fraction * good)
    if count > len(defective):
        raise InputError(
            f"{dataset.name} has {len(defective)} defective test images, fewer than the {count} that {fraction:.0%} of "
            f"{good} good training images are; plant at most {len(defective) / good:.0%}."
        )
    order = np.random.default_rng(whole_number("seed", seed, 0)).permutation(len(defective))
    return plant(dataset, [defective[i] for i in order[:count]], convention)


def plant_listed(dataset: Dataset, names: Iterable[str], convention: str = "removed") -> Dataset:
    """The data set with the defective test images of a published list among its good training images.

    dataset: one category.
    names: paths below the data set's root with forward slashes; endings do not count, since copies of a data set differ
        in them. Names of images that are no defective test images are left out: lists name the good ones, too.
    convention: "removed" or "overlap".
    Raises InputError where no name is that of a defective test image, or as `plant`.
    """
    listed = {_stem(name) for name in names}
    chosen = [s for s in _defective(dataset) if _stem(dataset.relative(s)) in listed]
    if not chosen:
        raise InputError(
            f"The list names no defective test image of {dataset.name}; give paths such as a/test/crack/1."
        )
    return plant(dataset, chosen, convention)


def plant(dataset: Dataset, chosen: Sequence[Sample], convention: str = "removed") -> Dataset:
    """The data set with the chosen test images among its good training images.

    A planted image has the label 0 and keeps its defect, so that it can be told from the good ones. `Dataset.noise`
    says how many there are and by which convention, and becomes part of a protocol; for none, nothing changes.

    dataset: one category.
    chosen: defective test images.
    convention: "removed" or "overlap".
    Raises InputError for an unknown convention, and where no defective test image would be left.
    """
    check_choice("convention", convention, CONVENTIONS)
    if not chosen:
        return dataset
    removed = set(chosen) if convention == "removed" else set()
    left = tuple(s for s in dataset.samples if s not in removed)
    if not any(s.split == "test" and s.label for s in left):
        raise InputError(f'All defective test images of {dataset.name} are planted; only "overlap" keeps some to test.')
    planted = tuple(replace(s, split="train", label=0, mask=None) for s in chosen)
    return replace(dataset, samples=left + planted, noise=f"{len(planted)} planted, {convention}")


def _defective(dataset: Dataset) -> list[Sample]:
    return [s for s in dataset.test if s.label]


def _stem(name: str) -> str:
    return PurePosixPath(name.strip()).with_suffix("").as_posix()
