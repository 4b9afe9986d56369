import base64
import functools
import io
import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colors
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from adlib import plots
from adlib.errors import InputError
from adlib.plots import style
from adlib.plots.pictures import as_picture

matplotlib.use("Agg")

SIDE = 48
CHINESE = "单个气孔_crop_3_embossed"


def rng(seed=0):
    return np.random.default_rng(seed)


def good_map(seed=0):
    return rng(seed).gamma(2.0, 0.1, (SIDE, SIDE))


def defective_map(seed=0, height=50.0):
    scores = good_map(seed)
    scores[10:20, 12:30] += height
    return scores


def picture(seed=0, shape=(SIDE, SIDE, 3)):
    return rng(seed).integers(0, 256, shape, dtype=np.uint8)


def a_mask():
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    mask[10:20, 12:30] = 255
    return mask


def some_runs():
    rows = [
        {
            "method": method,
            "shots": shots,
            "seed": seed,
            "image_auroc": level + 0.01 * np.log2(shots) + rng(seed + shots).normal() * 0.01,
            "pixel_auroc": level,
        }
        for level, method in [(0.8, "AnomalyDINO"), (0.7, "PatchCore")]
        for shots in (1, 4, 32, 256)
        for seed in range(3)
    ]
    return pd.DataFrame(rows)


NAMES = (
    "overlay",
    "overlay off scale",
    "gallery",
    "gallery wide",
    "gallery tall",
    "gallery of masks",
    "contact sheet",
    "picture rows",
    "learning curve",
    "learning curves",
    "lines",
    "score histogram",
    "roc and pr",
    "method scores",
    "ours beside published",
    "points",
)


@functools.cache
def example_figures():
    """Every public figure, with long and Chinese names."""
    names = ["good", CHINESE, "a_very_long_file_name_that_does_not_end_" * 3, "two\nlines"]
    images = [picture(i) for i in range(4)]
    maps = [good_map(0), *(defective_map(i) for i in range(3))]
    limits = plots.colour_limits([good_map(7)])
    masks = [None, a_mask(), a_mask(), None]
    runs = some_runs()
    references = {"image_auroc": {"published, " + "with a long source " * 3: {1: 0.8, 4: 0.9}, "full-shot": 0.95}}
    pairs = pd.DataFrame({"label": names, "ours": [96.0, 97, 98, 99], "published": [95.0, 98, np.nan, 99.2]})
    x = np.linspace(-3, 3, 20)
    return {
        "overlay": plots.overlay(images[0], maps[1], limits, 0.9, mask=a_mask(), title=names[2]),
        "overlay off scale": plots.overlay(images[0], maps[1], limits, 1e6),
        "gallery": plots.gallery(images, maps, masks, titles=names, limits=limits, threshold=0.9),
        "gallery wide": plots.gallery(
            [picture(1, (20, 160))] * 2, [rng(1).random((20, 160))] * 2, titles=names[:2], limits=limits
        ),
        "gallery tall": plots.gallery([picture(1, (90, 10))] * 5, titles=[CHINESE] * 5),
        "gallery of masks": plots.gallery(images, masks=masks, titles=names),
        "contact sheet": plots.contact_sheet(images * 4, names * 4),
        "picture rows": plots.picture_rows({"input": images, CHINESE * 2: images}, names),
        "learning curve": plots.learning_curve(runs, references=references, title=CHINESE),
        "learning curves": plots.learning_curve(runs, ["image_auroc", "pixel_auroc", "image_auroc"]),
        "lines": plots.lines({CHINESE: (x, x**2)}, x_label="step", y_label="loss", references={"floor": 1.0}),
        "score histogram": plots.score_histogram([1, 2, 3.0], [2.5, 4], 2.2, title=names[2][:60]),
        "roc and pr": plots.roc_and_pr([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], title=CHINESE),
        "method scores": plots.method_scores(runs.assign(method=runs["method"].map(lambda name: name * 6))),
        "ours beside published": plots.ours_beside_published(pairs, title=CHINESE),
        "points": plots.points(
            {"good": rng().normal(size=(30, 2)), "单个": rng(1).normal(size=(5, 2))},
            field=(x, x, np.hypot(*np.meshgrid(x, x))),
            threshold=2.0,
        ),
    }


def map_artists(figure):
    return [artist for ax in figure.axes for artist in ax.images if artist.get_gid() == "anomaly map"]


def with_gid(figure, gid):
    return [artist for ax in figure.axes for artist in ax.get_children() if artist.get_gid() == gid]


def texts(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


# --- the look ---------------------------------------------------------------------------------------------------------


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


# --- honest heat ------------------------------------------------------------------------------------------------------


def test_colour_limits_follow_their_rule():
    maps = [good_map(1), rng(2).random((5, 9))]
    maps[0][0, :] = np.nan
    finite = np.concatenate([one[~np.isnan(one)] for one in maps])
    low, high = plots.colour_limits(maps)
    assert low == pytest.approx(np.median(finite))
    assert (np.quantile(finite, 0.999) - low) / (high - low) == pytest.approx(0.4)


@given(st.floats(-1e6, 1e6))
def test_colour_limits_of_constant_maps_are_an_interval(level):
    low, high = plots.colour_limits([np.full((3, 3), level)])
    assert low == level and high > low


@pytest.mark.parametrize("maps", [[], [np.full((2, 2), np.nan)]])
def test_colour_limits_need_a_score(maps):
    with pytest.raises(InputError, match="no finite score"):
        plots.colour_limits(maps)


def test_colour_limits_refuse_a_quantile_below_the_median():
    with pytest.raises(InputError, match="quantile is 0.3"):
        plots.colour_limits([good_map()], quantile=0.3)


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


def test_good_scores_look_dark_and_anomalous_ones_yellow():
    limits = plots.colour_limits([good_map(5)])
    artist = map_artists(plots.gallery([picture()], [defective_map()], limits=limits))[0]
    colour = artist.to_rgba(artist.get_array())
    red, green, blue, alpha = (np.median(colour[10:20, 12:30, i]) for i in range(4))
    assert red > 0.9 and green > 0.8 and blue < 0.2
    assert alpha < 0.8  # the part stays visible beneath
    assert np.quantile(colour[30:, :, :3].sum(axis=2), 0.9) < 0.8
    assert np.median(colour[30:, :, 3]) < alpha


def test_heat_grows_brighter_and_denser_with_the_score():
    artist = map_artists(plots.overlay(picture(), good_map(), (0, 1)))[0]
    colour = artist.to_rgba(np.linspace(0, 1, 200))
    luminance = colour[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) >= -1e-9).all() and (np.diff(colour[:, 3]) >= -1e-9).all()


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


@pytest.mark.parametrize(("threshold", "place", "note"), [(0.7, 0.7, "0.7"), (9.0, 1.0, "off scale")])
def test_the_colour_bar_marks_the_threshold(threshold, place, note):
    figure = plots.gallery([picture()] * 2, [good_map()] * 2, limits=(0, 1), threshold=threshold)
    (mark,) = with_gid(figure, "threshold")
    assert mark.get_ydata()[0] == pytest.approx(place)
    bar = mark.axes
    (label,) = [text for text in bar.get_yticklabels() if "threshold" in text.get_text()]
    assert note in label.get_text() and label.get_position()[1] == pytest.approx(place)
    assert bar.get_ylabel() == "anomaly score"


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


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA", "CMYK", "1", "I;16"])
def test_pictures_of_any_mode_are_taken(mode):
    source = Image.fromarray(np.linspace(0, 255, SIDE * SIDE).reshape(SIDE, SIDE).astype(np.uint8))
    image = Image.fromarray(np.asarray(source).astype(np.uint16) * 16) if mode == "I;16" else source.convert(mode)
    array = as_picture(image)
    assert array.shape[:2] == (SIDE, SIDE) and array.min() == 0 and array.max() == pytest.approx(1, abs=0.01)


# --- charts -----------------------------------------------------------------------------------------------------------


def test_the_learning_curve_draws_numpys_means_and_standard_deviations():
    runs = some_runs()
    figure = plots.learning_curve(runs, "image_auroc")
    means = with_gid(figure, "means")
    assert [line.get_label() for line in means] == ["AnomalyDINO", "PatchCore"]
    bars = [container for container in figure.axes[0].containers if container.has_yerr]
    for line, bar in zip(means, bars, strict=True):
        values = [
            runs.loc[(runs["method"] == line.get_label()) & (runs["shots"] == shots), "image_auroc"].to_numpy()
            for shots in (1, 4, 32, 256)
        ]
        np.testing.assert_allclose(line.get_ydata(), [np.mean(each) for each in values])
        np.testing.assert_allclose(line.get_xdata(), [0, 2, 5, 8], atol=0.2)
        ends = np.array([segment[:, 1] for segment in bar.lines[2][0].get_segments()])
        np.testing.assert_allclose(np.diff(ends)[:, 0] / 2, [np.std(each, ddof=1) for each in values])


def test_every_seed_is_a_dot_and_missing_values_are_left_out():
    runs = some_runs()
    runs.loc[0, "image_auroc"] = np.nan
    ax = plots.learning_curve(runs, "image_auroc").axes[0]
    dots = [line for line in ax.lines if line.get_alpha() == 0.45]
    assert [len(line.get_ydata()) for line in dots] == [11, 12]


def test_zero_shots_and_single_runs_have_their_place():
    frame = pd.DataFrame({"method": "WinCLIP", "shots": [0, 2, 4], "seed": 0, "image_auroc": [0.5, 0.6, 0.7]})
    figure = plots.learning_curve(frame)
    np.testing.assert_allclose(with_gid(figure, "means")[0].get_xdata(), [0, 1, 2])
    plots.figure_to_png(figure)


def test_references_stand_at_their_values():
    references = {"image_auroc": {"full-shot": 0.99, "paper": {1: 0.9, 16: 0.95}}}
    ax = plots.learning_curve(some_runs(), references=references).axes[0]
    drawn = {line.get_label(): line for line in ax.lines}
    assert set(drawn["full-shot"].get_ydata()) == {0.99}
    np.testing.assert_allclose(drawn["paper"].get_xdata(), [0, 4])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "4", "16", "32", "256"]


def test_the_learning_curve_names_what_is_wrong():
    with pytest.raises(InputError, match="no column aupro"):
        plots.learning_curve(some_runs(), "aupro")
    with pytest.raises(InputError, match="'shots'"):
        plots.learning_curve(some_runs().assign(shots=np.nan))


def test_the_histogram_counts_what_the_threshold_does():
    good, defective = [0.1, 0.2, 0.3, 0.9], [0.3, 0.8, 0.85]
    figure = plots.score_histogram(good, defective, 0.3)
    (line,) = [line for line in figure.axes[0].lines if str(line.get_label()).startswith("threshold")]
    assert set(line.get_xdata()) == {0.3}
    # A score equal to the threshold is not above it.
    assert line.get_label() == "threshold 0.3: false alarms 25.0% (1 of 4), recall 66.7% (2 of 3)"
    filled = [patch for patch in figure.axes[0].patches if patch.get_fill()]
    (counts_good, edges_good, _), (counts_bad, edges_bad, _) = (patch.get_data() for patch in filled)
    np.testing.assert_array_equal(edges_good, edges_bad)
    assert (counts_good.sum(), counts_bad.sum()) == (4, 3)


@pytest.mark.parametrize(("good", "defective"), [([1.0], []), ([], [2.0]), ([1.0, 1.0], [1.0])])
def test_the_histogram_takes_degenerate_scores(good, defective):
    plots.figure_to_png(plots.score_histogram(good, defective, 1.0))


def test_the_histogram_refuses_nan_and_emptiness():
    with pytest.raises(InputError, match="good_scores holds NaN"):
        plots.score_histogram([np.nan], [1.0])
    with pytest.raises(InputError, match="no scores"):
        plots.score_histogram([], [])


@pytest.mark.parametrize("seed", range(4))
def test_the_areas_under_the_curves_are_the_numbers_in_the_legends(seed):
    labels = np.r_[0, 1, rng(seed).integers(0, 2, 20)]
    scores = rng(seed).integers(0, 8, 22) / 8.0  # ties
    roc, pr = plots.roc_and_pr(labels, scores).axes
    false_alarms, hits = roc.lines[1].get_data()
    area = np.sum(np.diff(false_alarms) * (hits[1:] + hits[:-1]) / 2)
    assert area == pytest.approx(roc_auc_score(labels, scores))
    assert roc.lines[1].get_label() == f"AUROC {area:.3f}"
    recall, precision = pr.lines[1].get_data()
    assert pr.lines[1].get_drawstyle() == "steps-pre"
    assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(average_precision_score(labels, scores))
    np.testing.assert_allclose(pr.lines[0].get_ydata(), labels.mean())


def test_roc_needs_both_kinds():
    with pytest.raises(InputError, match="both good and defective"):
        plots.roc_and_pr([1, 1], [0.1, 0.2])


def test_methods_stand_in_order_of_their_means():
    frame = pd.DataFrame({"method": list("aabbc"), "image_auroc": [0.5, 0.7, 0.9, 0.9, np.nan]})
    figure = plots.method_scores(frame)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]
    assert {"0.600", "0.900"} <= set(texts(figure))


def test_ours_minus_published_is_written_and_missing_ones_left_out():
    frame = pd.DataFrame({"label": ["a", "b"], "ours": [96.2, 97.0], "published": [96.5, np.nan]})
    written = texts(plots.ours_beside_published(frame))
    assert "\N{MINUS SIGN}0.3" in written and not any("nan" in text for text in written)


def test_points_draw_the_threshold_where_the_field_has_it():
    x = np.linspace(-3, 3, 61)
    field = (x, x, np.hypot(*np.meshgrid(x, x)))
    figure = plots.points({"good": np.zeros((1, 2))}, field=field, threshold=2.0)
    line = figure.axes[0].collections[-1]
    assert np.hypot(*np.concatenate([path.vertices for path in line.get_paths()]).T) == pytest.approx(2.0, abs=0.02)
    with pytest.raises(InputError, match="no field"):
        plots.points({"good": np.zeros((1, 2))}, threshold=2.0)


# --- how figures leave ------------------------------------------------------------------------------------------------


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
