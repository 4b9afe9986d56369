"""Masks that nothing but their look gives away: they would be counted as defective images."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from adlib.data.dataset import Sample
from adlib.data.images import decode_image
from adlib.data.layouts.listing import images
from adlib.data.layouts.masks import NO_MASKS, bare_stem
from adlib.data.names import printable
from adlib.errors import InputError

_FLAT = 0.15  # bytes per pixel: a two-valued PNG takes far less, a photograph far more


def refuse_hidden_masks(samples: Iterable[Sample], top: Path, told: str | None) -> None:
    """Raise InputError where a folder, or an ending in it, holds two-valued images that are called as other images.

    samples: of one category.
    top: the folder whose subfolders are kinds of defect.
    told: what the user says about masks; "none" accepts everything.
    """
    if told == NO_MASKS:
        return
    files = [s.path for s in samples]
    places = defaultdict(set)
    for path in files:
        places[bare_stem(path)].add(_place(path))
    by_place = defaultdict(list)
    for path in files:
        by_place[_place(path)].append(path)
    for (folder, ending), group in by_place.items():
        twins = [p for p in group if len(places[bare_stem(p)]) > 1]
        if 2 * len(twins) >= len(group) and all(map(_is_two_valued, group)) and not _all_two_valued(files, group):
            raise InputError(
                f"{len(group)} images ({ending}) in {printable(folder)} have two values and the names of other images, "
                f"as masks have. If they are masks, give masks={_proposal(folder, top, ending)!r} (--masks); if "
                f'they are images, masks="{NO_MASKS}".'
            )


def _place(path: Path) -> tuple[Path, str]:
    return path.parent, path.suffix.lower()


def _proposal(folder: Path, top: Path, ending: str) -> str:
    """What to say if they are masks: the subfolder of `top` that holds them, or their ending next to their images."""
    kind = folder.relative_to(top).parts[:1] if folder.is_relative_to(top) else ()
    return kind[0] if kind and not _has_images_of_another_ending(folder, ending) else ending


def _has_images_of_another_ending(folder: Path, ending: str) -> bool:
    return any(p.suffix.lower() != ending for p in images(folder))


def _all_two_valued(files: list[Path], group: list[Path]) -> bool:
    """Whether the other images are two-valued as well, so that the look tells nothing."""
    others = [p for p in files if p not in set(group)]
    return all(map(_is_two_valued, others[:3]))


def _is_two_valued(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            compressed = image.format in ("JPEG", "PNG")
            if compressed and path.stat().st_size > _FLAT * image.width * image.height:
                return False
        image = decode_image(path)
    except (OSError, InputError, Image.DecompressionBombError):
        return False
    if image.mode[0] in "IF":
        return len(np.unique(np.asarray(image))) <= 2
    return image.getcolors(2) is not None
