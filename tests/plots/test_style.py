"""Names are readable in any language, colours are told apart, and no settings are left behind."""

import warnings

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colors

from adlib import plots
from adlib.plots import style
from helpers.plot_examples import CHINESE, picture


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


def test_the_palette_is_told_apart_in_grey_or_by_marker():
    assert len(set(plots.PALETTE)) == len(plots.PALETTE) == len(style.MARKERS) == len(set(style.MARKERS))
    assert all(colors.is_color_like(colour) for colour in plots.PALETTE)
