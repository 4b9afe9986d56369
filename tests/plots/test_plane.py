"""Points in a plane, and the threshold of a field."""

import numpy as np
import pytest

from adlib import plots
from adlib.errors import InputError


def test_points_draw_the_threshold_where_the_field_has_it():
    x = np.linspace(-3, 3, 61)
    field = (x, x, np.hypot(*np.meshgrid(x, x)))
    figure = plots.points({"good": np.zeros((1, 2))}, field=field, threshold=2.0)
    line = figure.axes[0].collections[-1]
    assert np.hypot(*np.concatenate([path.vertices for path in line.get_paths()]).T) == pytest.approx(2.0, abs=0.02)
    with pytest.raises(InputError, match="no field"):
        plots.points({"good": np.zeros((1, 2))}, threshold=2.0)


def test_a_link_joins_two_points_and_states_their_distance():
    links = [((0, 0), (3, 4)), ((0, 0), (0, 1))]
    figure = plots.points({"good": np.zeros((1, 2))}, links=links, height=2.5)
    found = [line.get_xydata().tolist() for line in figure.axes[0].lines if line.get_gid() == "link"]
    assert found == [[[0, 0], [3, 4]], [[0, 0], [0, 1]]]
    assert [text.get_text() for text in figure.axes[0].texts] == ["5.0", "1.0"]
    assert figure.get_figheight() == 2.5


def test_panels_show_each_stage_with_one_colour_a_name():
    stages = {"before": {"left": np.ones((3, 2)), "good": np.zeros((1, 2))}, "after": {"left": -np.ones((3, 2))}}
    figure = plots.panels(stages, columns=1, reach=2.0)
    before, after = figure.axes
    assert [ax.get_title() for ax in (before, after)] == ["before", "after"]
    assert before.lines[0].get_color() == after.lines[0].get_color() != before.lines[1].get_color() == plots.GOOD
    assert before.get_xlim() == after.get_ylim() == (-2.0, 2.0)
    with pytest.raises(InputError, match="no stage"):
        plots.panels({})


def test_coverings_state_the_covering_radius_of_each_step():
    cloud = np.array([[0.0, 0], [1, 0], [4, 0], [0, 3]])
    figure = plots.coverings(cloud, {"farthest first": [0, 2, 3], "random": [0, 1, 2]}, (1, 2))
    assert [ax.get_title() for ax in figure.axes] == [
        "1 kept: radius 4.0",
        "2 kept: radius 3.0",
        "1 kept: radius 4.0",
        "2 kept: radius 3.0",
    ]
    assert [ax.get_ylabel() for ax in figure.axes] == ["farthest first\nfeature 2", "", "random\nfeature 2", ""]
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "", "feature 1", "feature 1"]
    with pytest.raises(InputError, match="1 to the 3 picks"):
        plots.coverings(cloud, {"farthest first": [0, 2, 3]}, (4,))


def test_few_points_are_larger_than_a_cloud():
    cloud, single = plots.points({"good": np.zeros((200, 2)), "bridge": np.ones((1, 2))}).axes[0].lines
    assert single.get_markersize() > cloud.get_markersize()
