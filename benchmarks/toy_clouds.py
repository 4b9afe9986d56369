"""FPFH with a bank and a small 3D teacher and student on rendered covers, with and without the grid: results/toy/.

    python benchmarks/toy_clouds.py [--seeds 0 1 2]

Each seed renders other covers and trains other networks: 12 good scans to learn from, 6 to set a threshold for 5% of
good points, 6 of each kind to test on, every second pixel in both directions. Test clouds are judged as they are
("grid") and changed; what changed points are is in `CONDITIONS`. Columns of clouds.csv: AUROC over the points of the
scans of a kind and the good ones; the fraction of good scans' points above the threshold. Stored seeds are skipped.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.spatial import cKDTree

from adlib.bank import coreset_size, greedy_coreset, nearest
from adlib.data.toy import depth
from adlib.evaluation import conformal_threshold, image_metrics
from adlib.features.clouds import fpfh, normals
from adlib.files import atomic_write
from adlib.networks.points import learn_student, learn_teacher, make_cloud, student_error, typical_distance
from adlib.synthesis import random_surface

TABLE = Path(__file__).parents[1] / "results/toy/clouds.csv"
NORMALS, RADIUS, SHARE = 5.0, 10.0, 0.1  # mm, mm, fraction of the points that the bank keeps
NEIGHBOURS, SHAPES, TEACHER_STEPS, STUDENT_STEPS = 16, 30, 200, 200
Cloud = tuple[np.ndarray, np.ndarray]  # points (N, 3) and whether they are defective (N,)
Scorer = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    stored = set(pd.read_csv(TABLE)["seed"]) if TABLE.exists() else set()
    for seed in parser.parse_args().seeds:
        if seed not in stored:
            store(list(rows(seed)))
    table = pd.read_csv(TABLE).groupby(["detector", "condition", "kind"])[["point_auroc", "false_alarms"]]
    print(table.mean().unstack().round(3).to_string())


def points_of(scan: depth.DepthSample) -> Cloud:
    """Measured points of the cover, without the table, on every second pixel."""
    xyz, mask = scan.xyz[::2, ::2], scan.mask[::2, ::2]
    seen = np.isfinite(xyz[..., 2]) & (xyz[..., 2] < depth.TABLE - 2.5)
    return xyz[seen].astype(float), mask[seen]


def half(cloud: Cloud, rng: np.random.Generator) -> Cloud:
    return some(cloud, rng.random(len(cloud[0])) < 0.5)


def quarter(cloud: Cloud, rng: np.random.Generator) -> Cloud:
    return some(cloud, rng.random(len(cloud[0])) < 0.25)


def holes(cloud: Cloud, rng: np.random.Generator) -> Cloud:
    """Without what is within 3 mm of 20 random points."""
    points = cloud[0]
    centres = points[rng.choice(len(points), 20, replace=False)]
    return some(cloud, cKDTree(centres).query(points)[0] > 3)


def outliers(cloud: Cloud, rng: np.random.Generator) -> Cloud:
    """2% more points, 2 to 10 mm above the surface; they are not counted, what they do to the others is."""
    points, defective = cloud
    more = points[rng.choice(len(points), len(points) // 50, replace=False)].copy()
    more[:, 2] -= rng.uniform(2, 10, len(more))
    return np.concatenate([points, more]), np.concatenate([defective.astype(float), np.full(len(more), np.nan)])


def turned(cloud: Cloud, rng: np.random.Generator) -> Cloud:
    """Turned by 45 degrees about the camera's axis, as a part on a belt."""
    x, y, z = cloud[0].T
    return np.stack([(x - y) * 0.5**0.5, (x + y) * 0.5**0.5, z], axis=1), cloud[1]


def some(cloud: Cloud, kept: np.ndarray) -> Cloud:
    return cloud[0][kept], cloud[1][kept]


CONDITIONS: dict[str, Callable[[Cloud, np.random.Generator], Cloud]] = {
    "grid": lambda cloud, rng: cloud,
    "holes": holes,
    "outliers": outliers,
    "turned": turned,
    "half": half,
    "quarter": quarter,
}


def fpfh_scorer(good: list[np.ndarray], seed: int) -> Scorer:
    """Distance to the nearest entry of a bank of FPFH."""

    def describe(points: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(fpfh(points, normals(points, radius=NORMALS), RADIUS)).float()

    all_good = torch.cat([describe(points) for points in good])
    bank = all_good[greedy_coreset(all_good, coreset_size(len(all_good), SHARE), seed, show_progress=False)]
    return lambda points: nearest(describe(points), bank)[0][:, 0].numpy()


def student_scorers(good: list[np.ndarray], seed: int) -> Iterator[tuple[str, Scorer]]:
    """Teacher and student, both trained, and with either of them untrained."""
    unit, rng = typical_distance(good, NEIGHBOURS), np.random.default_rng([13, seed])
    shapes = [make_cloud(random_surface(rng), NEIGHBOURS, unit) for _ in range(SHAPES)]
    clouds = [make_cloud(points, NEIGHBOURS, unit) for points in good]
    for name, steps in (
        ("student", (TEACHER_STEPS, STUDENT_STEPS)),
        ("untrained student", (TEACHER_STEPS, 0)),
        ("untrained teacher", (0, STUDENT_STEPS)),
    ):
        teacher, _ = learn_teacher(shapes, clouds, steps=steps[0], seed=seed)
        student, _ = learn_student(teacher, clouds, steps=steps[1], seed=seed)
        yield (
            name,
            lambda points, pair=(teacher, student): student_error(*pair, make_cloud(points, NEIGHBOURS, unit)),
        )


def rows(seed: int) -> Iterator[dict[str, object]]:
    train, test = depth.toy_depth(18, 6, seed)
    good = [points_of(scan)[0] for scan in train]
    clouds = [points_of(scan) for scan in test]
    for name, scorer in (("fpfh", fpfh_scorer(good[:12], seed)), *student_scorers(good[:12], seed)):
        threshold = conformal_threshold(np.concatenate([scorer(points) for points in good[12:]]), 0.05)
        for condition, change in CONDITIONS.items():
            if name.startswith("untrained") and condition != "grid":
                continue
            rng = np.random.default_rng([7, seed])
            changed = [change(cloud, rng) for cloud in clouds]
            yield from measured(seed, name, condition, test, changed, [scorer(p) for p, _ in changed], threshold)


def measured(
    seed: int,
    name: str,
    condition: str,
    test: list[depth.DepthSample],
    clouds: list[Cloud],
    scores: list[np.ndarray],
    threshold: float,
) -> Iterator[dict[str, object]]:
    """One row for each kind of defect, of points with a label."""
    counted = [np.isfinite(np.asarray(labels, dtype=float)) for _, labels in clouds]
    labels = [cloud[1][keep].astype(int) for cloud, keep in zip(clouds, counted, strict=True)]
    scores = [one[keep] for one, keep in zip(scores, counted, strict=True)]
    good = [i for i, scan in enumerate(test) if scan.kind == "good"]
    alarms = float(np.mean(np.concatenate([scores[i] for i in good]) > threshold))
    for kind in depth.KINDS[1:]:
        chosen = good + [i for i, scan in enumerate(test) if scan.kind == kind]
        found = image_metrics(np.concatenate([labels[i] for i in chosen]), np.concatenate([scores[i] for i in chosen]))
        row = {"seed": seed, "detector": name, "condition": condition, "kind": kind}
        yield row | {"point_auroc": found["image_auroc"], "false_alarms": alarms}


def store(found: list[dict[str, object]]) -> None:
    stored = [pd.read_csv(TABLE)] if TABLE.exists() else []
    with atomic_write(TABLE) as file:
        pd.concat([*stored, pd.DataFrame(found)]).to_csv(file, index=False, float_format="%.4f", lineterminator="\n")


if __name__ == "__main__":
    main()
