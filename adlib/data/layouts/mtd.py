"""Magnetic Tile Defects as distributed (Huang et al., 'Surface defect saliency of magnetic tile', 2018)."""

from pathlib import Path

from adlib.data.dataset import Dataset, Sample
from adlib.data.layouts.listing import chosen_categories, images, split_good, subfolders
from adlib.data.layouts.reading import NOTHING_SAID, Reading
from adlib.errors import InputError

CATEGORY = "mtd"
FREE = "MT_Free"


def matches(path: Path) -> bool:
    return (path / FREE / "Imgs").is_dir()


def load(path: Path, category: str | None = None, reading: Reading = NOTHING_SAID) -> Dataset:
    """Index the tiles: JPEG files are images, PNG files of the same stem are their masks.

    No split is published: 80% of the good tiles are for training, the other good tiles and all defective tiles for
    testing. PatchCore's 80% are not known. The (empty) masks of good tiles are not used.
    """
    chosen_categories([CATEGORY], category, path)
    good = _tiles(path / FREE)
    if not good:
        raise InputError(
            f"The category {CATEGORY} has no good images (*.jpg) in {path / FREE / 'Imgs'}; put some there."
        )
    groups = {p: reading.group_of(p, path) for p in good}
    splits = split_good(good, path, reading.split_seed, groups)
    samples = [Sample(p, CATEGORY, split, 0, "good", group=groups[p]) for p, split in splits.items()]
    for folder in subfolders(path):
        if not folder.name.startswith("MT_") or folder.name == FREE:
            continue
        masks = {p.stem: p for p in images(folder / "Imgs") if p.suffix.lower() == ".png"}
        defect = folder.name.removeprefix("MT_").lower()
        samples += [Sample(p, CATEGORY, "test", 1, defect, masks.get(p.stem)) for p in _tiles(folder)]
    return Dataset(path.name, path, tuple(samples))


def _tiles(folder: Path) -> list[Path]:
    return [p for p in images(folder / "Imgs") if p.suffix.lower() in (".jpg", ".jpeg")]
