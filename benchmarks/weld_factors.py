"""Chapter 23's rows: AnomalyDINO on real weld radiographs by shots, relief, rotation, resolution, method and seed.

    python data_scripts/gdxray_welds.py --from FOLDER --to data/welds
    python data_scripts/gdxray_welds.py --from FOLDER --to data/welds_embossed --emboss
    python benchmarks/weld_factors.py --data data/welds data/welds_embossed [--vit FILE]

Rows are stored one by one in results/welds/factors, so a stopped call resumes; tools/pack_results.py packs them for a
commit. results/welds/tiles has tables that are not rows of runs: `tiles.csv` (film, size of the defects and contrast of
each tile), `top_shares_*.csv` (the image score by other fractions of patches) and `calibration_*.csv` (good training
tiles, scored with and without references from their own film). Without --data the table of the stored rows is printed.
"""

import argparse
import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import label, uniform_filter

from adlib.data import Dataset, Sample, load_dataset, read_image, read_mask
from adlib.data.fetch.weld_tiles import emboss
from adlib.detectors.scores import top_share_mean
from adlib.experiments.execution import run
from adlib.experiments.held_out import held_out_good
from adlib.experiments.planning import Machine, build, plan
from adlib.experiments.presets import method_options
from adlib.experiments.protocol import Protocol
from adlib.experiments.store import ResultStore, as_frame
from adlib.features.cache import TensorCache
from adlib.files import atomic_write
from adlib.progress import progress
from adlib.reports.tables import table

ROOT = Path(__file__).parents[1]
PLAIN, EMBOSSED = "welds", "welds_embossed"
FOUR = {4: 3, 32: 3}
MANY = {4: 10, 32: 5, 256: 3, 512: 3}
PER_FILM = 50  # good training tiles per film that are scored for `calibration_*.csv`
SHARES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)  # 0: the single highest patch


@dataclass(frozen=True)
class Setting:
    """One setting of the comparison.

    name: as in --only.
    shots: shots -> number of seeds.
    method: name of a detector.
    backbone: name of the network.
    preprocess: as in `method_options`.
    selection: as in `Protocol`.
    changes: options that differ from those of the sweep.
    """

    name: str
    shots: dict[int, int]
    method: str = "anomalydino"
    backbone: str = "efficientnet_lite0"
    preprocess: str = "none"
    selection: str = "random"
    changes: dict[str, Any] = field(default_factory=dict)


# The tiles' own size: the search takes a seventh of the time at 256 pixels.
BASE = Setting("base", MANY, changes={"resize": 160})
FINER = Setting("256 pixels", FOUR, changes={"resize": 256})
SETTINGS = (
    BASE,
    Setting("rotated", FOUR, preprocess="agnostic", changes={"resize": 160}),
    FINER,
    Setting("one film", {4: 3, 32: 3, 256: 3}, selection="slice", changes={"resize": 160}),
    Setting("patchcore", FOUR, method="patchcore", changes={"resize": 160}),
    Setting("vit", FOUR, backbone="vit_tiny_patch16", changes={"resize": 160}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=[], help=f"folders named {PLAIN} and {EMBOSSED}")
    parser.add_argument("--vit", help="weights of ViT-Tiny; without them, no rows of it")
    parser.add_argument("--only", nargs="+", default=[s.name for s in SETTINGS], help="names of settings")
    parser.add_argument("--results", type=Path, default=ROOT / "results/welds/factors", help="folder for the rows")
    parser.add_argument("--tables", type=Path, default=ROOT / "results/welds/tiles", help="folder for the tables")
    options = parser.parse_args()
    store, cache = ResultStore(options.results), TensorCache()
    chosen = [s for s in SETTINGS if s.name in options.only and (options.vit or s.name != "vit")]
    for folder in options.data:
        dataset = load_dataset(folder)
        for setting in chosen:
            _run(setting, dataset, store, cache, Machine(options.vit if setting.name == "vit" else None))
            if setting is FINER:
                _write_tables(dataset, store, cache, options.tables)
    by = ["dataset", "method", "backbone", "option.resize", "option.rotate", "selection", "shots"]
    print(table(as_frame(store.results()), by).to_string(index=False))


def protocols(setting: Setting, dataset: Dataset, machine: Machine) -> list[Protocol]:
    """Every run of a setting, most shots first."""
    planned = []
    for shots, seeds in sorted(setting.shots.items(), reverse=True):
        chosen = method_options(
            setting.method,
            dataset.name,
            dataset.categories[0],
            setting.backbone,
            preprocess=setting.preprocess,
            shots=shots,
        )
        for seed in range(seeds):
            planned.append(
                plan(
                    dataset,
                    setting.method,
                    backbone=setting.backbone,
                    shots=shots,
                    selection=setting.selection,
                    seed=seed,
                    options=chosen | setting.changes,
                    machine=machine,
                )
            )
    return planned


def _run(setting: Setting, dataset: Dataset, store: ResultStore, cache: TensorCache, machine: Machine) -> None:
    waiting = [p for p in protocols(setting, dataset, machine) if p not in store]
    if not waiting:
        return
    detector = build(waiting[0], machine)
    if hasattr(detector, "share_distances"):
        references = _union(references_of(dataset, p) for p in waiting)
        scored = [dataset.test, *(held_out_good(dataset, references_of(dataset, p)) for p in waiting)]
        if setting is BASE:
            scored.append(spread(dataset))
        detector.share_distances([s.path for s in references], [s.path for s in _union(scored)], cache, True)
    for protocol in progress(waiting, label=f"{dataset.name}, {setting.name}", unit="run"):
        run(protocol, dataset, store, machine=machine, cache=cache)


def references_of(dataset: Dataset, protocol: Protocol) -> list[Sample]:
    """The tiles that a protocol learns from."""
    return dataset.few_shot(protocol.shots, protocol.seed, protocol.selection)


def _union(groups: Iterable[Sequence[Sample]]) -> list[Sample]:
    return list(dict.fromkeys(sample for group in groups for sample in group))


def film(sample: Sample) -> int:
    """Number of the radiograph that a tile was cut from."""
    return int(sample.path.name[4:6])


def spread(dataset: Dataset) -> list[Sample]:
    """PER_FILM good training tiles of each film, evenly spaced along it."""
    chosen = []
    for number in sorted({film(s) for s in dataset.train_good}):
        tiles = [s for s in dataset.train_good if film(s) == number]
        chosen += [tiles[i] for i in np.linspace(0, len(tiles) - 1, PER_FILM).round().astype(int)]
    return chosen


def _write_tables(dataset: Dataset, store: ResultStore, cache: TensorCache, folder: Path) -> None:
    base = [p for p in protocols(BASE, dataset, Machine()) if p.seed < 3]
    if dataset.name == PLAIN:
        _write(folder / "tiles.csv", ("image", "film", "defect_pixels", "largest_defect", "contrast"), _sizes(dataset))
    _write(
        folder / f"top_shares_{dataset.name}.csv",
        ("shots", "seed", "image", *(f"share_{share:g}" for share in SHARES)),
        _shares(dataset, [p for p in protocols(FINER, dataset, Machine()) if p.shots == 32 and p.seed == 0], store),
    )
    _write(
        folder / f"calibration_{dataset.name}.csv",
        ("shots", "seed", "image", "film", "score", "score_other_films"),
        _calibration(dataset, base, cache),
    )


def _write(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


def _sizes(dataset: Dataset) -> Iterator[tuple[Any, ...]]:
    """Per tile: pixels of all defects and of the largest connected defect, and the local contrast."""
    for sample in (*dataset.train_good, *dataset.test):
        mask = read_mask(sample.mask) if sample.mask else np.zeros((1, 1), dtype=bool)
        sizes = np.bincount(label(mask, structure=np.ones((3, 3)))[0].ravel())[1:]
        yield dataset.relative(sample), film(sample), int(mask.sum()), int(sizes.max(initial=0)), _contrast(sample)


def _contrast(sample: Sample) -> float:
    """Largest standard deviation of the relief in any window of 16 x 16 pixels: a score without learning."""
    relief = emboss(np.asarray(read_image(sample.path).convert("L"))).astype(float)
    mean, square = uniform_filter(relief, 16), uniform_filter(relief**2, 16)
    return round(float(np.sqrt((square - mean**2).max())), 4)


def _shares(dataset: Dataset, chosen: Sequence[Protocol], store: ResultStore) -> Iterator[tuple[Any, ...]]:
    """Image scores of stored runs by other fractions of their patches."""
    for protocol in chosen:
        grids = store.grids(protocol) or []
        for sample, grid in zip(dataset.test, grids, strict=True):
            distances = torch.from_numpy(grid.ravel())
            scores = [f"{float(top_share_mean(distances, share)):.6g}" for share in SHARES]
            yield protocol.shots, protocol.seed, dataset.relative(sample), *scores


def _calibration(dataset: Dataset, chosen: Sequence[Protocol], cache: TensorCache) -> Iterator[tuple[Any, ...]]:
    """Good training tiles that are not references, scored with all references and with those of other films."""
    for protocol in progress(chosen, label=f"{dataset.name}, calibration", unit="draw"):
        references = references_of(dataset, protocol)
        left = [s for s in spread(dataset) if s not in set(references)]
        scores = _scores(protocol, references, left, cache)
        for number in sorted({film(s) for s in left}):
            tiles = [s for s in left if film(s) == number]
            others = [s for s in references if film(s) != number]
            for tile, score in zip(tiles, _scores(protocol, others, tiles, cache), strict=True):
                whole = scores[left.index(tile)]
                yield protocol.shots, protocol.seed, dataset.relative(tile), number, f"{whole:.6g}", f"{score:.6g}"


def _scores(
    protocol: Protocol, references: Sequence[Sample], tiles: Sequence[Sample], cache: TensorCache
) -> np.ndarray:
    if not references:
        return np.full(len(tiles), np.nan)
    detector = build(protocol).fit([s.path for s in references], cache)
    return detector.predict([s.path for s in tiles], cache).scores


if __name__ == "__main__":
    main()
