"""Point clouds: neighbours, normals by PCA, and Fast Point Feature Histograms (Rusu et al., ICRA 2009; chapter 13).

A cloud is an array (N, 3) in any unit of length, in the frame of its camera: the camera is at the origin unless said
otherwise. Pairs of neighbours are three flat arrays (source index, target index, distance), so that nothing here loops
over points.
"""

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from adlib.errors import InputError

BINS = 11  # per angle
ANGLES = ("theta", "alpha", "phi")  # in the order of the histograms
FPFH_SIZE = BINS * len(ANGLES)
PAIRS = 1_000_000  # computed at a time: about 300 MB of working memory

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


def require_cloud(points: np.ndarray, name: str = "points") -> np.ndarray:
    """The cloud as (N, 3) float64. Raises InputError for another shape, no points, NaN and infinity."""
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"`{name}` has shape {points.shape}; give one row x, y, z per point: (N, 3).")
    if len(points) == 0:
        raise InputError(f"`{name}` is an empty cloud; give at least one point.")
    if not np.isfinite(points).all():
        raise InputError(f"`{name}` holds NaN or infinity; leave out the pixels where the scanner saw nothing.")
    return points


def thin(points: np.ndarray, voxel: float) -> tuple[np.ndarray, np.ndarray]:
    """One point per cube of space: the mean of its points. Returns the means (M, 3) and the row of each point, (N,).

    points: (N, 3) finite values.
    voxel: side of the cubes, in the points' unit.
    Raises InputError for an invalid cloud and voxel <= 0.
    """
    points = require_cloud(points)
    if not voxel > 0:
        raise InputError(f"`voxel` is {voxel!r}; give a positive length in the points' unit.")
    cubes = np.floor((points - points.min(axis=0)) / voxel).astype(np.int64)
    row = np.unique(cubes, axis=0, return_inverse=True)[1].ravel()
    return cell_means(points, row), row


def cell_means(values: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Mean (M, D) of the values (N, D) of each row; row: (N,), 0 to M - 1, none left out."""
    count = np.bincount(row)
    return np.stack([_sums(column, row, len(count)) for column in np.asarray(values).T], axis=1) / count[:, None]


def neighbour_pairs(points: np.ndarray, k: int | None = None, radius: float | None = None) -> Pairs:
    """All pairs (source, target, distance) of a point and its neighbours, itself left out; sources ascend.

    points: (N, 3) finite values.
    k: number of nearest points to take at most, the point itself counted; None for all in the radius.
    radius: largest distance, in the points' unit; None for any.
    Raises InputError where both are None, for k < 2 and for radius <= 0.
    """
    points = require_cloud(points)
    if k is None and radius is None:
        raise InputError("Say which points are neighbours: give `k`, `radius` or both.")
    if k is not None and k < 2:
        raise InputError(f"`k` is {k!r}; it counts the point itself, so give at least 2.")
    if radius is not None and not radius > 0:
        raise InputError(f"`radius` is {radius!r}; give a positive length in the points' unit.")
    tree = cKDTree(points)
    return _within(tree, radius) if k is None else _nearest(tree, min(k, len(points)), radius)


def _within(tree: cKDTree, radius: float) -> Pairs:
    once = tree.query_pairs(radius, output_type="ndarray")
    both = np.concatenate([once, once[:, ::-1]])
    source, target = both[np.lexsort(both.T[::-1])].T
    return source, target, np.linalg.norm(tree.data[target] - tree.data[source], axis=1)


def _nearest(tree: cKDTree, k: int, radius: float | None) -> Pairs:
    distances, targets = tree.query(tree.data, k=k, distance_upper_bound=np.inf if radius is None else radius)
    distances, targets = distances.reshape(tree.n, k), targets.reshape(tree.n, k)
    sources = np.arange(tree.n)[:, None]
    keep = np.isfinite(distances) & (targets != sources)
    return np.broadcast_to(sources, keep.shape)[keep], targets[keep], distances[keep]


def normals(
    points: np.ndarray,
    k: int | None = None,
    radius: float | None = None,
    camera: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> np.ndarray:
    """Unit normals (N, 3) towards the camera: the direction in which a point and its neighbours vary least.

    A point with fewer than two neighbours has no plane; its normal points at the camera.

    points, k, radius: see `neighbour_pairs`.
    camera: its position in the points' frame.
    Raises InputError for an invalid cloud or neighbourhood.
    """
    points = require_cloud(points)
    source, target, _ = neighbour_pairs(points, k, radius)
    towards = np.asarray(camera, dtype=np.float64) - points
    towards /= np.maximum(np.linalg.norm(towards, axis=1, keepdims=True), 1e-12)
    least = np.linalg.eigh(_covariances(points, source, target))[1][:, :, 0]  # eigenvalues ascend
    least *= np.where((least * towards).sum(axis=1, keepdims=True) < 0, -1, 1)
    alone = np.bincount(source, minlength=len(points)) < 2
    return np.where(alone[:, None], towards, least)


def _covariances(points: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Covariance (N, 3, 3) of each point and its neighbours, from offsets to the point: no digits are lost."""
    offset = points[target] - points[source]
    count = np.bincount(source, minlength=len(points)) + 1.0  # the point's own offset is 0
    mean = np.stack([_sums(offset[:, a], source, len(points)) for a in range(3)], axis=1) / count[:, None]
    square = np.empty((len(points), 3, 3))
    for a in range(3):
        for b in range(a, 3):
            square[:, a, b] = square[:, b, a] = _sums(offset[:, a] * offset[:, b], source, len(points)) / count
    return square - mean[:, :, None] * mean[:, None, :]


def _sums(values: np.ndarray, source: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(source, weights=values, minlength=count)


def pair_angles(
    offset: np.ndarray, source_normal: np.ndarray, target_normal: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """theta in [-pi, pi], alpha and phi in [-1, 1] of M pairs of points, (M,) each: section II of the paper.

    With u the normal n_s of the source, v = (p_t - p_s) x u, normalised, and w = u x v:

        alpha = v . n_t        phi = u . (p_t - p_s) / |p_t - p_s|        theta = atan2(w . n_t, u . n_t)

    The source of a pair is the point whose normal is closer to the line between them. A pair of equal points, or one
    whose line is along the normal, has no frame: all three are 0.

    offset: (M, 3), target minus source.
    source_normal, target_normal: (M, 3) unit vectors.
    """
    length = np.linalg.norm(offset, axis=1, keepdims=True)
    line = offset / np.where(length > 0, length, 1)
    first, second = (source_normal * line).sum(axis=1), (target_normal * line).sum(axis=1)
    swap = np.abs(first) < np.abs(second)
    u = np.where(swap[:, None], target_normal, source_normal)
    n_t = np.where(swap[:, None], source_normal, target_normal)
    line = np.where(swap[:, None], -line, line)
    v = np.cross(line, u)
    size = np.linalg.norm(v, axis=1, keepdims=True)
    v = v / np.where(size > 0, size, 1)
    w = np.cross(u, v)
    theta = np.arctan2((w * n_t).sum(axis=1), (u * n_t).sum(axis=1))
    alpha, phi = (v * n_t).sum(axis=1), np.where(swap, -second, first)
    framed = size[:, 0] > 0
    return theta * framed, alpha * framed, phi * framed


def spfh(points: np.ndarray, normals: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Simplified histograms (N, 33): the angles between a point and each neighbour, in per cent of the neighbours.

    points, normals: (N, 3), normals of unit length.
    pairs: see `neighbour_pairs`.
    """
    source, target, _ = pairs
    counts = np.zeros(len(points) * FPFH_SIZE)
    for start in range(0, len(source), PAIRS):
        s, t = source[start : start + PAIRS], target[start : start + PAIRS]
        theta, alpha, phi = pair_angles(points[t] - points[s], normals[s], normals[t])
        for block, share in enumerate(((theta + np.pi) / (2 * np.pi), (alpha + 1) / 2, (phi + 1) / 2)):
            bins = np.clip((BINS * share).astype(np.int64), 0, BINS - 1)
            counts += np.bincount(s * FPFH_SIZE + block * BINS + bins, minlength=len(counts))
    neighbours = np.bincount(source, minlength=len(points))
    return counts.reshape(-1, FPFH_SIZE) * (100 / np.maximum(neighbours, 1))[:, None]


def fpfh(points: np.ndarray, normals: np.ndarray, radius: float, k: int | None = None) -> np.ndarray:
    """Fast Point Feature Histograms (N, 33): 11 bins each of theta, alpha and phi, a point's own and its neighbours'.

    FPFH(p) = SPFH(p) + the mean of the neighbours' SPFH, weighted by 1 / distance^2: each block of 11 bins sums to 200.
    The paper weights by 1 / distance and divides by the number of neighbours, which makes the values depend on the unit
    of length; normalised squared weights are what PCL and Open3D, and thus BTF, compute. A point without neighbours has
    33 zeros.

    points: (N, 3).
    normals: (N, 3) unit vectors, see `normals`.
    radius, k: see `neighbour_pairs`; take a radius larger than that of the normals.
    Raises InputError for an invalid cloud, normals of another shape and invalid neighbourhoods.
    """
    points, normals = require_cloud(points), require_cloud(normals, "normals")
    if points.shape != normals.shape:
        raise InputError(f"There are {len(points)} points and {len(normals)} normals; give one normal per point.")
    pairs = source, target, distance = neighbour_pairs(points, k, radius)
    own = spfh(points, normals, pairs)
    weight = np.where(distance > 0, distance, np.inf) ** -2.0  # 0 for equal points
    around = csr_array((weight, (source, target)), shape=(len(points), len(points))) @ own
    total = around.reshape(-1, len(ANGLES), BINS).sum(axis=2).repeat(BINS, axis=1)
    return own + 100 * around / np.where(total > 0, total, 1)
