"""Chapter 25's tables: what a threshold promises on weld films that it has never seen, and what it keeps.

    python data_scripts/gdxray_welds.py --from FOLDER --to data/welds
    python benchmarks/film_promises.py --data data/welds

Each of the seven films with good tiles is the new film in turn: AnomalyDINO learns from good tiles of the six others,
which also set the threshold, once tile by tile and once film by film (as `--group` does). The good tiles of the new
film count false alarms; its defective tiles, and those of the films that never teach, count recall. Three seeds.
`thresholds.csv` has the counts at a promised 5%, `one_tile_per_film.csv` the expected rates where the threshold is the
highest score of one tile from each of k films, which promises 1 / (k + 1). About three minutes on one core.
"""

import argparse
import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from adlib.data import Dataset, Sample, load_dataset
from adlib.detectors import make_detector
from adlib.detectors.base import Detector
from adlib.experiments.calibrate import calibrate, threshold_from
from adlib.features.cache import TensorCache
from adlib.files import atomic_write

ROOT = Path(__file__).parents[1]
RATE = 0.05
SEEDS = 3
PER_FILM = 12  # good tiles of each film that may become references
SHOTS = (4, 32)
FEWEST = 20  # good tiles of a film that takes its turn as the new one
REGEX = r"film(\d+)"
WAYS = ("tiles", "films", "films, few taught")
COUNTS = ("film", "good", "false_alarms", "defective", "found")
Scores = dict[Sample, float]


@dataclass(frozen=True)
class Turn:
    """One film as the new one.

    seed: of everything random.
    new: the film.
    candidates: film -> its good tiles that may become references.
    others: film -> good tiles, of all films but the new one.
    judged: good tiles of the new film; defective tiles of it and of the films that never teach.
    """

    seed: int
    new: str
    candidates: Mapping[str, Sequence[Sample]]
    others: Mapping[str, Sequence[Sample]]
    judged: Sequence[Sample]

    def references(self, names: Iterable[str], shots: int) -> list[Sample]:
        """Random candidates of some films."""
        pool = [s for name in names for s in self.candidates[name]]
        return [pool[i] for i in np.random.default_rng([self.seed, shots]).permutation(len(pool))[:shots]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of plain tiles")
    parser.add_argument("--out", type=Path, default=ROOT / "results/welds/promises", help="folder for the tables")
    options = parser.parse_args()
    dataset, cache = load_dataset(options.data, group=REGEX), TensorCache()
    samples = [replace(s, group=film(s)) for s in dataset.samples]
    good = {
        name: [s for s in samples if s.label == 0 and s.group == name] for name in sorted({s.group for s in samples})
    }
    turns = {name: tiles for name, tiles in good.items() if len(tiles) >= FEWEST}
    taught = [taught_by(turns, seed) for seed in range(SEEDS)]
    union = list(dict.fromkeys(s for one in taught for tiles in one.values() for s in tiles))
    detector().share_distances([s.path for s in union], [s.path for s in samples], cache, True)
    defective = [s for s in samples if s.label]
    at_rate, one_each = [], []
    for seed, candidates in enumerate(taught):
        for new in turns:
            others = {name: tiles for name, tiles in turns.items() if name != new}
            judged = turns[new] + [s for s in defective if s.group == new or s.group not in turns]
            turn = Turn(seed, new, candidates, others, judged)
            at_rate += thresholds(turn, dataset, cache)
            one_each += one_tile_per_film(turn, cache)
        print(f"seed {seed} done", flush=True)
    head = ("shots", "seed", "new_film", "way", "method", "good_images", "groups", "threshold", *COUNTS)
    _write(options.out / "thresholds.csv", head, at_rate)
    _write(options.out / "one_tile_per_film.csv", ("seed", "new_film", "films", "film", "label", "rate"), one_each)


def film(sample: Sample) -> str:
    """Two digits of the radiograph that a tile was cut from."""
    return re.search(REGEX, sample.path.name)[1]  # the layout gives groups to good tiles only


def detector() -> Detector:
    """As in `weld_factors.py`: EfficientNet-Lite0 at the tiles' own size."""
    layers = ("blocks3", "blocks4", "blocks5")
    return make_detector("anomalydino", layers=layers, resize=160, rotate=False, mask="never")


def taught_by(films: Mapping[str, Sequence[Sample]], seed: int) -> dict[str, list[Sample]]:
    """PER_FILM random good tiles of each film."""
    rng = np.random.default_rng(seed)
    return {name: [tiles[i] for i in rng.permutation(len(tiles))[:PER_FILM]] for name, tiles in films.items()}


def thresholds(turn: Turn, dataset: Dataset, cache: TensorCache) -> Iterator[tuple[Any, ...]]:
    """Counts of the judged tiles, film by film, at the threshold that adlib sets from the other films."""
    few = [str(name) for name in np.random.default_rng([turn.seed, int(turn.new)]).permutation(list(turn.others))[:3]]
    for shots in SHOTS:
        for way in WAYS:
            names = few if way == "films, few taught" else turn.others
            chosen, fitted = turn.references(names, shots), detector()
            fitted.fit([s.path for s in chosen], cache)
            train = [replace(s, split="train") for tiles in turn.others.values() for s in tiles]
            known = replace(dataset, samples=tuple(train))
            if way == "tiles":  # as adlib without --group
                known = replace(known, group="", samples=tuple(replace(s, group="") for s in train))
                chosen = [replace(s, group="") for s in chosen]
            found = calibrate(fitted, known, chosen, RATE, cache)
            threshold = threshold_from(found, RATE)
            scores = _scores(fitted, turn.judged, cache)
            value = threshold["value"] if threshold else np.nan
            head = (shots, turn.seed, int(turn.new), way, found.get("method"), len(found.get("good_scores", ())))
            for counts in _counts(scores, value):
                yield *head, found.get("groups", ""), f"{value:.6g}", *counts


def one_tile_per_film(turn: Turn, cache: TensorCache) -> Iterator[tuple[Any, ...]]:
    """Expected rate above the highest of one random tile from each of k films, averaged over the sets of k films.

    A film's tiles are scored with the references of the other films, the judged tiles with those of all six.
    """
    held = {}
    for name, tiles in turn.others.items():
        chosen = turn.references([n for n in turn.others if n != name], 32)
        held[name] = np.sort(list(_scores(detector().fit([s.path for s in chosen], cache), tiles, cache).values()))
    chosen = turn.references(turn.others, 32)
    scores = _scores(detector().fit([s.path for s in chosen], cache), turn.judged, cache)
    values = np.array(list(scores.values()))
    below = {name: np.searchsorted(h, values) / len(h) for name, h in held.items()}  # P(a tile of the film is lower)
    for k in range(1, len(turn.others) + 1):
        above = np.mean([np.prod([below[n] for n in names], axis=0) for names in combinations(below, k)], axis=0)
        for key in sorted({(s.group, s.label) for s in scores}):
            mean = np.mean([a for a, s in zip(above, scores, strict=True) if (s.group, s.label) == key])
            yield turn.seed, int(turn.new), k, int(key[0]), key[1], f"{mean:.5f}"


def _scores(fitted: Detector, tiles: Sequence[Sample], cache: TensorCache) -> Scores:
    return dict(zip(tiles, fitted.predict([s.path for s in tiles], cache).scores, strict=True))


def _counts(scores: Scores, threshold: float) -> Iterator[tuple[int, ...]]:
    for name in sorted({s.group for s in scores}):
        of = {label: [v for s, v in scores.items() if (s.group, s.label) == (name, label)] for label in (0, 1)}
        above = {label: sum(v > threshold for v in values) for label, values in of.items()}
        yield int(name), len(of[0]), above[0], len(of[1]), above[1]


def _write(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
