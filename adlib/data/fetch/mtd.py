"""Magnetic Tile Defects: 952 good tiles and 392 with five kinds of defect (Huang et al., 2018)."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from adlib.data.fetch.source import Source, Verdict, compare, place_all, root_below
from adlib.data.layouts.listing import images
from adlib.data.layouts.mtd import FREE, matches

PAPER = "Huang et al. 2018 and the authors' repository"
_TILES = {FREE: 952, "MT_Blowhole": 115, "MT_Break": 85, "MT_Crack": 57, "MT_Fray": 32, "MT_Uneven": 103}
PUBLISHED = {name: {"images": number, "masks": number} for name, number in _TILES.items()}


def arrange(found: Path, made: Path, place: Callable[[Path, Path], None], options: Namespace) -> list[str]:
    """The six folders as they are; `load_dataset` reads them and samples the split, since none is published."""
    root = root_below(found, matches, f"folder {FREE}/Imgs")
    place_all([*PUBLISHED, "README.md"], root, made, place)
    return []


def check(folder: Path) -> Verdict:
    """Count images (JPEG) and masks (PNG of the same name) of each folder; good tiles have empty masks."""
    counts = {}
    for name in PUBLISHED:
        if (folder / name).is_dir():
            files = images(folder / name / "Imgs")
            stems = {p.stem for p in files if p.suffix.lower() in (".jpg", ".jpeg")}
            masks = {p.stem for p in files if p.suffix.lower() == ".png"}
            counts[name] = {"images": len(stems), "masks": len(stems & masks)}
    return compare(counts, PUBLISHED, PAPER)


SOURCE = Source(
    name="Magnetic Tile Defects",
    page="https://github.com/abin24/Magnetic-tile-defect-datasets.",
    licence="Its authors state no licence: they welcome its use and ask researchers to cite them.\n"
    "Cite: Huang et al., Surface defect saliency of magnetic tile, The Visual Computer 36, 2020.",
    archive="magnetic_tile_defects.zip",
    # The archive is repacked for each download, so its bytes are not fixed; the counts are.
    url="https://github.com/abin24/Magnetic-tile-defect-datasets./archive/refs/heads/master.zip",
    sha256=None,
    arrange=arrange,
    check=check,
)
