"""Images unlike the good ones are told from them by size, kind and brightness."""

import numpy as np
import pytest
from PIL import Image

from adlib.experiments.looks import Look, described, differences, look_of, range_of

GOOD = range_of([Look((100, 200), "8-bit grey", 100.0), Look((120, 200), "8-bit grey", 104.0)] * 10)


def test_the_range_holds_the_ends():
    assert GOOD == {"count": 20, "sizes": [[100, 200], [120, 200]], "kinds": ["8-bit grey"], "brightness": [102.0, 2.0]}
    assert described(GOOD) == "200 x 100 to 200 x 120 pixels, 8-bit grey, mean brightness 102 ± 2"


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (Look((110, 200), "8-bit grey", 102.0), []),
        (Look((90, 180), "8-bit grey", 116.0), []),  # a little less in each direction, a little brighter
        (Look((50, 100), "8-bit grey", 102.0), ["smaller"]),
        (Look((110, 100), "8-bit grey", 102.0), ["smaller"]),  # cropped in one direction
        (Look((240, 400), "8-bit grey", 102.0), ["larger"]),
        (Look((110, 200), "16-bit grey", 3.0), ["16-bit grey", "darker"]),
        (Look((110, 200), "8-bit colour", 140.0), ["8-bit colour", "brighter"]),
    ],
)
def test_what_lies_far_outside_is_named(look, expected):
    assert differences(look, GOOD) == expected


def test_tiles_may_come_from_a_larger_image():
    assert differences(Look((240, 400), "8-bit grey", 102.0), GOOD, in_tiles=True) == []


def test_brightness_that_varies_is_allowed_to_vary():
    varied = range_of([Look((9, 9), "8-bit grey", value) for value in [80.0, 120.0] * 10])
    assert differences(Look((9, 9), "8-bit grey", 20.0), varied) == []
    assert differences(Look((9, 9), "8-bit grey", 225.0), varied) == ["brighter"]


def test_one_image_in_ten_thousand_is_called_too_dark_or_too_bright():
    few = range_of([Look((9, 9), "8-bit grey", value) for value in [90.0, 110.0] * 4])
    step = 7.885 * (10 * (8 / 7) ** 0.5) * (9 / 8) ** 0.5  # Student's t, 7 degrees of freedom, at 0.00005
    assert differences(Look((9, 9), "8-bit grey", 100 - 0.99 * step), few) == []
    assert differences(Look((9, 9), "8-bit grey", 100 - 1.01 * step), few) == ["darker"]


def test_one_image_shows_no_spread():
    assert differences(Look((9, 9), "8-bit grey", 255.0), range_of([Look((9, 9), "8-bit grey", 0.0)])) == []


@pytest.mark.parametrize(
    ("values", "kind", "brightness"),
    [
        (np.full((4, 6), 80, np.uint8), "8-bit grey", 80),
        (np.full((4, 6, 3), 80, np.uint8), "8-bit grey", 80),  # three equal channels are no colour
        (np.tile(np.uint8([90, 60, 30]), (4, 6, 1)), "8-bit colour", 60),
        (np.full((4, 6), 80 * 257, np.uint16), "16-bit grey", 80),
    ],
)
def test_the_look_of_a_file(tmp_path, values, kind, brightness):
    Image.fromarray(values).save(tmp_path / "a.png")
    assert look_of(tmp_path / "a.png") == Look((4, 6), kind, pytest.approx(brightness))
