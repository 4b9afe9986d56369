"""What holds for every figure: nothing cut off, names readable, no settings left behind, and how figures leave."""

import base64
import io
import warnings

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colors
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from adlib import plots
from adlib.plots import style
from helpers.plot_examples import CHINESE, NAMES, example_figures, picture


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_off_at_the_edge(name):
    figure = example_figures()[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a layout that collapses and a missing glyph both warn
        box = figure.get_tightbbox(drawn(figure))
    width, height = figure.get_size_inches()
    assert box.x0 >= -0.01 and box.y0 >= -0.01, box
    assert box.x1 <= width + 0.01 and box.y1 <= height + 0.01, box


def test_the_list_of_examples_is_complete():
    assert set(NAMES) == set(example_figures())


def drawn(figure):
    """The renderer of the figure after its layout was made."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas.get_renderer()


@pytest.mark.parametrize("name", ["gallery", "contact sheet", "gallery tall"])
def test_titles_do_not_touch_each_other(name):
    figure = example_figures()[name]
    renderer = drawn(figure)
    boxes = [ax.title.get_window_extent(renderer) for ax in figure.axes if ax.get_title()]
    assert len(boxes) > 3
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


@pytest.mark.parametrize("name", ["learning curves", "learning curve"])
def test_shot_labels_do_not_touch_each_other(name):
    figure = example_figures()[name]
    renderer = drawn(figure)
    for ax in figure.axes:
        labels = ax.get_xticklabels()
        assert [label.get_text() for label in labels] == ["1", "4", "32", "256"]
        if labels[0].get_rotation() == 0:
            boxes = [label.get_window_extent(renderer) for label in labels]
            assert all(left.x1 < right.x0 for left, right in zip(boxes, boxes[1:], strict=False))


@pytest.mark.skipif(style.chinese_font() is None, reason="no font with Chinese glyphs is installed")
def test_chinese_names_are_drawn_with_glyphs():
    figure = plots.contact_sheet([picture()], [CHINESE])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.figure_to_png(figure)
    assert figure.axes[0].get_title() == CHINESE


def test_without_a_chinese_font_names_become_boxes_and_nothing_warns(monkeypatch):
    monkeypatch.setattr(style, "CHINESE_FONTS", ())
    assert plots.chinese_font() is None
    figure = plots.contact_sheet([picture()], [CHINESE])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.figure_to_png(figure)
    assert figure.axes[0].get_title() == "□□□□_crop_3_embossed"


def test_a_dollar_in_a_file_name_is_no_formula():
    title = plots.contact_sheet([picture(shape=(48, 480))], ["cost_$a_b^c$_\\1"])
    assert plots.figure_to_png(title).startswith(b"\x89PNG")
    assert not matplotlib.cbook.is_math_text(title.axes[0].get_title())


def test_figures_leave_the_callers_settings_alone_and_use_style_changes_them():
    before = dict(matplotlib.rcParams)
    plots.score_histogram([1.0], [2.0])
    assert dict(matplotlib.rcParams) == before
    with matplotlib.rc_context():
        plots.use_style()
        assert matplotlib.rcParams["font.family"][0] == "DejaVu Sans"
        assert dict(matplotlib.rcParams) != before


def test_pyplot_keeps_no_figure():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    plots.gallery([picture()])
    assert plt.get_fignums() == before


@given(st.text(alphabet="ab_单孔", max_size=60), st.integers(3, 40))
def test_shorten_keeps_both_ends_within_the_width(name, width):
    short = style.shorten(name, width)
    assert style.text_width(short) <= width
    if style.text_width(name) <= width:
        assert short == name
    else:
        head, tail = short.split("…")
        assert name.startswith(head) and name.endswith(tail)
        assert style.text_width(short) >= width - 2  # nothing thrown away that had room


def test_shorten_treats_lines_apart():
    assert style.shorten("abcdefghij\nxy", 5) == "ab…ij\nxy"


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


def test_the_palette_is_told_apart_in_grey_or_by_marker():
    assert len(set(plots.PALETTE)) == len(plots.PALETTE) == len(style.MARKERS) == len(set(style.MARKERS))
    assert all(colors.is_color_like(colour) for colour in plots.PALETTE)
