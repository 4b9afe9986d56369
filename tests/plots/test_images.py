"""Images with their anomaly maps: one scale for all, nothing hidden, thresholds drawn where they are."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from adlib import plots
from adlib.errors import InputError
from helpers.plot_examples import SIDE, a_mask, defective_map, good_map, map_artists, picture, with_gid


def test_all_panels_share_one_scale():
    limits = plots.colour_limits([good_map(5)])
    maps = [good_map(0), defective_map(1), defective_map(2, height=500)]
    artists = map_artists(plots.gallery([picture()] * 3, maps, limits=limits))
    assert len(artists) == 3
    assert {artist.get_clim() for artist in artists} == {tuple(limits)}


def test_a_defective_image_changes_no_other_panel():
    limits = plots.colour_limits([good_map(5)])
    alone = map_artists(plots.gallery([picture()], [good_map()], limits=limits))
    beside = map_artists(plots.gallery([picture()] * 2, [good_map(), defective_map(1, 1e4)], limits=limits))
    np.testing.assert_array_equal(alone[0].to_rgba(alone[0].get_array()), beside[0].to_rgba(beside[0].get_array()))


def test_gallery_refuses_to_scale_maps_by_themselves():
    with pytest.raises(InputError, match="colour_limits"):
        plots.gallery([picture()], [defective_map()])


def test_what_was_not_looked_at_is_transparent_and_hatched():
    scores = good_map()
    scores[:, :10] = np.nan
    figure = plots.overlay(picture(), scores, (0, 1))
    artist = map_artists(figure)[0]
    alpha = artist.to_rgba(artist.get_array())[..., 3]
    assert (alpha[:, :10] == 0).all() and (alpha[:, 10:] > 0).all()
    hatches = [hatch for each in figure.axes[0].collections for hatch in getattr(each, "hatches", []) if hatch]
    assert hatches == ["////"]


def test_outlines_surround_the_region_above_the_threshold_and_the_mask():
    scores = np.zeros((SIDE, SIDE))
    scores[30:40, 5:15] = 2.0
    figure = plots.overlay(picture(), scores, (0, 1), 1.0, mask=a_mask())
    for gid, box in [("above threshold", (5, 30, 14, 39)), ("ground truth", (12, 10, 29, 19))]:
        (outline,) = with_gid(figure, gid)
        places = np.concatenate([path.vertices for path in outline.get_paths()])
        assert places.min(axis=0) == pytest.approx(np.array(box[:2]) - 0.5)
        assert places.max(axis=0) == pytest.approx(np.array(box[2:]) + 0.5)


def test_a_score_equal_to_the_threshold_is_not_outlined():
    figure = plots.overlay(picture(), np.full((SIDE, SIDE), 1.0), (0, 2), 1.0)
    assert with_gid(figure, "above threshold") == []


def test_a_patch_grid_covers_the_whole_image():
    grid = np.zeros((4, 6))
    grid[1, 2] = 5.0
    figure = plots.overlay(picture(shape=(40, 60)), grid, (0, 1), 1.0)
    assert map_artists(figure)[0].get_extent() == [-0.5, 59.5, 39.5, -0.5]
    places = np.concatenate([path.vertices for path in with_gid(figure, "above threshold")[0].get_paths()])
    assert places.min(axis=0) == pytest.approx([19.5, 9.5]) and places.max(axis=0) == pytest.approx([29.5, 19.5])


def test_overlay_draws_into_given_axes():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert plots.overlay(picture(), good_map(), (0, 1), ax=right) is figure
    assert len(figure.axes) == 2 and len(right.images) == 2 and not left.images


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": []}, "no image"),
        ({"images": [picture()], "titles": ["a", "b"]}, "1 images but 2 titles"),
        ({"images": [picture()], "maps": [good_map()] * 2, "limits": (0, 1)}, "1 images but 2 maps"),
        ({"images": [picture()], "maps": [good_map()[None]], "limits": (0, 1)}, "anomaly map has shape"),
        ({"images": [picture()], "maps": [good_map()], "limits": (1, 1)}, "limits is"),
        ({"images": [picture()], "threshold": 1.0}, "no maps"),
        ({"images": [picture()], "columns": 0}, "columns is 0"),
        ({"images": [picture().transpose(2, 0, 1)]}, "channels last"),
        ({"images": [picture().astype(float)]}, "scale it to"),
    ],
)
def test_gallery_names_what_is_wrong(arguments, message):
    with pytest.raises(InputError, match=message):
        plots.gallery(**arguments)


def test_rows_of_different_length_are_refused():
    with pytest.raises(InputError, match="same number"):
        plots.picture_rows({"a": [picture()], "b": [picture()] * 2})


def test_a_reconstruction_stands_between_its_image_and_its_map():
    images, maps = [np.full((8, 8), 0.5)] * 2, [np.zeros((8, 8)), np.ones((8, 8))]
    figure = plots.reconstructions(images, [one + 0.7 for one in images], maps, limits=(0.0, 2.0), titles=["a", "b"])
    rows = [ax for ax in figure.axes if ax.images][:6]
    assert sorted(ax.get_ylabel() for ax in rows if ax.get_ylabel()) == ["anomaly map", "image", "reconstruction"]
    shown = {ax.get_ylabel(): ax.images[-1].get_array() for ax in rows if ax.get_ylabel()}
    assert shown["reconstruction"].max() == 1.0 and shown["anomaly map"].max() == 0.0
    brighter = plots.reconstructions(images, images, maps, limits=(0.0, 2.0), gain=1.5)
    assert [float(ax.images[0].get_array().max()) for ax in brighter.axes[:2]] == [0.75, 0.75]
    with pytest.raises(InputError, match="reconstructions"):
        plots.reconstructions(images, images[:1], maps, limits=(0.0, 2.0))


def test_steps_of_one_map_share_one_scale_beside_one_image():
    maps = {"patches": good_map()[::8, ::8], "map": defective_map()}
    figure = plots.map_steps(picture(), maps, limits=(0.0, 2.0), mask=a_mask(), title="crack")
    assert [ax.get_title() for ax in figure.axes[:3]] == ["crack", "patches", "map"]
    artists = map_artists(figure)
    assert [artist.get_array().shape for artist in artists] == [scores.shape for scores in maps.values()]
    assert {artist.get_clim() for artist in artists} == {(0.0, 2.0)}
    assert len(with_gid(figure, "ground truth")) == 2
