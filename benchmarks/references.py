"""Which good images make the best few references, and how many are enough? Tables in results/references (chapter 10).

    python benchmarks/references.py --mvtec DIR --tire DIR --mtd DIR [--sets bottle screw tire mtd elpv]
        [--methods patchcore anomalydino] [--cache DIR]

Up to 64 training images, sampled once, are the candidates, and at most 75 good and 75 defective images, sampled
once, the test set. The distance of every test patch to every candidate is computed once; any choice of candidates is
then a minimum over columns, so that it scores as a detector would that keeps its whole bank. The network is
EfficientNet-Lite0 at 256 pixels with each method's few-shot setting (image score: mean of the highest 1% of patches).
AnomalyDINO's references are rotated on `screw`, PatchCore's never; MTD's tiles become squares.

`draws.csv`: image AUROC of one choice per row. Pool 0 has all candidates: 50 random draws and one choice of each rule.
The other 20 pools are random halves of the candidates, the same for all methods: each rule's choice within the half,
and the mean of 50 random draws from it (draw is blank), so rule and chance are compared in pairs. Draws and rules are
nested: 4 shots begin with the 2 shots of the same draw. A rule sees good images only,
as means of each layer over its positions.
`shots.csv`: per number of shots, the 50 random draws of pool 0 next to all candidates: mean, deviation over draws,
deviation over resampled test images (mean over draws of the stratified bootstrap's), the mean's difference from the
candidates as a whole with its paired bootstrap interval over test images, and the fraction of draws at most one point
below them.

A cell (set and method) is stored whole, and skipped where it is stored, so a stopped call resumes. Without sets whose
folder is given, the stored tables are printed. The best of the draws by test AUROC is an oracle, not a method.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from adlib.bank.coreset import central_coreset
from adlib.data import Dataset, Sample, load_dataset
from adlib.detectors import make_detector
from adlib.detectors.base import Detector
from adlib.detectors.scores import top_share_mean
from adlib.evaluation import auroc_difference, draws_difference
from adlib.evaluation.comparison import win_matrix
from adlib.experiments.presets import method_options
from adlib.features.cache import TensorCache
from adlib.features.extract import extract
from adlib.features.patches import patch_vectors, whole_image_vector
from adlib.files import atomic_write
from adlib.progress import progress

FOLDER = Path(__file__).parents[1] / "results/references"
DRAWS, SHOTS = FOLDER / "draws.csv", FOLDER / "shots.csv"
BACKBONE = "efficientnet_lite0"
METHODS = ("patchcore", "anomalydino")
CATEGORIES = {"bottle": "bottle", "screw": "screw", "tire": "tire", "mtd": "mtd", "elpv": "mono"}
SQUARE = {"mtd": {"aspect": "square"}}  # tiles have any shape
CANDIDATES, TEST_OF_EACH = 64, 75
RANDOM_DRAWS, POOLS = 50, 20
FEW = (1, 2, 4, 8)
MORE = (*FEW, 16, 32)
POINT = 0.01
RESAMPLES = 2000


def nearest_to_mean(points: Tensor, count: int) -> list[int]:
    """The `count` rows of points (N, D) nearest to their mean, nearest first."""
    return torch.linalg.vector_norm(points - points.mean(dim=0), dim=1).argsort(stable=True)[:count].tolist()


def k_centre(points: Tensor, count: int) -> list[int]:
    """Greedy k-centre from the row nearest to the mean, `--selection coreset`."""
    return central_coreset(points, count).tolist()


def k_medoids(points: Tensor, count: int) -> list[int]:
    """Greedy k-medoids (PAM's build step): each next row lowers the mean distance to the nearest chosen one most."""
    between, chosen = torch.cdist(points, points), []
    to_nearest = torch.full((len(points),), torch.inf)
    for _ in range(count):
        cost = torch.minimum(between, to_nearest).mean(dim=1)  # of each row as the next medoid
        cost[chosen] = torch.inf
        chosen.append(int(cost.argmin()))
        to_nearest = torch.minimum(to_nearest, between[chosen[-1]])
    return chosen


RULES: dict[str, Callable[[Tensor, int], list[int]]] = {
    "nearest_to_mean": nearest_to_mean,
    "k_centre": k_centre,
    "k_medoids": k_medoids,
}


@dataclass(frozen=True)
class Scored:
    """Test images against every candidate.

    distances: (candidates, test images, patches) to the nearest patch of the candidate.
    whole: (candidates, D) vector of each candidate as a whole, see `whole_image_vector`.
    labels: (test images,) 0 good, 1 defective.
    top_share: see `top_share_mean`.
    """

    distances: Tensor
    whole: Tensor
    labels: np.ndarray
    top_share: float

    def along(self, order: Sequence[int], shots: Sequence[int]) -> np.ndarray:
        """(len(shots), test images) scores by the first k images of an order of candidates, for each k, ascending."""
        nearest, scores = self.distances[order[0]], []
        for taken, candidate in enumerate(order, start=1):
            nearest = torch.minimum(nearest, self.distances[candidate])
            if taken in shots:
                scores.append(top_share_mean(nearest, self.top_share).numpy())
        return np.stack(scores)

    def aurocs(self, order: Sequence[int], shots: Sequence[int]) -> list[float]:
        """Image AUROC for each k of `shots`."""
        return [auroc(self.labels, scores) for scores in self.along(order, shots)]


def auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    return float(win_matrix(labels, scores).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=CATEGORIES, default=list(CATEGORIES))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--mvtec", help="folder of MVTec AD, for bottle and screw")
    parser.add_argument("--tire", help="folder of MVTec 3D-AD's tire, RGB images in MVTec's layout")
    parser.add_argument("--mtd", help="folder of Magnetic Tile Defects")
    parser.add_argument("--cache", help="folder for features; none by default")
    options = parser.parse_args()
    cache = TensorCache(options.cache) if options.cache else None
    folders = {"bottle": options.mvtec, "screw": options.mvtec, "tire": options.tire, "mtd": options.mtd}
    if any(folders.values()):
        for name in options.sets:
            for method in options.methods:
                data = folders.get(name, name)
                if data and not is_stored(DRAWS, name, method):
                    scored = measured(load_dataset(data, CATEGORIES[name]), name, method, cache)
                    store(SHOTS, pd.DataFrame(list(_shots_rows(scored))), name, method)
                    store(DRAWS, pd.DataFrame(list(_draws_rows(scored))), name, method)
    _print_tables()


def sampled(samples: Sequence[Sample], count: int) -> list[Sample]:
    """At most `count` of the samples, in their order, the same in every call."""
    chosen = np.random.default_rng(0).permutation(len(samples))[:count]
    return [samples[i] for i in sorted(chosen)]


def test_images(dataset: Dataset, count: int) -> list[Sample]:
    """At most `count` good and `count` defective test images."""
    return [s for label in (0, 1) for s in sampled([s for s in dataset.test if s.label == label], count)]


def few_shot_detector(dataset: Dataset, name: str, method: str) -> Detector:
    """The method at few shots; the coreset that this setting of PatchCore has is not used here."""
    own = method_options(method, dataset.name, dataset.categories[0], BACKBONE, preprocess="informed", shots=1)
    return make_detector(method, backbone=BACKBONE, **own | SQUARE.get(name, {}))


def measured(dataset: Dataset, name: str, method: str, cache: TensorCache | None) -> Scored:
    """Distances of the test images to all candidates."""
    detector, test = few_shot_detector(dataset, name, method), test_images(dataset, TEST_OF_EACH)
    angles = detector.reference_angles
    candidates = [s.path for s in sampled(dataset.train_good, CANDIDATES)]
    views = list(vectors(detector, candidates, cache, angles))
    bank = with_lengths(torch.stack(views).unflatten(0, (-1, len(angles))).flatten(1, 2))
    upright = extract(detector.network(), candidates, detector.spec(), cache=cache)
    whole = torch.stack([whole_image_vector(item.maps) for item in upright])
    tested = vectors(detector, [s.path for s in test], cache)
    columns = [
        squared_distances(patches, bank)
        for patches in progress(tested, total=len(test), label=f"{name} {method}", unit="img")
    ]
    distances = torch.stack(columns, dim=1)
    # 1 - cosine is half the squared distance of unit vectors.
    distances = distances.div_(2) if method == "anomalydino" else distances.sqrt_()
    return Scored(distances, whole, np.array([s.label for s in test]), detector.top_share)


def squared_distances(queries: Tensor, images: Tensor) -> Tensor:
    """(images, queries) squared distance of each query (M, D) to the nearest patch of each image.

    queries: (M, D).
    images: (images, patches, D + 1), see `with_lengths`.
    Plain float32 products, which `GroupedBank` would correct near zero, at a multiple of the time: only an image's
    largest distances are scored here.
    """
    queries = torch.cat([-2 * queries, torch.ones(len(queries), 1)], dim=1)
    lengths = queries[:, :-1].square().sum(dim=1) / 4
    nearest = [torch.mm(patches, queries.T).amin(dim=0) for patches in images]
    return torch.stack(nearest).add_(lengths).clamp_(min=0)


def with_lengths(patches: Tensor) -> Tensor:
    """Patches (..., D) with their squared length as a further value."""
    return torch.cat([patches, patches.square().sum(dim=-1, keepdim=True)], dim=-1)


def vectors(
    detector: Detector, images: Sequence[Any], cache: TensorCache | None, angles: Sequence[float] = (0,)
) -> Iterator[Tensor]:
    """(patches, D) vectors of each image at each angle, as the detector compares them."""
    for item in extract(detector.network(), images, detector.spec(), angles, cache):
        patches = patch_vectors(item.maps, detector.neighbourhood)[0]
        yield F.normalize(patches, dim=1) if detector.name == "anomalydino" else patches


def _draws_rows(scored: Scored) -> Iterator[dict[str, Any]]:
    everything = np.arange(len(scored.whole))
    for draw, order in enumerate(_random_orders(everything, max(MORE), 0)):
        for k, value in zip(MORE, scored.aurocs(order, MORE), strict=True):
            yield _row(0, "random", draw, k, value)
    yield from _rule_rows(scored, everything, 0, MORE)
    for pool in range(1, POOLS + 1):
        members = np.sort(np.random.default_rng(pool).permutation(everything)[: len(everything) // 2])
        chance = np.mean([scored.aurocs(order, FEW) for order in _random_orders(members, max(FEW), pool)], axis=0)
        for k, value in zip(FEW, chance, strict=True):
            yield _row(pool, "random", "", k, value)
        yield from _rule_rows(scored, members, pool, FEW)


def _rule_rows(scored: Scored, members: np.ndarray, pool: int, shots: Sequence[int]) -> Iterator[dict[str, Any]]:
    for name, rule in RULES.items():
        order = members[rule(scored.whole[members], max(shots))]
        for k, value in zip(shots, scored.aurocs(order, shots), strict=True):
            yield _row(pool, name, "", k, value)


def _row(pool: int, selection: str, draw: int | str, shots: int, value: float) -> dict[str, Any]:
    return {"pool": pool, "selection": selection, "draw": draw, "shots": shots, "image_auroc": value}


def _random_orders(members: np.ndarray, count: int, pool: int) -> list[np.ndarray]:
    """RANDOM_DRAWS orders of `count` members each."""
    return [np.random.default_rng([pool, draw]).permutation(members)[:count] for draw in range(RANDOM_DRAWS)]


def _shots_rows(scored: Scored) -> Iterator[dict[str, Any]]:
    candidates = np.arange(len(scored.whole))
    orders = _random_orders(candidates, max(MORE), 0)
    by_shots = np.stack([scored.along(order, MORE) for order in orders], axis=1)  # (shots, draws, test images)
    whole = scored.along(candidates, [len(candidates)])
    for k, runs in zip((*MORE, len(candidates)), (*by_shots, whole), strict=True):
        values = np.array([auroc(scored.labels, run) for run in runs])
        difference = auroc_difference(scored.labels, runs, whole)
        yield {
            "shots": k,
            "good": int((scored.labels == 0).sum()),
            "defective": int((scored.labels == 1).sum()),
            "draws": len(runs),
            "mean": values.mean(),
            "draws_std": values.std(ddof=1) if len(runs) > 1 else None,
            "images_std": np.mean([images_deviation(scored.labels, run) for run in runs]),
            "minus_all": difference.value,
            "low": difference.low,
            "high": difference.high,
            "within_point": (values >= auroc(scored.labels, whole[0]) - POINT).mean(),
        }


def images_deviation(labels: np.ndarray, scores: np.ndarray) -> float:
    """Standard deviation of the AUROC over resampled test images, good and defective ones separately."""
    wins, rng = win_matrix(labels, scores), np.random.default_rng(0)
    defective, good = (rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES) for n in wins.shape)
    return float(np.einsum("rd,dg,rg->r", defective, wins, good, optimize=True).std() / wins.size)


def is_stored(table: Path, name: str, method: str) -> bool:
    return table.exists() and bool(pd.read_csv(table)[["set", "method"]].eq([name, method]).all(axis=1).any())


def store(table: Path, rows: pd.DataFrame, name: str, method: str) -> None:
    """Put all rows of a cell into a table, in place of those it had."""
    rows = rows.assign(set=name, method=method)[["set", "method", *rows]]
    if table.exists():
        stored = pd.read_csv(table, dtype={"draw": "Int64"})
        rows = pd.concat([stored[~stored[["set", "method"]].eq([name, method]).all(axis=1)], rows])
    table.parent.mkdir(exist_ok=True)
    with atomic_write(table) as file:
        rows.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")


def rule_gains(draws: pd.DataFrame) -> pd.DataFrame:
    """Each rule minus chance in the same pools, percentage points, with its t interval over pools.

    draws: the table of draws.
    """
    pools = draws[draws.pool > 0].set_index(["set", "method", "shots", "pool", "selection"]).image_auroc.unstack()
    rows = []
    for cell, values in pools.groupby(level=["set", "method", "shots"], sort=False):
        for rule in RULES:
            gain = draws_difference(100 * values[rule], 100 * values["random"])
            rows.append([*cell, rule, gain.value, gain.low, gain.high, gain.sign])
    return pd.DataFrame(rows, columns=["set", "method", "shots", "selection", "gain", "low", "high", "sign"])


def enough(shots: pd.DataFrame) -> pd.DataFrame:
    """The fewest shots at most one point below all candidates: by the mean, by the interval's low end, by 95% of draws.

    shots: the table of shots. Where none of the smaller numbers will do, it is the number of all candidates.
    """
    will_do = {
        "mean": shots.minus_all >= -POINT,
        "interval": shots.low >= -POINT,
        "draws": shots.within_point >= 0.95,
    }
    cells = [shots["set"], shots["method"]]
    return pd.DataFrame({name: shots.shots[good].groupby(cells).min() for name, good in will_do.items()})


def choice_share(shots: pd.DataFrame) -> pd.Series:
    """The choice's fraction of the variance of one AUROC: of draws / (of draws + of test images)."""
    of_draws, of_images = shots.draws_std**2, shots.images_std**2
    return of_draws / (of_draws + of_images)


def _print_tables() -> None:
    draws, shots = pd.read_csv(DRAWS), pd.read_csv(SHOTS)
    print(shots.assign(choice_share=choice_share(shots)).round(3).to_string(index=False))
    print(enough(shots).to_string())
    of_all = draws[draws.pool == 0].groupby(["set", "method", "shots", "selection"], sort=False).image_auroc
    print((100 * of_all.agg(["mean", "min", "max"])).round(1).unstack().to_string())
    print(rule_gains(draws).round(2).to_string(index=False))


if __name__ == "__main__":
    main()
