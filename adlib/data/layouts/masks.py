"""Which files of a folder are masks, and which image each belongs to."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from adlib.data.layouts.listing import images, images_below, subfolders
from adlib.data.names import printable

MASK_FOLDERS = {"ground_truth", "groundtruth", "gt", "mask", "masks"}
NO_MASKS = "none"  # what a user says where a folder or file only looks like a mask
_SUFFIX = re.compile(r"(?<=.)[_-](mask|gt)$", re.IGNORECASE)


def bare_stem(path: Path) -> str:
    """The stem of an image, or that of the image that a mask is named after."""
    return _SUFFIX.sub("", path.stem)


class Masks:
    """The masks of one category.

    path: the folder of the category; folders of masks are looked for in it and in its folder test.
    told: what the user says: a folder of masks by its name, an ending such as ".png" of masks next to images of another
        ending, "none", or None for the usual names: folders `MASK_FOLDERS` in any case, and files <stem>_mask or
        <stem>_gt next to <stem>.
    """

    def __init__(self, path: Path, told: str | None = None) -> None:
        self.told = told
        self.folders = [p for at in (path, path / "test") for p in subfolders(at) if self.is_folder(p.name)]
        self._files = {_key(p.relative_to(folder)): p for folder in self.folders for p in images_below(folder)}

    def is_folder(self, name: str) -> bool:
        """Whether a folder of this name holds masks."""
        usual = re.sub(r"[ -]", "_", name.casefold()) in MASK_FOLDERS
        return self.told != NO_MASKS and (usual or printable(name) == printable(self.told or ""))

    def kinds(self, path: Path) -> list[Path]:
        """The subfolders of a folder, one for each kind of image, without those of masks."""
        return [p for p in subfolders(path) if not self.is_folder(p.name)]

    def images(self, folder: Path) -> list[Path]:
        """The images below a folder, without masks that lie next to their images."""
        return self._without_masks(images_below(folder))

    def images_in(self, folder: Path) -> list[Path]:
        """The same, directly in a folder."""
        return self._without_masks(images(folder))

    def with_masks(self, folder: Path) -> list[tuple[Path, Path | None]]:
        """The images below a folder, each with its mask or None.

        A mask is called <stem>_mask, <stem>_gt or <stem>: next to its image, or below a folder of masks in a folder
        called as this one, or directly below a folder of masks. The mask of an image in a subfolder lies in one called
        as that, or above, where no other image has its stem.
        """
        found = images_below(folder)
        beside, images = self._beside(found), self._without_masks(found)
        stems = Counter(p.stem for p in images)
        return [
            (p, beside.get(p) or self._elsewhere(folder.name, p.relative_to(folder), stems[p.stem] == 1))
            for p in images
        ]

    def _without_masks(self, found: list[Path]) -> list[Path]:
        masks = set(self._beside(found).values())
        return [p for p in found if p not in masks]

    def _beside(self, found: Iterable[Path]) -> dict[Path, Path]:
        """Image -> its mask in the same folder."""
        if self.told == NO_MASKS:
            return {}
        by_stem: dict[Path, list[Path]] = {}
        for path in found:
            by_stem.setdefault(path.with_suffix(""), []).append(path)
        pairs = {}
        for stem, same in by_stem.items():
            shown = by_stem.get(stem.with_name(bare_stem(same[0])), [])
            masks = same if shown is not same else [p for p in same if p.suffix.lower() == self.told]
            pairs |= {image: masks[0] for image in shown if masks and image not in masks}
        return pairs

    def _elsewhere(self, kind: str, image: Path, alone: bool) -> Path | None:
        names = [f"{image.stem}{sign}{word}" for sign in "_-" for word in ("mask", "gt")]
        places = [Path(kind, image.parent), image.parent, *([Path(kind)] if alone else [])]
        keys = (_key(place / f"{name}.png") for place in places for name in (*names, image.stem))
        return next((self._files[key] for key in keys if key in self._files), None)


def _key(path: Path) -> tuple[str, ...]:
    """Path below a folder of masks, without its ending and in any case, unless it differs in the image's own name."""
    suffix = _SUFFIX.search(path.stem)
    stem = path.stem[: suffix.start()] + suffix[0].casefold() if suffix else path.stem
    return (*(part.casefold() for part in path.parent.parts), stem)
