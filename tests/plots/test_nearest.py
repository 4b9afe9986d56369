"""The browser of neighbours: which patch is framed, and what is shown with and without a person."""

import io

import ipywidgets
import numpy as np
import pytest
from PIL import Image

from adlib import plots
from adlib.errors import InputError
from adlib.plots import nearest


@pytest.fixture
def figure_at():
    image = np.zeros((40, 80, 3), np.uint8)
    scores = np.arange(8.0).reshape(2, 4)

    def at(row, column):
        return plots.nearest_patches(image, scores, (row, column), [(image, (0, 3))] * 4, list("abcd"), (0, 7))

    return at


def test_the_frame_is_around_the_chosen_patch_and_the_scale_is_explained(figure_at):
    figure = figure_at(1, 2)
    frame = next(patch for patch in figure.axes[0].patches if patch.get_gid() == "patch")
    assert (*frame.get_xy(), frame.get_width(), frame.get_height()) == (39.5, 19.5, 20, 20)
    assert "anomaly score" in [ax.get_ylabel() for ax in figure.axes]
    assert [ax.get_title() for ax in figure.axes if ax.get_title() in list("abcd")] == list("abcd")
    with pytest.raises(InputError, match="row 2, column 0"):
        figure_at(2, 0)
    with pytest.raises(InputError, match="1 entries but 2 titles"):
        plots.nearest_patches(
            np.zeros((4, 4)), np.zeros((2, 2)), (0, 0), [(np.zeros((4, 4)), (0, 0))], ["a", "b"], (0, 1)
        )


def test_a_crop_is_the_patch_with_two_more_on_each_side_and_repeated_edges():
    image = np.arange(64).reshape(8, 8) / 64.0
    figure = plots.nearest_patches(image, np.zeros((8, 8)), (4, 4), [(image, (0, 7))], ["entry"], (0, 1))
    shown = {ax.get_title(): np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images}
    np.testing.assert_array_equal(shown["test patch"], image[2:7, 2:7])
    rows, columns = [0, 0, 0, 1, 2], [5, 6, 7, 7, 7]
    np.testing.assert_array_equal(shown["entry"], image[np.ix_(rows, columns)])
    crop = next(ax for ax in figure.axes if ax.get_title() == "entry")
    (frame,) = (patch for patch in crop.patches if patch.get_gid() == "patch")
    assert (*frame.get_xy(), frame.get_width(), frame.get_height()) == (1.5, 1.5, 1, 1)  # the patch in its crop


def test_without_a_person_the_figure_is_shown_instead_of_sliders(figure_at):
    figure = plots.browse(figure_at, (2, 4), (1, 2))
    assert "row 1, column 2" in figure.axes[0].get_title()


def test_sliders_cover_the_grid_and_change_the_figure_without_stretching_it(figure_at, monkeypatch):
    monkeypatch.setattr(nearest, "_somebody_is_there", lambda: True)
    box = plots.browse(figure_at, (2, 4), (1, 2))
    (row, column), shown = box.children[0].children, box.children[1]
    assert isinstance(row, ipywidgets.IntSlider)
    assert [(s.min, s.max, s.value, s.description) for s in (row, column)] == [(0, 1, 1, "row"), (0, 3, 2, "column")]
    first = shown.value
    assert first == plots.figure_to_png(figure_at(1, 2))
    column.value = 3
    assert shown.value == plots.figure_to_png(figure_at(1, 3)) != first
    width = Image.open(io.BytesIO(first)).width
    assert (shown.layout.max_width, shown.layout.height) == (f"{width}px", "auto")


@pytest.mark.parametrize(("content", "expected"), [({"allow_stdin": True}, True), ({"allow_stdin": False}, False)])
def test_a_person_is_there_where_the_frontend_accepts_questions(monkeypatch, content, expected):
    class Shell:
        def get_parent(self):
            return {"content": content}

    monkeypatch.setattr("IPython.get_ipython", Shell)
    assert nearest._somebody_is_there() is expected
