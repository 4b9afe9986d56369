"""Files of a data set that no run uses, by reason: nothing is left out without a word."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from adlib.data.dataset import Dataset
from adlib.data.layouts.listing import files, folders_below, images, outputs_below
from adlib.data.layouts.masks import Masks, bare_stem
from adlib.data.layouts.reading import is_good
from adlib.data.names import printable
from adlib.data.pages import split_page

ELSEWHERE = "Images in folders that this layout does not read"
LOST_MASKS = "Masks without an image"
UNREADABLE = "Files of formats that are not read"
DOCUMENTS = "Files that are no images"
OWN = "Written by adlib"
_DOCUMENTS = set(
    ".txt .md .rst .csv .tsv .json .jsonl .xml .yaml .yml .html .pdf .log .ini .db .py .ipynb .toml .ods .xlsx"
    " .docx .safetensors".split()
)
_SHOWN = 3


def unused_files(dataset: Dataset) -> dict[str, list[Path]]:
    """Reason -> files below the folders of a data set that are neither images nor masks of it.

    Left out are hidden files and the masks of good images, which hold nothing. Built-in data sets have no such files.
    """
    if dataset.layout not in ("mvtec", "visa", "mtd", "folder") or dataset.name == "toy":
        return {}
    used = {Path(split_page(path)[0]) for s in dataset.samples for path in (s.path, s.mask) if path}
    good = {(s.path.parent, bare_stem(s.path)) for s in dataset.samples if s.label == 0}
    found: dict[str, list[Path]] = defaultdict(list)
    for top in _tops(dataset):
        places = Masks(top).folders + Masks(top / "train").folders
        masks = {folder for place in places for folder in folders_below(place)}
        for folder in folders_below(top):
            known = set(images(folder))
            for path in files(folder):
                beside_good = path in known and (path.parent, bare_stem(path)) in good  # its mask
                if path not in used and not beside_good and not _of_good(path, masks):
                    found[_reason(path, known, masks)].append(path)
        found[OWN] += outputs_below(top)
    return {reason: sorted(paths) for reason, paths in found.items() if paths}


def left_out(places: Iterable[Path], used: Iterable[Path]) -> dict[str, list[Path]]:
    """The same for folders of images without any layout; places: files and folders; used: what is read of them."""
    used, found = {Path(split_page(path)[0]) for path in used}, defaultdict(list)
    for place in places:
        for folder in folders_below(place) if place.is_dir() else []:
            for path in files(folder):
                if path not in used:
                    found[_reason(path, set(), set())].append(path)
        found[OWN] += outputs_below(place) if place.is_dir() else []
    return {reason: sorted(paths) for reason, paths in found.items() if paths}


def notes(unused: Mapping[str, list[Path]], root: Path) -> list[str]:
    """One line for each reason, with the number of files and the first of them; documents need none."""
    lines = []
    for reason, paths in unused.items():
        if reason != DOCUMENTS:
            names = [printable(p.relative_to(root) if p.is_relative_to(root) else p) for p in paths[:_SHOWN]]
            lines.append(f"{reason}, not used: {len(paths)} ({', '.join(names)}{', ...' * (len(paths) > _SHOWN)})")
    return lines


def _tops(dataset: Dataset) -> list[Path]:
    if dataset.layout in ("mvtec", "visa"):
        names = (s.path.relative_to(dataset.root).parts[0] for s in dataset.samples)
        return [dataset.root / name for name in dict.fromkeys(names)]
    return [dataset.root]


def _of_good(path: Path, masks: set[Path]) -> bool:
    return path.parent in masks and is_good(path.parent)


def _reason(path: Path, images: set[Path], masks: set[Path]) -> str:
    if path in images:
        return LOST_MASKS if path.parent in masks else ELSEWHERE
    return DOCUMENTS if path.suffix.lower() in _DOCUMENTS else UNREADABLE
