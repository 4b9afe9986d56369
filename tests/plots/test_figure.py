"""How figures leave: bytes, data URIs, outputs of a notebook."""

import base64
import io

import numpy as np
from PIL import Image

from adlib import plots
from helpers.plot_examples import example_figures, picture


def test_pyplot_keeps_no_figure():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    plots.gallery([picture()])
    assert plt.get_fignums() == before


def test_png_bytes_and_data_uris_hold_the_picture():
    figure = plots.score_histogram([1.0, 2.0], [3.0])
    content = plots.figure_to_png(figure)
    assert content == plots.figure_to_png(figure)
    assert Image.open(io.BytesIO(content)).size == tuple((figure.get_size_inches() * 100).astype(int))
    head, body = plots.png_data_uri(figure).split(",")
    assert head == "data:image/png;base64" and base64.b64decode(body) == content
    array = picture()
    decoded = Image.open(io.BytesIO(base64.b64decode(plots.png_data_uri(Image.fromarray(array)).split(",")[1])))
    np.testing.assert_array_equal(np.asarray(decoded), array)


def test_a_notebook_shows_charts_as_png_and_photographs_as_jpeg():
    (chart,) = example_figures()["score histogram"]._repr_mimebundle_().items()
    (photo,) = example_figures()["gallery"]._repr_mimebundle_().items()
    assert chart[0] == "image/png" and chart[1].startswith(b"\x89PNG")
    assert photo[0] == "image/jpeg" and photo[1].startswith(b"\xff\xd8")
    whole = plots.figure_to_png(example_figures()["score histogram"])
    shown, meant = (np.asarray(Image.open(io.BytesIO(one)).convert("RGB")).astype(int) for one in (chart[1], whole))
    assert len(chart[1]) < len(whole) / 2 and np.abs(shown - meant).mean() < 0.5
