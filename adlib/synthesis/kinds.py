"""All syntheses from good images alone behind one interface: a batch of good images in, defects and masks out."""

from collections.abc import Callable

import torch
from torch import Tensor

from adlib.errors import check_choice
from adlib.synthesis.cutpaste import cutpaste, scar
from adlib.synthesis.nsa import nsa
from adlib.synthesis.pasting import made_up_defects

Batch = tuple[Tensor, Tensor]  # images (B, 3, h, w) in [0, 1] and masks (B, 1, h, w) bool


def synthesise(images: Tensor, synthesis: str) -> Batch:
    """Give every image of a batch a synthetic defect.

    images: good images (B, 3, h, w) in [0, 1], of one size.
    synthesis: "patch" or "scar" (CutPaste), "nsa", or "draem" (Perlin masks; a few are empty).
    Returns the images (B, 3, h, w) in [0, 1] and the masks (B, 1, h, w) bool.
    Raises InputError for an unknown synthesis.
    """
    check_choice("synthesis", synthesis, SYNTHESES)
    return SYNTHESES[synthesis](images)


def _each(make: Callable[[Tensor], tuple[Tensor, Tensor]], images: Tensor) -> Batch:
    """Every image with its own defect, from itself."""
    made, masks = zip(*(make(image) for image in images), strict=True)
    return torch.stack(made), torch.stack(masks)


def _from_another(images: Tensor) -> Batch:
    """NSA: every image with rectangles of another image of the batch; with those of itself where it is alone."""
    count = len(images)
    others = [(number + int(torch.randint(1, max(count, 2), ()))) % count for number in range(count)]
    made, masks, _ = zip(*(nsa(image, images[other]) for image, other in zip(images, others, strict=True)), strict=True)
    return torch.stack(made), torch.stack(masks)


SYNTHESES: dict[str, Callable[[Tensor], Batch]] = {
    "patch": lambda images: _each(cutpaste, images),
    "scar": lambda images: _each(scar, images),
    "nsa": _from_another,
    "draem": lambda images: made_up_defects(images, "all", share=1.0),
}
