"""Good images for a threshold: those that a detector did not learn from, and parts of those that it did (chapter 15).

Images of one part, film or camera are alike, and a detector that has seen some of them finds the others normal. Where a
data set has groups, a group is held out as a whole.
"""

from collections.abc import Sequence
from pathlib import Path

from adlib.data import Dataset, Sample

# Good images held out for the threshold where the data set has no validation split.
HELD_OUT = 60


def held_out_good(dataset: Dataset, references: Sequence[Sample]) -> list[Sample]:
    """Good images that a detector did not learn from: the validation split, or else up to 60 training images.

    The training images are evenly spaced among those that are not references: files are sorted by name, and neighbours
    by name often show one part, one film or one day. With groups, images of the references' groups are left out.
    """
    learned, groups = {s.path for s in references}, {s.group for s in references if s.group}
    good = dataset.validation or dataset.train_good
    unused = [s for s in good if s.path not in learned and s.group not in groups]
    count = len(unused) if dataset.validation else min(HELD_OUT, len(unused))
    return [unused[i * len(unused) // count] for i in range(count)]


def fit_labels(dataset: Dataset) -> dict[str, list[Path | None]]:
    """The labelled defects of a training split as arguments of `Detector.fit`."""
    labelled = dataset.train_defects
    return {"defects": [s.path for s in labelled], "masks": [s.mask for s in labelled]}


def parts_to_leave_out(references: Sequence[Sample]) -> list[list[int]]:
    """Positions of the references that are left out together: each alone, or the members of one group."""
    groups: dict[str | int, list[int]] = {}
    for position, sample in enumerate(references):
        groups.setdefault(sample.group or position, []).append(position)
    return list(groups.values())
