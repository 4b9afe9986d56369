"""Images, maps and rows to plot, an example of every public figure, and functions that inspect a figure."""

import functools

import matplotlib
import numpy as np
import pandas as pd

from adlib import plots

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
    "reconstructions",
    "line panels",
    "scatter panels",
    "learning curve",
    "learning curves",
    "lines",
    "score histogram",
    "threshold stops",
    "roc and pr",
    "intervals",
    "ours beside published",
    "effects",
    "points",
    "coverings",
    "clouds",
    "clouds by height",
    "repeats",
    "nearest patches",
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
    x, lows = np.linspace(-3, 3, 20), [0.5, -1.0, np.nan, 0.2]
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
        "reconstructions": plots.reconstructions(images, images, maps, masks, limits=limits, titles=names),
        "line panels": plots.line_panels(
            {"error": {"good": [1, 2, 0], CHINESE: [3, 2, 1]}, "fraction": {"copied": [0, 0.5, 1]}},
            [1, 12, 64],
            x_label="width",
            log=["error"],
        ),
        "scatter panels": plots.scatter_panels(runs, ["shots", "pixel_auroc"], "image_auroc", "method", log="shots"),
        "learning curve": plots.learning_curve(runs, references=references, title=CHINESE),
        "learning curves": plots.learning_curve(runs, ["image_auroc", "pixel_auroc", "image_auroc"]),
        "lines": plots.lines({CHINESE: (x, x**2)}, x_label="step", y_label="loss", references={"floor": 1.0}),
        "score histogram": plots.score_histogram([1, 2, 3.0], [2.5, 4], 2.2, title=names[2][:60]),
        "threshold stops": plots.threshold_stops(
            rng().normal(size=150), rng(1).normal(2, 1, 90), {CHINESE[:4]: -0.5, "two": 1.0, "three": 1.5, "four": 3}
        ),
        "intervals": plots.intervals({name: (1.0, 0.8, 1.3) for name in names}, x_label="AUROC", reference=0.9),
        "roc and pr": plots.roc_and_pr([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], title=CHINESE),
        "ours beside published": plots.ours_beside_published(pairs, title=CHINESE),
        "effects": plots.effects(
            pd.DataFrame(
                [
                    (panel, name, 1.0, low, 2.0)
                    for panel in ("MTD", CHINESE)
                    for name, low in zip(names, lows, strict=True)
                ],
                columns=["panel", "label", "change", "low", "high"],
            ),
            title=CHINESE,
        ),
        "points": plots.points(
            {"good": rng().normal(size=(30, 2)), "单个": rng(1).normal(size=(5, 2))},
            field=(x, x, np.hypot(*np.meshgrid(x, x))),
            threshold=2.0,
        ),
        "coverings": plots.coverings(
            rng().normal(size=(30, 2)), {"random": np.arange(4), "单个": np.arange(3)}, (1, 3)
        ),
        "clouds": plots.clouds(
            {name: rng(i).normal(size=(50, 3)) for i, name in enumerate(("good", "单个", "c", "d", "e"))},
            {name: rng(i).random(50) for i, name in enumerate(("good", "单个", "c", "d", "e"))},
            limits=(0, 1),
        ),
        "clouds by height": plots.clouds({CHINESE: rng().normal(size=(50, 3)) * [100, 80, 2]}, unit="m"),
        "repeats": plots.repeats(
            some_runs(), "shots", {"image_auroc": "image AUROC", "pixel_auroc": "气孔"}, by="method"
        ),
        "nearest patches": plots.nearest_patches(
            images[0], maps[1], (0, 3), [(picture, (1, 1)) for picture in images], names, limits
        ),
    }


def map_artists(figure):
    return [artist for ax in figure.axes for artist in ax.images if artist.get_gid() == "anomaly map"]


def with_gid(figure, gid):
    return [artist for ax in figure.axes for artist in ax.get_children() if artist.get_gid() == gid]


def texts(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]
