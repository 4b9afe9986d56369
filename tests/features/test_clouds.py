"""Normals and FPFH: against Open3D's values, and against the paper's equations stated one pair at a time."""

import json
from pathlib import Path

import numpy as np
import pytest

from adlib.errors import InputError
from adlib.features import clouds

OPEN3D = json.loads((Path(__file__).parent / "open3d_clouds.json").read_text(encoding="utf-8"))
POINTS = np.array(OPEN3D["points"])


@pytest.mark.parametrize("kind, k", [("radius", None), ("hybrid", OPEN3D["k"])])
def test_normals_are_those_of_open3d(kind, k):
    ours = clouds.normals(POINTS, k, OPEN3D["normal_radius"])[:-1]  # the outlier has no plane, so no normal
    np.testing.assert_allclose(ours, np.array(OPEN3D[kind]["normals"])[:-1], atol=1e-6)


@pytest.mark.parametrize("kind, k", [("radius", None), ("hybrid", OPEN3D["k"])])
def test_fpfh_is_that_of_open3d(kind, k):
    ours = clouds.fpfh(POINTS, np.array(OPEN3D[kind]["normals"]), OPEN3D["fpfh_radius"], k)
    assert np.abs(ours - np.array(OPEN3D[kind]["fpfh"])).max() < 1e-3  # of 200


def plain_angles(p_s, n_s, p_t, n_t):
    """(theta, alpha, phi) of one pair, as section II of the paper defines them."""
    if np.array_equal(p_s, p_t):
        return 0.0, 0.0, 0.0
    line = (p_t - p_s) / np.linalg.norm(p_t - p_s)
    if np.arccos(abs(n_s @ line)) > np.arccos(abs(n_t @ line)):
        return plain_angles(p_t, n_t, p_s, n_s)
    u, v = n_s, np.cross(line, n_s) / np.linalg.norm(np.cross(line, n_s))
    w = np.cross(u, v)
    return np.arctan2(w @ n_t, u @ n_t), v @ n_t, u @ line


def plain_fpfh(points, normals, radius):
    n = len(points)
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    around = [[j for j in range(n) if j != i and distance[i, j] <= radius] for i in range(n)]
    own = np.zeros((n, 3, 11))
    for i in range(n):
        for j in around[i]:
            ranges = ((-np.pi, np.pi), (-1, 1), (-1, 1))
            for block, value in enumerate(plain_angles(points[i], normals[i], points[j], normals[j])):
                own[i, block] += np.histogram(value, bins=11, range=ranges[block])[0] * 100 / len(around[i])
    full = own.copy()
    for i in range(n):
        others = sum((own[j] / distance[i, j] ** 2 for j in around[i]), np.zeros((3, 11)))
        if around[i]:
            full[i] += 100 * others / others.sum(axis=1, keepdims=True)
    return full.reshape(n, 33)


@pytest.mark.parametrize("seed", range(3))
def test_fpfh_is_the_plain_definition(seed, monkeypatch):
    monkeypatch.setattr(clouds, "PAIRS", 7)  # more than one part
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(30, 3)) + [0, 0, 10]
    normals = rng.normal(size=(30, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    np.testing.assert_allclose(clouds.fpfh(points, normals, 1.2), plain_fpfh(points, normals, 1.2), atol=1e-9)


def test_normals_of_a_known_plane_and_sphere():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-5, 5, (2, 80))
    plane = np.stack([x, y, 100 + 0.5 * x], axis=1)
    expected = np.array([0.5, 0, -1]) / np.sqrt(1.25)  # z = 100 + x / 2, seen from the origin
    np.testing.assert_allclose(clouds.normals(plane, k=8), np.broadcast_to(expected, (80, 3)), atol=1e-7)
    direction = rng.normal(size=(4000, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    found = clouds.normals(10 * direction, radius=1.0, camera=(0, 0, -500))
    assert np.median(np.abs((found * direction).sum(axis=1))) > 0.998
    front = direction[:, 2] < -0.3
    assert ((found * direction).sum(axis=1)[front] > 0.9).all()


def test_moving_and_turning_a_cloud_leaves_its_histograms():
    normals = clouds.normals(POINTS, radius=3.0)
    before = clouds.fpfh(POINTS, normals, 5.0)
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    after = clouds.fpfh(POINTS @ turn.T + [3, -7, 11], normals @ turn.T, 5.0)
    assert np.abs(after - before).mean() < 0.05  # a value on the edge of a bin may fall on its other side
    scaled = clouds.fpfh(1024 * POINTS, normals, 1024 * 5.0)  # a power of two: no rounding
    np.testing.assert_allclose(scaled, before, atol=1e-6)


def test_lonely_points():
    cloud = np.array([[0, 0, 10.0], [100, 0, 10], [101, 0, 10]])
    normals = clouds.normals(cloud, radius=2.0)
    np.testing.assert_allclose(normals, -cloud / np.linalg.norm(cloud, axis=1, keepdims=True))
    histograms = clouds.fpfh(cloud, normals, 2.0)
    assert not histograms[0].any()
    np.testing.assert_allclose(histograms[1:].reshape(2, 3, 11).sum(axis=2), 200)


def test_one_point_and_more_neighbours_than_points():
    assert clouds.normals([[0, 0, 5.0]], k=4).tolist() == [[0, 0, -1]]
    assert clouds.fpfh([[0, 0, 5.0]], [[0, 0, -1.0]], radius=1.0, k=9).shape == (1, 33)
    assert len(clouds.neighbour_pairs(POINTS[:5], k=50)[0]) == 20


def test_pairs_by_radius_and_by_count_agree():
    few = clouds.neighbour_pairs(POINTS, radius=4.0)
    capped = clouds.neighbour_pairs(POINTS, k=len(POINTS), radius=4.0)
    order = [np.lexsort((target, source)) for source, target, _ in (few, capped)]
    for a, b in zip(few, capped, strict=True):
        np.testing.assert_allclose(a[order[0]], b[order[1]])
    assert (np.diff(few[0]) >= 0).all() and (np.diff(capped[0]) >= 0).all()


@pytest.mark.parametrize(
    "points, arguments, words",
    [
        (np.zeros((4, 2)), {"k": 3}, r"shape \(4, 2\)"),
        (np.zeros((0, 3)), {"k": 3}, "empty"),
        (np.full((4, 3), np.nan), {"k": 3}, "NaN"),
        (POINTS, {}, "which points are neighbours"),
        (POINTS, {"k": 1}, "at least 2"),
        (POINTS, {"radius": 0.0}, "positive"),
        (POINTS, {"radius": float("nan")}, "positive"),
    ],
)
def test_bad_clouds_and_neighbourhoods(points, arguments, words):
    with pytest.raises(InputError, match=words):
        clouds.normals(points, **arguments)


def test_one_normal_per_point():
    with pytest.raises(InputError, match="150 points and 3 normals"):
        clouds.fpfh(POINTS, POINTS[:3], 1.0)
