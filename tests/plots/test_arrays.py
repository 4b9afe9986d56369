"""Images of any mode become arrays to plot."""

import numpy as np
import pytest
from PIL import Image

from adlib.plots.arrays import as_array
from helpers.plot_examples import SIDE


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA", "CMYK", "1", "I;16"])
def test_images_of_any_mode_are_taken(mode):
    source = Image.fromarray(np.linspace(0, 255, SIDE * SIDE).reshape(SIDE, SIDE).astype(np.uint8))
    image = Image.fromarray(np.asarray(source).astype(np.uint16) * 16) if mode == "I;16" else source.convert(mode)
    array = as_array(image)
    assert array.shape[:2] == (SIDE, SIDE) and array.min() == 0 and array.max() == pytest.approx(1, abs=0.01)
