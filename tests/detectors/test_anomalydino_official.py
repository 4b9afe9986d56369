"""AnomalyDINO's switches: each does what the official code does, and changes nothing else."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from adlib.data.rotation import rotate
from adlib.detectors.anomalydino import OFFICIAL, AnomalyDINO
from adlib.detectors.base import Predictions
from adlib.detectors.masking import grown
from adlib.errors import InputError
from adlib.features.cache import TensorCache
from adlib.features.patches import Preprocess
from helpers.plain_anomalydino import STORED, cases, stretched

SMALL = {"resize": 96, "mask": "never", "rotate": False}


@pytest.fixture(scope="module")
def stored() -> dict:
    return json.loads(STORED.read_text(encoding="utf-8"))


def same(ours: Predictions, theirs: Predictions) -> bool:
    """Whether scores and patch scores agree bit for bit."""
    grids = zip(ours.grids, theirs.grids, strict=True)
    return np.array_equal(ours.scores, theirs.scores) and all(np.array_equal(a, b) for a, b in grids)


def test_the_stored_arrays_are_what_the_plain_statement_gives(stored):
    assert cases() == stored


# --- rotation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("angle", ["30", "45", "90", "135", "180", "315"])
def test_official_rotation_is_the_plain_one(stored, angle):
    image = Image.fromarray(np.array(stored["rotation"]["image"], dtype=np.uint8))
    expected = np.array(stored["rotation"]["turned"][angle])
    assert np.array_equal(np.asarray(rotate(image, float(angle), "official")), expected)
    assert not np.array_equal(np.asarray(rotate(image, float(angle))), expected)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 7, 3), (7, 1, 3)])
def test_official_rotation_of_a_line_and_of_no_turn(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert np.asarray(rotate(Image.fromarray(pixels), 45, "official")).shape == shape
    assert np.array_equal(np.asarray(rotate(Image.fromarray(pixels), 360, "official")), pixels)


def test_official_rotation_changes_rotated_references_alone(nuts):
    ours, theirs = (
        AnomalyDINO(**SMALL | {"rotate": True}, rotation=r).fit(nuts[0][:1]) for r in ("centred", "official")
    )
    patches = 36
    assert torch.equal(ours.bank_[:patches], theirs.bank_[:patches])
    changed = (ours.bank_ != theirs.bank_).any(dim=1).reshape(8, patches)
    assert not changed[0].any() and changed[1:].any(dim=1).all()
    image = rotate(Image.open(nuts[0][0]).convert("RGB"), 45, "official")
    alone = AnomalyDINO(**SMALL).fit([image]).bank_
    assert torch.allclose(theirs.bank_[patches : 2 * patches], alone, atol=1e-5)


def test_official_rotation_without_rotated_references_changes_nothing(nuts, tmp_path):
    cache = TensorCache(tmp_path)
    ours, theirs = (AnomalyDINO(**SMALL, rotation=rotation) for rotation in ("centred", "official"))
    assert ours._columns(cache).kind == theirs._columns(cache).kind
    assert same(ours.fit(nuts[0][:2]).predict(nuts[2][:2]), theirs.fit(nuts[0][:2]).predict(nuts[2][:2]))


def test_features_and_distances_on_disk_are_those_of_one_rotation(nuts, tmp_path):
    cache = TensorCache(tmp_path)
    turning = SMALL | {"rotate": True}
    AnomalyDINO(**turning).share_distances(nuts[0][:2], nuts[2][:2], cache)
    official = AnomalyDINO(**turning, rotation="official")
    found = official.fit(nuts[0][:2], cache).predict(nuts[2][:2], cache)
    assert same(found, AnomalyDINO(**turning, rotation="official").fit(nuts[0][:2]).predict(nuts[2][:2]))
    assert not same(found, AnomalyDINO(**turning).fit(nuts[0][:2]).predict(nuts[2][:2]))


# --- mask growth -------------------------------------------------------------------------------------------------


def test_column_growth_is_the_plain_one(stored):
    mask = np.array(stored["mask_growth"]["mask"], dtype=bool)
    assert np.array_equal(grown(mask, "column"), np.array(stored["mask_growth"]["grown"], dtype=bool))


def test_a_disc_grows_along_its_rows_alone():
    rows, columns = np.indices((32, 32)) - 15.5
    disc = rows**2 + columns**2 < 7.95**2
    assert (disc.sum(), grown(disc, "grid").sum(), grown(disc, "column").sum()) == (208, 276, 240)


def test_column_growth_wraps_round_at_the_ends_of_rows():
    mask = np.zeros((3, 4), dtype=bool)
    mask[1, 3] = True
    assert np.argwhere(grown(mask, "column")).tolist() == [[1, 2], [1, 3], [2, 0]]


def test_mask_growth_changes_which_patches_count_and_no_distance(nuts):
    settings = {"resize": 128, "rotate": False, "layers": ("blocks2",), "mask_threshold": 4.0}
    free = AnomalyDINO(**settings, mask="never").fit(nuts[0][:2]).predict(nuts[2][:2])
    masked = {g: AnomalyDINO(**settings, mask="always", mask_growth=g).fit(nuts[0][:2]) for g in ("grid", "column")}
    found = {growth: detector.predict(nuts[2][:2]) for growth, detector in masked.items()}
    assert not same(found["grid"], found["column"])
    for growth, detector in masked.items():
        masks = [detector.object_mask(features) for features in detector._features(nuts[2][:2])]
        assert all(np.array_equal(g, f * m) for g, f, m in zip(found[growth].grids, free.grids, masks, strict=True))
    assert torch.equal(masked["grid"].bank_, masked["column"].bank_)
    never = AnomalyDINO(**settings, mask="never", mask_growth="column").fit(nuts[0][:2])
    assert same(never.predict(nuts[2][:2]), free)


# --- maps --------------------------------------------------------------------------------------------------------


def test_stretched_maps_cover_the_strip_that_the_network_did_not_see(stored):
    grid = np.array(stored["stretch_maps"]["grid"], dtype=np.float32)
    _, frame = Preprocess(None, multiple=14)(Image.new("RGB", (45, 31)))
    assert frame.seen == (28, 42)
    maps = [AnomalyDINO(stretch_maps=stretch, sigma=0).assemble([1.0], [grid], [frame]) for stretch in (True, False)]
    np.testing.assert_allclose(maps[0].anomaly_map(0), stored["stretch_maps"]["map"], atol=1e-6)
    seen = np.array(stretched(grid.tolist(), 28, 42))
    np.testing.assert_allclose(maps[1].anomaly_map(0), np.pad(seen, ((0, 3), (0, 3)), mode="edge"), atol=1e-6)
    assert np.array_equal(maps[0].network_map(0), maps[1].network_map(0))


def test_maps_of_images_that_are_seen_whole_are_the_same_and_so_are_scores(nuts):
    options = SMALL | {"backbone": "efficientnet_lite0"}
    ours, theirs = (AnomalyDINO(**options, stretch_maps=s).fit(nuts[0][:2]).predict(nuts[2][:1]) for s in (False, True))
    assert same(ours, theirs) and np.array_equal(ours.anomaly_map(0), theirs.anomaly_map(0))


# --- batched zero-shot -------------------------------------------------------------------------------------------


def as_images(patches: list) -> list[np.ndarray]:
    """Images of 4 x 5 pixels; each pixel is a patch of three values."""
    return [np.array(image, dtype=np.uint8).reshape(4, 5, 3) for image in patches]


def of_pixels(**options) -> AnomalyDINO:
    return AnomalyDINO(layers=("pixels",), resize=None, mask="never", rotate=False, **options)


def test_a_batch_is_scored_by_the_closest_share(stored):
    case = stored["batch_share"]
    found = of_pixels(batch_share=case["share"]).fit_predict(as_images(case["images"]))
    np.testing.assert_allclose([grid.ravel() for grid in found.grids], case["distances"], atol=1e-6)


def test_the_closest_share_by_hand():
    """Three images of two equal pixels: green is 1 from red, yellow is 1 - cos 45 degrees from both."""
    red, green, yellow = [255, 0, 0], [0, 255, 0], [255, 255, 0]
    images = [np.array([[pixel, pixel]], dtype=np.uint8) for pixel in (red, green, yellow)]
    found = of_pixels(batch_share=0.75).fit_predict(images)  # of four patches: 3
    side = 1 - np.sqrt(0.5)
    expected = [(2 * side + 1) / 3, (2 * side + 1) / 3, side]
    np.testing.assert_allclose([grid[0, 0] for grid in found.grids], expected, atol=1e-6)


def test_a_share_of_one_patch_is_the_nearest(stored):
    images = as_images(stored["batch_share"]["images"])
    one, none = (of_pixels(batch_share=share).fit_predict(images) for share in (0.049, 0.0))  # of 40 patches: 1
    np.testing.assert_allclose(one.grids, none.grids, atol=1e-6)
    two = of_pixels(batch_share=0.05).fit_predict(images)
    assert all((a >= b).all() for a, b in zip(two.grids, one.grids, strict=True)) and not same(two, one)


def test_the_batch_share_changes_batches_alone(nuts):
    ours, theirs = (AnomalyDINO(**SMALL, batch_share=share) for share in (0.0, 0.5))
    assert same(ours.leave_one_out(nuts[0][:3]), theirs.leave_one_out(nuts[0][:3]))
    assert same(ours.fit(nuts[0][:2]).predict(nuts[2][:2]), theirs.fit(nuts[0][:2]).predict(nuts[2][:2]))
    alone = theirs.fit(nuts[0][1:3]).predict(nuts[0][:1])
    assert theirs.leave_one_out(nuts[0][:3]).scores[0] == alone.scores[0]
    assert (theirs.fit_predict(nuts[0][:3]).scores > ours.fit_predict(nuts[0][:3]).scores).all()


# --- all of them -------------------------------------------------------------------------------------------------


def test_the_defaults_leave_the_hash_of_older_rows():
    switches = set(OFFICIAL)
    assert not switches & set(AnomalyDINO.growth.hashed(AnomalyDINO().parameters()))
    assert switches <= set(AnomalyDINO.growth.hashed(AnomalyDINO(**OFFICIAL).parameters()))
    older = {name: value for name, value in AnomalyDINO().parameters().items() if name not in switches}
    assert AnomalyDINO.growth.read(older) == AnomalyDINO().parameters()


def test_features_of_unturned_images_keep_their_name():
    network = SimpleNamespace(name="net", weights_sha256="0", precision="float32", patch_multiple=1)
    ours, theirs = (AnomalyDINO(layers=("a",), rotation=rotation) for rotation in ("centred", "official"))
    for detector in (ours, theirs):
        detector.network = lambda: network
    kinds = [[d.spec().kind(network, "a", angle) for angle in (0, 45)] for d in (ours, theirs)]
    assert kinds[0] == ["net-a-c38992c29c40e937", "net-a-67d2080e56aa5e7c"]
    assert kinds[1][0] == kinds[0][0] and kinds[1][1] != kinds[0][1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rotation": "askew"}, "rotation 'askew'"),
        ({"mask_growth": "sideways"}, "mask_growth 'sideways'"),
        ({"batch_share": 1.5}, "batch_share is a fraction"),
        ({"batch_share": -0.1}, "batch_share is a fraction"),
    ],
)
def test_unknown_switches_are_refused(nuts, options, said):
    with pytest.raises(InputError, match=said):
        AnomalyDINO(**options).fit(nuts[0][:1])
