"""Normals and FPFH of a small cloud as Open3D computes them: the values that tests compare ours with.

    pip install open3d          # not a dependency of adlib
    python benchmarks/open3d_clouds.py

Writes tests/features/open3d_clouds.json: 150 points (mm) of a wavy patch with a step, an outlier and a point that is
there twice, and what Open3D makes of them in a radius, and in a radius with at most so many neighbours.
"""

import json
from pathlib import Path

import numpy as np
import open3d

TARGET = Path(__file__).parents[1] / "tests" / "features" / "open3d_clouds.json"
NORMAL_RADIUS, FPFH_RADIUS, MOST = 3.0, 5.0, 20


def cloud() -> np.ndarray:
    """(150, 3) points in front of a camera at the origin, rounded so that JSON holds them exactly."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-8, 8, (2, 148))
    z = 300 + np.sin(x / 2) + 0.6 * np.cos(y) + 2.5 * (x > 3) + 0.05 * rng.standard_normal(148)
    points = np.stack([x, y, z], axis=1)
    return np.round(np.concatenate([points, points[:1], [[0.0, 0.0, 280.0]]]), 4)


def rounded(values: np.ndarray, digits: int) -> list[list[float]]:
    return np.round(np.asarray(values), digits).tolist()


def computed(points: np.ndarray, k: int | None) -> dict[str, list[list[float]]]:
    """Normals towards the camera, and FPFH from these normals."""

    def search(radius: float) -> open3d.geometry.KDTreeSearchParam:
        if k is None:
            return open3d.geometry.KDTreeSearchParamRadius(radius)
        return open3d.geometry.KDTreeSearchParamHybrid(radius, k)

    made = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points))
    made.estimate_normals(search(NORMAL_RADIUS), fast_normal_computation=False)
    made.orient_normals_towards_camera_location(np.zeros(3))
    made.normals = open3d.utility.Vector3dVector(np.round(np.asarray(made.normals), 8))
    histograms = open3d.pipelines.registration.compute_fpfh_feature(made, search(FPFH_RADIUS)).data.T
    return {"normals": rounded(made.normals, 8), "fpfh": rounded(histograms, 4)}


def main() -> None:
    points = cloud()
    stored = {
        "open3d": open3d.__version__,
        "normal_radius": NORMAL_RADIUS,
        "fpfh_radius": FPFH_RADIUS,
        "k": MOST,
        "points": points.tolist(),
        "radius": computed(points, None),
        "hybrid": computed(points, MOST),
    }
    TARGET.write_text(json.dumps(stored, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"Written: {TARGET}")


if __name__ == "__main__":
    main()
