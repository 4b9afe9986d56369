"""MAEDAY against a plain statement of its score, and without a good image."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from adlib.data.toy import render
from adlib.detectors import MAEDAY, maeday
from adlib.detectors.registry import load_detector
from adlib.errors import InputError
from adlib.evaluation import pixel_metrics
from adlib.features.cache import TensorCache
from adlib.networks.mae import Shape, to_patches
from helpers.plain_mae import official_layout
from helpers.small_nuts import BAD, GOOD, pixels_of

SMALL = {"resize": 32, "patch": 8, "width": 16, "depth": 1, "heads": 2, "decoder_width": 16, "decoder_depth": 1}
SMALL |= {"pretraining_steps": 5, "steps": 4, "batch": 4, "device": "cpu"}


@pytest.fixture(scope="module")
def zero_shot():
    detector = MAEDAY(**SMALL, masks=5)
    return detector, detector.fit_predict([BAD, GOOD[0]])


def test_a_pixel_scores_its_mean_error_over_the_masks_that_hide_it(zero_shot):
    detector, predictions = zero_shot
    network, pixels = detector.network_, pixels_of(BAD)
    truth = to_patches(network.standard(pixels), 8)[0]
    error, times = np.zeros((32, 32)), np.zeros((32, 32))
    with torch.inference_mode():
        for kept in detector.visible_:
            predicted = network(pixels, kept[None])[0]
            for place in sorted(set(range(16)) - set(kept.tolist())):
                row, column = divmod(place, 4)
                window = np.s_[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
                squared = (predicted[place] - truth[place]).square().reshape(8, 8, 3).mean(dim=2)
                error[window] += squared.numpy()
                times[window] += 1
    assert detector.visible_.shape == (5, 4)
    np.testing.assert_allclose(predictions.grids[0], error / np.maximum(times, 1), rtol=1e-4)
    assert predictions.scores[0] == pytest.approx(gaussian_filter(predictions.grids[0], 2.0).max(), rel=1e-4)


def test_an_image_scores_the_same_alone_and_in_a_batch(zero_shot):
    alone = MAEDAY(**SMALL, masks=5).fit_predict([GOOD[0]])
    assert alone.scores[0] == zero_shot[1].scores[1]


def test_the_scorer_of_a_batch_is_saved(zero_shot, tmp_path):
    zero_shot[0].save(tmp_path / "model")
    again = load_detector(tmp_path / "model", device="cpu").predict([BAD, GOOD[0]])
    assert np.array_equal(again.scores, zero_shot[1].scores)


def test_good_images_train_the_network_further():
    start, trained = (MAEDAY(**SMALL | {"steps": steps}, masks=5).fit(GOOD) for steps in (0, 30))
    assert np.array_equal(start.predict([BAD]).scores, MAEDAY(**SMALL, masks=5).fit_predict([BAD]).scores)
    assert trained.predict(GOOD).scores.mean() < start.predict(GOOD).scores.mean()


def test_pixels_of_a_hole_in_fabric_score_higher_than_the_rest():
    """Not a benchmark: on an even texture, what cannot be predicted is the defect."""
    shown, defects = zip(*[render("fabric", "hole", seed, 64) for seed in range(6)], strict=True)
    settings = SMALL | {"resize": 64, "pretraining_steps": 60, "width": 32}
    predictions = MAEDAY(**settings, masks=16, sigma=1.0).fit_predict(list(shown))
    maps = [predictions.anomaly_map(number) for number in range(6)]
    assert pixel_metrics(maps, [mask > 0 for mask in defects])["pixel_auroc"] > 0.7


def test_a_cache_holds_the_pretraining(tmp_path):
    MAEDAY(**SMALL).fit_predict([BAD], TensorCache(tmp_path))
    assert [path.parent.parent.name for path in tmp_path.rglob("*.safetensors") if "mae-" in str(path)]


def test_the_official_weights_from_their_file(monkeypatch, tmp_path):
    """A made-up file of a small network: the true one has 112 million values."""
    tiny = Shape(32, 8, 16, 1, 2, 16, 1, 2)
    monkeypatch.setattr(maeday, "OFFICIAL_SHAPE", tiny)
    torch.save({"model": official_layout(tiny)}, tmp_path / "mae.pth")
    detector = MAEDAY(resize=32, masks=4, pretraining="official", weights=str(tmp_path / "mae.pth"), device="cpu")
    assert np.isfinite(detector.fit_predict([BAD]).scores).all()
    detector.save(tmp_path / "model")
    assert load_detector(tmp_path / "model", device="cpu").pretraining == "official"
    with pytest.raises(InputError, match="sees 32 pixels; set resize=32"):
        MAEDAY(resize=64, pretraining="official").fit_predict([BAD])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kept": 1.0}, "kept is the fraction"),
        ({"masks": 0}, "`masks` is 0"),
        ({"pretraining": "imagenet"}, "Unknown pretraining 'imagenet'"),
        ({"aspect": "keep"}, "images of one shape"),
        ({"resize": 30}, "do not fill 30 pixels"),
    ],
)
def test_settings_that_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        MAEDAY(**SMALL | wrong).fit_predict([BAD])
    with pytest.raises(InputError, match="no images to score"):
        MAEDAY(**SMALL).fit_predict([])
