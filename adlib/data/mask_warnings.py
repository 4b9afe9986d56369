"""Masks that can be read and are probably wrong: their pixel metrics would look plausible."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from adlib.data.dataset import Dataset, Sample
from adlib.data.images import is_turned
from adlib.data.masks import read_mask
from adlib.data.names import printable
from adlib.errors import InputError
from adlib.progress import progress

MOST = 0.5  # of an image; a mask that covers more is probably inverted
_SHOWN = 3


def mask_warnings(dataset: Dataset, show_progress: bool = False) -> list[str]:
    """One sentence for each kind of doubtful mask, with the number of images and the first of them.

    Doubtful: covers more than half of its image; belongs to several images; is a JPEG file, whose edges are blurred;
    lies on an image with an EXIF turn, since many tools draw masks on the stored image. Masks that cannot be read are
    left to whoever needs them.
    """
    masked = [s for s in dataset.samples if s.mask is not None]
    uses = Counter(s.mask for s in masked)
    bar = progress(masked, label="masks", unit="mask", show=show_progress)
    covering = [s for s in bar if _or(0.0, _covered, s) > MOST]
    shared = [s for s in masked if uses[s.mask] > 1]
    jpeg = [s for s in masked if s.mask.suffix.lower() in (".jpg", ".jpeg", ".jpe", ".jfif")]
    turned = [s for s in masked if _or(False, is_turned, s.path)]
    kinds = (
        (covering, f"with a mask of more than {MOST:.0%} of its area; if good is white in the mask, invert it"),
        (shared, "with the mask of another image; name masks after single images"),
        (jpeg, "with a JPEG mask, whose edges are not sharp; save masks as PNG"),
        (turned, "with a mask, stored turned (EXIF); the mask must be drawn on the upright image"),
    )
    return [f"{_count(found)} {sentence}: {_names(found, dataset)}" for found, sentence in kinds if found]


def _count(samples: list[Sample]) -> str:
    return f"{len(samples)} image{'' if len(samples) == 1 else 's'}"


def _covered(sample: Sample) -> float:
    return float(read_mask(sample.mask).mean())


def _or(otherwise: Any, ask: Callable[[Any], Any], file: Any) -> Any:
    """The answer about a file, or another value where the file cannot be read."""
    try:
        return ask(file)
    except InputError:
        return otherwise


def _names(samples: Iterable[Sample], dataset: Dataset) -> str:
    names = [printable(dataset.relative(s)) for s in samples]
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
