"""Weld tiles from GDXray (Mery et al., J. Nondestructive Evaluation 34, 2015): MVTec layout, one category (chapter 23).

Radiographs W0001 and their hand-made masks W0002, cut into overlapping tiles along the bead. Neighbouring tiles share
pixels, films do not: a film is either in training or in test. The masks do not tell the kind of a defect. Names sort
film by film, so a few-shot draw by slice sees one film only: use selection="random".
"""

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from adlib.data.fetch.index import read_index, write_index
from adlib.data.fetch.source import Source, Verdict, root_below
from adlib.data.fetch.weld_tiles import FILMS, emboss, kind, positions
from adlib.data.layouts.listing import images
from adlib.data.masks import read_mask
from adlib.data.names import printable
from adlib.errors import InputError

CATEGORY = "gdxray_weld"
INDEX = "tiles.csv"
COLUMNS = ("image", "film", "x", "y", "tile", "defect_pixels")
NUMBERS = COLUMNS[1:]
KINDS = ("train/good", "test/good", "test/defect")


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--tile", type=int, default=160, help="side of a tile in pixels (default: 160)")
    parser.add_argument("--overlap", type=float, default=0.5, help="overlap of neighbours, 0 to 0.9 (default: 0.5)")
    parser.add_argument("--emboss", action="store_true", help="write the relief instead of the brightness")


def arrange(found: Path, made: Path, place: Callable[[Path, Path], None], options: Namespace) -> list[str]:
    """Cut the tiles and write their index. Returns lines with the number of tiles of each film."""
    tile, overlap = options.tile, options.overlap
    if not 32 <= tile <= min(film.size[1] for film in FILMS.values()):
        raise InputError(f"--tile must be between 32 and the height of the lowest film, not {tile}.")
    if not 0 <= overlap <= 0.9:
        raise InputError(f"--overlap must be between 0 and 0.9, not {overlap}.")
    root = root_below(found, lambda p: (p / "W0001").is_dir() and (p / "W0002").is_dir(), "folders W0001 and W0002")
    rows, counts = [], {}
    for number, film in FILMS.items():
        grey, mask = _read(root, number)
        shown = emboss(grey) if options.emboss else grey
        counts[number] = Counter()
        for x, y in positions(film, tile, overlap):
            what = kind(mask, x, y, tile)
            label = f"{film.split}/{what}"
            counts[number][label if label in KINDS else "unused"] += 1
            if label not in KINDS:  # unclear, or a defect on a training film
                continue
            window = np.s_[y : y + tile, x : x + tile]
            name = f"film{number:02d}_x{x:04d}_y{y:04d}"
            _save(shown[window], made / CATEGORY / label / f"{name}.png")
            if what == "defect":
                _save(mask[window].astype(np.uint8) * 255, made / CATEGORY / "ground_truth" / what / f"{name}_mask.png")
            rows.append((f"{label}/{name}.png", number, x, y, tile, int(mask[window].sum())))
    write_index(made / CATEGORY / INDEX, COLUMNS, rows)
    return _table(counts)


def _read(root: Path, number: int) -> tuple[np.ndarray, np.ndarray]:
    """A radiograph as (H, W) uint8 and its mask as (H, W) bool."""
    path = root / "W0001" / f"W0001_{number:04d}.png"
    try:
        with Image.open(path) as image:
            grey = np.array(image.convert("L"))
    except OSError as error:
        raise InputError(f"Cannot read {printable(path)}: {error}; download GDXray's welds again.") from error
    size = grey.shape[::-1]
    if size != FILMS[number].size:
        raise InputError(f"{printable(path)} is {size[0]} x {size[1]} pixels, not as published; download it again.")
    mask = read_mask(root / "W0002" / f"W0002_{number:04d}.png", size)
    return grey, np.asarray(mask, dtype=bool)


def _save(values: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def _table(counts: dict[int, Counter]) -> list[str]:
    lines = ["film  split  good  defect  unused"]
    total = Counter()
    for number, film in FILMS.items():
        good, defect = counts[number][f"{film.split}/good"], counts[number]["test/defect"]
        total.update(counts[number])
        lines.append(f"{number:>4}  {film.split:<5}  {good:>4}  {defect:>6}  {counts[number]['unused']:>6}")
    return [*lines, ", ".join(f"{what}: {total[what]}" for what in KINDS)]


def check(folder: Path) -> Verdict:
    """Compare tiles, masks and films with the index that was written with them."""
    folder = folder if (folder / INDEX).is_file() else folder / CATEGORY
    rows, verdict = read_index(folder / INDEX, COLUMNS, NUMBERS), Verdict()
    films = {split: {r["film"] for r in rows if r["image"].startswith(split)} for split in ("train", "test")}
    for film in sorted(films["train"] & films["test"]):
        verdict.mismatches.append(f"Film {film} has tiles in training and in test.")
    for label in KINDS:
        expected = {Path(r["image"]).name for r in rows if r["image"].startswith(f"{label}/")}
        files = {p.name for p in images(folder / label)}
        if not expected:
            verdict.mismatches.append(f"{label}: no tiles; use a smaller tile or a larger overlap.")
        if expected != files:
            missing, more = len(expected - files), len(files - expected)
            verdict.mismatches.append(f"{label}: {missing} tiles of {INDEX} are missing, {more} are not in it.")
    for row in rows:
        if row["image"].startswith("test/defect/") and (sentence := _mask_mismatch(folder, row)):
            verdict.mismatches.append(sentence)
    if not verdict.mismatches:
        verdict.verified = [f"film {film}" for film in sorted(films["train"] | films["test"], key=int)]
    return verdict


def _mask_mismatch(folder: Path, row: dict[str, str]) -> str:
    name, side = Path(row["image"]).stem, int(row["tile"])
    try:
        pixels = int(read_mask(folder / "ground_truth" / "defect" / f"{name}_mask.png", (side, side)).sum())
    except InputError as error:
        return str(error)
    return (
        ""
        if pixels == int(row["defect_pixels"])
        else (f"{name}: {pixels} defect pixels in its mask, {INDEX} says {row['defect_pixels']}.")
    )


SOURCE = Source(
    name="GDXray weld tiles",
    page="https://domingomery.ing.puc.cl/material/gdxray/",
    licence="Licence: for education and research only. Credit GRIMA (Mery et al., GDXray: The Database of X-ray Images"
    " for\nNondestructive Testing, J. Nondestructive Evaluation 34, 2015) and BAM Berlin, who took the radiographs.",
    archive="Welds.zip",
    url=None,  # the page links to share sites whose addresses change
    sha256=None,
    arrange=arrange,
    check=check,
    add_options=add_options,
)
