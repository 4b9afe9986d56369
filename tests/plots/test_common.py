"""What holds for every figure: nothing is cut off, no text touches another."""

import warnings

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from helpers.plot_examples import NAMES, example_figures


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
