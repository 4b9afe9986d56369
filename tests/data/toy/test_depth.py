"""Scanned covers of the toy data: what a defect changes and what it leaves alone."""

import numpy as np
import pytest
from scipy import ndimage

from adlib.data import toy
from adlib.data.toy.depth import KINDS, TABLE
from adlib.errors import InputError

SHAPES = [kind for kind in KINDS if kind not in ("good", "colour")]


def part(kind: str | None, seed: int = 0, size: int = 64) -> toy.DepthSample:
    return toy.depth_part(np.random.default_rng(seed), kind, size)


def test_shapes_types_and_units():
    scan = part("dent")
    assert scan.xyz.shape == scan.rgb.shape == (64, 64, 3) and scan.mask.shape == (64, 64)
    assert (scan.xyz.dtype, scan.rgb.dtype, scan.mask.dtype) == (np.float32, np.uint8, bool)
    depth = scan.xyz[..., 2]
    assert 470 < np.nanmin(depth) < 490 and abs(np.nanmedian(depth[:8]) - TABLE) < 0.1  # mm
    assert 90 < np.nanmax(scan.xyz[..., 0]) - np.nanmin(scan.xyz[..., 0]) < 101
    assert (np.diff(np.nanmean(scan.xyz[..., 0], axis=0)) > 0).all()  # x to the right
    assert (np.diff(np.nanmean(scan.xyz[..., 1], axis=1)) > 0).all()  # y down


def test_rays_go_through_the_pixels():
    """x / z and y / z depend on the pixel alone, as in any camera."""
    scan, other = (scan.xyz[..., :2] / scan.xyz[..., 2:] for scan in (part("good", 1), part("missing", 2)))
    assert np.nanmax(np.abs(scan - other)) < 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_a_stain_changes_no_point(seed):
    stained, good = part("colour", seed), part("good", seed)
    np.testing.assert_array_equal(stained.xyz, good.xyz)
    change = np.abs(stained.rgb.astype(int) - good.rgb).max(axis=2)
    assert change[stained.mask].mean() > 10 and stained.mask.sum() > 10
    assert change[~ndimage.binary_dilation(stained.mask, iterations=4)].max() == 0


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_a_shape_changes_the_points_on_its_mask(kind, seed):
    flawed, good = part(kind, seed), part("good", seed)
    farther = flawed.xyz[..., 2] - good.xyz[..., 2]
    on_mask = np.nanmedian(farther[flawed.mask])
    assert on_mask < -0.2 if kind == "bump" else on_mask > 0.2
    assert np.nanmax(np.abs(farther[~ndimage.binary_dilation(flawed.mask, iterations=8)])) < 0.05
    assert 8 < flawed.mask.sum() < 0.1 * flawed.mask.size


def test_scans_are_turned_moved_and_tilted():
    covers = [toy.depth._sample(np.random.default_rng(seed), 48) for seed in range(30)]
    assert np.ptp([cover.turn for cover in covers]) > 0.4
    assert np.ptp([cover.centre for cover in covers], axis=0).min() > 5
    assert np.ptp([cover.tilt for cover in covers], axis=0).min() > 0.04


def test_holes_are_on_walls_and_rare():
    holes = np.mean([np.isnan(part("good", seed).xyz).any(axis=2) for seed in range(10)])
    assert 0.02 < holes < 0.12
    xyz = part("good").xyz
    assert (np.isnan(xyz).all(axis=2) == np.isnan(xyz).any(axis=2)).all()  # a point is there or not


def test_the_set_is_the_same_twice_and_no_cover_occurs_twice():
    train, test = toy.toy_depth(train=2, test=1, seed=3, size=48)
    again = toy.toy_depth(train=1, test=1, seed=3, size=48)
    assert [scan.kind for scan in train + test] == ["good", "good", *KINDS]
    np.testing.assert_array_equal(train[0].rgb, again[0][0].rgb)
    np.testing.assert_array_equal(test[-1].xyz, again[1][-1].xyz)
    assert len({scan.rgb.tobytes() for scan in train + test}) == 7
    assert not np.array_equal(toy.toy_depth(1, 0, 4, 48)[0][0].rgb, train[0].rgb)
    assert not train[0].mask.any() and all(scan.mask.any() for scan in test[1:])


def test_a_cover_has_its_own_defect_free_twin():
    rng = np.random.default_rng(0)
    toy.depth_part(rng, "dent", 48)
    other = np.random.default_rng(0)
    toy.depth_part(other, "colour", 48)
    assert rng.random() == other.random()


@pytest.mark.parametrize(
    "arguments, words",
    [({"kind": "rust"}, "rust"), ({"size": 32}, "size"), ({"kind": ""}, "kind of toy scan")],
)
def test_bad_parts(arguments, words):
    with pytest.raises(InputError, match=words):
        toy.depth_part(np.random.default_rng(0), **arguments)


@pytest.mark.parametrize("arguments", [{"train": -1}, {"test": 1.5}, {"seed": -2}])
def test_bad_counts(arguments):
    with pytest.raises(InputError, match=next(iter(arguments))):
        toy.toy_depth(**arguments)
