"""Defective images among the training images, as where nobody has sorted them (chapter 12).

A noise level of 10% means: as many defective images join the training images as are 10% of the good ones, labelled
good. They come from the test set, so there are two conventions, and their numbers may not be compared:

    removed   planted images leave the test set: it has fewer defects, and all are new to the detector ('no overlap')
    overlap   they stay: the detector is asked to find defects that it learned as good, which is harder
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from adlib.data.dataset import Dataset, Sample
from adlib.data.moving import defective, drawn, moved
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
    available, good = defective(dataset), len(dataset.train_good)
    count = round(fraction * good)
    if count > len(available):
        raise InputError(
            f"{dataset.name} has {len(available)} defective test images, fewer than the {count} that {fraction:.0%} of "
            f"{good} good training images are; plant at most {len(available) / good:.0%}."
        )
    return plant(dataset, drawn(available, count, seed), convention)


def plant_listed(dataset: Dataset, names: Iterable[str], convention: str = "removed") -> Dataset:
    """The data set with the defective test images of a published list among its good training images.

    dataset: one category.
    names: paths below the data set's root with forward slashes; endings do not count, since copies of a data set differ
        in them. Names of images that are no defective test images are left out: lists name the good ones, too.
    convention: "removed" or "overlap".
    Raises InputError where no name is that of a defective test image, or as `plant`.
    """
    listed = {_stem(name) for name in names}
    chosen = [s for s in defective(dataset) if _stem(dataset.relative(s)) in listed]
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
    refusal = f'All defective test images of {dataset.name} are planted; only "overlap" keeps some to test.'
    noisy = moved(dataset, chosen, convention == "overlap", refusal, label=0, mask=None)
    return replace(noisy, noise=f"{len(chosen)} planted, {convention}")


def _stem(name: str) -> str:
    return PurePosixPath(name.strip()).with_suffix("").as_posix()
