"""BTF: the contract of the common test for the one detector of point clouds, and the method stated plainly."""

import json

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from adlib.bank import nearest
from adlib.data.clouds import Cloud
from adlib.data.toy import toy_depth
from adlib.detectors import BTF, CLOUD_DETECTORS, DETECTORS, load_cloud_detector, load_detector
from adlib.errors import InputError
from adlib.features import clouds

SMALL = {"voxel": 4.0, "normal_radius": 7.0, "radius": 12.0, "neighbours": 40}
BOTH = SMALL | {"colour": True, "resize": 64}


@pytest.fixture(scope="module")
def scans():
    return toy_depth(train=3, test=1, size=64)


@pytest.fixture(scope="module", params=["points", "colour", "both"])
def fitted(request, scans):
    changed = {"points": SMALL, "colour": BOTH | {"points": False}, "both": BOTH}[request.param]
    return BTF(**changed).fit(scans[0])


def test_constructor_only_stores_and_says_what_differs():
    assert vars(BTF()) == BTF.parameter_defaults()
    assert repr(BTF(voxel=3.0)) == "BTF(voxel=3.0)"
    assert "btf" in CLOUD_DETECTORS and "btf" not in DETECTORS


def test_predictions_have_a_score_per_scan_and_per_point(fitted, scans):
    predictions = fitted.predict(scans[1])
    assert len(predictions) == len(scans[1]) and predictions.scores.dtype == np.float64
    for scan, points in zip(scans[1], predictions.points, strict=True):
        assert points.shape == scan.mask.shape and points.dtype == np.float32
        np.testing.assert_array_equal(np.isnan(points), np.isnan(scan.xyz[..., 0]))
        assert np.nanmin(points) >= 0
    top = np.sort(predictions.points[0][np.isfinite(predictions.points[0])])[::-1]
    assert predictions.scores[0] == pytest.approx(top[: int(0.01 * len(top))].mean(), rel=1e-5)


def test_saved_and_loaded_it_gives_the_same_scores(fitted, scans, tmp_path):
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    loaded = load_cloud_detector(path)
    assert repr(loaded) == repr(fitted)
    before, after = fitted.predict(scans[1]), loaded.predict(scans[1])
    np.testing.assert_array_equal(before.scores, after.scores)
    with pytest.raises(InputError, match="scores scans; read it with load_cloud_detector"):
        load_detector(path)


def test_same_twice(fitted, scans):
    again = BTF(**fitted.parameters()).fit(scans[0])
    np.testing.assert_array_equal(again.bank_.numpy(), fitted.bank_.numpy())


def test_what_each_sees(scans):
    """Points see a dent and a bump, colours see a stain."""
    _, dent, bump, _, stain = scans[1]
    shape = BTF(**SMALL).fit(scans[0]).predict([dent, bump])
    colour = BTF(**BOTH | {"points": False}).fit(scans[0]).predict([stain])
    for scan, points in zip((dent, bump, stain), (*shape.points, *colour.points), strict=True):
        seen = np.isfinite(points)
        assert roc_auc_score(scan.mask[seen], points[seen]) > 0.7, scan.kind  # of three coarse scans


def test_scores_are_the_plain_method(scans):
    """Whole bank, one point per cube: thin, normals, FPFH, distance to the nearest, weighted to the points."""
    detector = BTF(**SMALL, coreset=1.0, top_share=0.0).fit(scans[0][:1])
    found = detector.predict(scans[1][1:2])

    def described(scan):
        points = scan.xyz[np.isfinite(scan.xyz).all(axis=2)].astype(np.float64)
        cubes: dict[tuple, list] = {}
        for point in points:
            cubes.setdefault(tuple(((point - points.min(axis=0)) // 4.0).astype(int)), []).append(point)
        centres = np.array([np.mean(cubes[cube], axis=0) for cube in sorted(cubes)])
        return points, centres, clouds.fpfh(centres, clouds.normals(centres, 40, 7.0), 12.0, 40)

    bank = described(scans[0][0])[2]
    points, centres, vectors = described(scans[1][1])
    scores = cdist(vectors, bank).min(axis=1)
    away = cdist(points, centres)
    four = np.argsort(away, axis=1)[:, :4]
    weights = np.maximum(np.take_along_axis(away, four, axis=1), 1e-3) ** -2.0
    expected = (weights * scores[four]).sum(axis=1) / weights.sum(axis=1)
    np.testing.assert_allclose(found.points[0][np.isfinite(found.points[0])], expected, rtol=1e-3)
    assert found.scores[0] == pytest.approx(expected.max(), rel=1e-3)


def test_a_grid_is_not_needed_and_order_does_not_matter(scans):
    detector = BTF(**SMALL).fit(scans[0])
    scan = scans[1][2]
    valid = np.isfinite(scan.xyz).all(axis=2)
    points = scan.xyz[valid]
    order = np.random.default_rng(0).permutation(len(points))
    grid, flat, shuffled = detector.predict([scan, points, Cloud(points[order])]).points
    np.testing.assert_array_equal(grid[valid], flat)
    np.testing.assert_allclose(shuffled, flat[order], rtol=1e-3)


def test_the_bank_is_a_coreset_of_the_scans(scans):
    full, kept = BTF(**SMALL, coreset=1.0).fit(scans[0]).bank_, BTF(**SMALL, coreset=0.2).fit(scans[0]).bank_
    assert len(kept) == int(0.2 * len(full)) and float(nearest(kept, full)[0].max()) == 0


def test_a_saved_file_holds_no_path_and_names_its_method(tmp_path, scans):
    path = tmp_path / "m.safetensors"
    BTF(**SMALL).fit(scans[0][:1]).save(path)
    raw = path.read_bytes()
    header = json.loads(json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"]["adlib"])
    assert header["detector"] == "btf" and header["weights_sha256"] is None and header["learned"] == {}


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"points": False}, "points or colour"),
        ({"voxel": 0.0}, "voxel is a length"),
        ({"radius": -1.0}, "radius is a length"),
        ({"neighbours": 2}, "at least 3"),
        ({"top_share": 1.5}, "top_share"),
        ({"coreset": 0.0}, "coreset"),
    ],
)
def test_bad_parameters(changed, words, scans):
    with pytest.raises(InputError, match=words):
        BTF(**SMALL | changed).fit(scans[0][:1])


@pytest.mark.parametrize(
    "bad, words",
    [
        (np.zeros((4, 2)), r"points of shape \(4, 2\)"),
        (np.full((4, 4, 3), np.nan), "holds no point"),
        ("a.ply", "not str"),
        (Cloud(np.zeros((4, 4, 3), np.float32), np.zeros((2, 2, 3), np.uint8)), "colours of shape"),
    ],
)
def test_bad_scans(bad, words):
    with pytest.raises(InputError, match=words):
        BTF(**SMALL).fit([bad])


def test_order_of_calls(scans, tmp_path):
    with pytest.raises(InputError, match=r"call fit\(scans\) before predict"):
        BTF().predict(scans[1])
    with pytest.raises(InputError, match="before save"):
        BTF().save(tmp_path / "m")
    with pytest.raises(InputError, match="no scans"):
        BTF().fit([])
    with pytest.raises(InputError, match="colour needs organised scans"):
        BTF(**BOTH).fit([scans[0][0].xyz])
