"""A detector on a picture larger than its tiles."""

import numpy as np
import pytest
from PIL import Image

from adlib.detectors.registry import make_detector
from adlib.detectors.tiled import score_image
from adlib.errors import InputError
from adlib.features.tiles import tile_starts
from helpers.textures import texture


@pytest.fixture(scope="module")
def detector():
    """Sees the picture's own pixels, so that tiled and whole can be compared patch by patch."""
    good = [texture(192, 192, seed) for seed in range(4)]
    return make_detector("patchcore", resize=None, layers=("blocks2",), coreset=400).fit(good)


@pytest.fixture(scope="module")
def marred():
    """A dark blot across the border of the first tile: tiles of 192 start at 0, 128, 192."""
    picture = texture(192, 384, 9)
    picture[80:110, 178:206] = 20
    return Image.fromarray(picture)


def test_the_tiled_map_is_close_to_the_whole_one(detector, marred):
    whole, tiled = score_image(detector, marred), score_image(detector, marred, (192, 192))
    assert whole.tiles == 1 and tiled.tiles == 3
    assert tiled.anomaly_map.shape == whole.anomaly_map.shape == (192, 384)
    contrast = np.ptp(whole.anomaly_map)
    assert np.abs(tiled.anomaly_map - whole.anomaly_map).mean() < 0.03 * contrast
    assert np.corrcoef(tiled.anomaly_map.ravel(), whole.anomaly_map.ravel())[0, 1] > 0.98
    assert np.unravel_index(tiled.anomaly_map.argmax(), (192, 384))[1] in range(170, 214)


def test_a_defect_on_a_tile_border_scores_no_lower(detector, marred):
    whole, tiled = score_image(detector, marred), score_image(detector, marred, (192, 192))
    assert tiled.score >= whole.score * (1 - 1e-3)


def test_no_seam_where_tiles_meet(detector):
    good = score_image(detector, Image.fromarray(texture(192, 640, 11)), (192, 192)).anomaly_map
    steps = np.abs(np.diff(good, axis=1)).mean(axis=0)
    borders = [edge - 1 for start in tile_starts(640, 192) for edge in (start, start + 192) if 0 < edge < 640]
    assert steps[borders].max() <= steps.max() and steps[borders].mean() < 2 * steps.mean()


def test_a_picture_of_a_tiles_size_is_not_cut(detector, marred):
    small = marred.crop((0, 0, 192, 192))
    assert score_image(detector, small, (192, 192)).score == score_image(detector, small).score


def test_hidden_borders_of_tiles_overlap():
    good = [texture(128, 128, seed) for seed in range(2)]
    cropped = make_detector("patchcore", resize=128, crop=64, layers=("blocks2",), coreset=100).fit(good)
    anomaly_map = score_image(cropped, Image.fromarray(texture(128, 320, 5)), (128, 128)).anomaly_map
    assert np.isfinite(anomaly_map[32:96, 32:-32]).all() and np.isnan(anomaly_map[:, :32]).all()


def test_masked_pictures_are_not_tiled(detector, marred):
    masked = make_detector("anomalydino", resize=None, rotate=False, mask="always").fit([texture(192, 192)])
    with pytest.raises(InputError, match="masks the background"):
        score_image(masked, marred, (192, 192))
