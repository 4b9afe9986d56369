"""A few labelled defects to learn from, as where somebody has kept the last rejects (chapter 09).

A folder may hold them, in `train/<kind>` (docs/data.md). Where it does not, defective test images are moved out of the
test set: it then has fewer defects, and all are new to the detector, so numbers at different counts are measured on
slightly different test sets.
"""

from collections.abc import Sequence
from dataclasses import replace

from adlib.data.dataset import Dataset, whole_number
from adlib.data.moving import defective, drawn, moved
from adlib.errors import InputError


def label_defects(dataset: Dataset, count: int, seed: int = 0, kinds: Sequence[str] | None = None) -> Dataset:
    """The data set with exactly `count` labelled defects in its training split: its `train_defects`.

    They are a random sample of those in its training split, where there are any, and the others are left out.
    Otherwise they are a random sample of its defective test images, and leave the test set. For one seed, the sample of
    a lower count is part of that of a higher one.

    dataset: one category.
    count: number of labelled defects, 0 for none.
    seed: of the sample.
    kinds: kinds of defect that may be sampled, None for all; the others are unseen kinds.
    Raises InputError where there are too few of them, and where no defective test image would be left.
    """
    count, given = whole_number("labelled", count, 0), dataset.train_defects
    if given:
        dataset = replace(dataset, samples=tuple(s for s in dataset.samples if s not in set(given)))
    if count == 0:
        return dataset
    candidates = [s for s in given or defective(dataset) if kinds is None or s.defect in kinds]
    if count > len(candidates):
        where = "labelled defects in its training split" if given else "defective test images"
        of = "" if kinds is None else f" of the kinds {', '.join(kinds)}"
        raise InputError(f"{dataset.name} has {len(candidates)} {where}{of}, fewer than the {count} to learn from.")
    chosen = drawn(candidates, count, seed)
    if given:
        return replace(dataset, samples=(*dataset.samples, *chosen))
    refusal = f"All {count} defective test images of {dataset.name} would be learned from; leave some to test."
    return moved(dataset, chosen, stay=False, refusal=refusal)
