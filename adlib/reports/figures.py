"""Figures and tables of one run: object mask, scores, recall of each defect, worst mistakes and extremes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import binomtest

from adlib import plots
from adlib.data import Dataset
from adlib.data.images import read_image
from adlib.errors import InputError
from adlib.experiments.calibrate import calibration_of
from adlib.experiments.forecast import mask_figure
from adlib.experiments.planning import HERE, Machine, build
from adlib.experiments.store import Result, ResultStore

COUNT = 4
MISTAKES_NOTE = (
    f"First the {COUNT} good test images with the highest scores (the worst false alarms), then the {COUNT} defective "
    "test images with the lowest scores (the worst misses). Title: file, label, image score."
)
EXTREMES_NOTE = (
    f"First the {COUNT} test images with the highest scores, then the {COUNT} with the lowest scores. "
    "Title: file, label, image score."
)
MASK_NOTE = (
    "The first reference image, with the background according to the object mask in blue. Where the title says masked, "
    "defects in the blue area are not detected: if blue covers the part itself, run again with --preprocess none."
)


_COLOURS = "Yellow is anomalous; the colour scale, set by {}, is the same for all images."
_UNKNOWN = (
    "There are no good images but the references, so all test images set the colour scale, which is the same for all: "
    "yellow is more anomalous than the other images, and may still be good."
)


def mask(result: Result, dataset: Dataset, machine: Machine = HERE) -> Figure | None:
    """The object mask; None where the run masks nothing, or the network or the image is not available."""
    try:
        return mask_figure(result.protocol, dataset, machine)
    except InputError:
        return None


def histogram(result: Result) -> Figure:
    """Scores of good and defective test images, with the threshold of the row, if any."""
    scores, labels = result.scores["score"].to_numpy(), result.scores["label"].to_numpy()
    threshold = result.row["threshold"]
    return plots.score_histogram(
        scores[labels == 0], scores[labels == 1], threshold["value"] if threshold else None, title="test images"
    )


def colour_note(result: Result) -> str:
    """A sentence: what sets the colour scale of a run's maps."""
    if (result.scores["label"] == 0).any():
        return _COLOURS.format("the good test images")
    if "limits" in calibration_of(result.row):
        return _COLOURS.format("good images outside the test set, which has none")
    return _UNKNOWN


def recall_by_defect(result: Result) -> list[dict[str, str]]:
    """One row per kind of defect: images, number above the threshold, exact 95% interval, lowest and median score."""
    threshold = result.row["threshold"]
    rows = []
    for kind, group in result.scores[result.scores["label"] == 1].groupby("defect", sort=True):
        scores = group["score"].to_numpy()
        row = {"defect": kind, "images": str(len(scores)), "found": "n/a", "interval": "n/a"}
        if threshold:
            found = int((scores > threshold["value"]).sum())
            interval = binomtest(found, len(scores)).proportion_ci()  # of Clopper and Pearson
            row |= {
                "found": f"{found} ({found / len(scores):.0%})",
                "interval": f"{interval.low:.0%} to {interval.high:.0%}",
            }
        rows.append(row | {"lowest": f"{scores.min():.3g}", "median": f"{np.median(scores):.3g}"})
    return rows


def extremes(result: Result, store: ResultStore, dataset: Dataset, machine: Machine = HERE) -> Figure | None:
    """Overlays of the highest and the lowest scores of a run; None where its patch scores were not kept."""
    order = np.argsort(result.scores["score"].to_numpy(), kind="stable")
    return _overlays(result, store, dataset, machine, [*order[::-1][:COUNT], *order[:COUNT][::-1]])


def mistakes(result: Result, store: ResultStore, dataset: Dataset, machine: Machine = HERE) -> Figure | None:
    """Overlays of good images with the highest and defective images with the lowest scores; None as in `extremes`."""
    order = np.argsort(result.scores["score"].to_numpy(), kind="stable")
    labels = result.scores["label"].to_numpy()[order]
    return _overlays(result, store, dataset, machine, [*order[labels == 0][::-1][:COUNT], *order[labels == 1][:COUNT]])


def showcase(result: Result, store: ResultStore, dataset: Dataset, machine: Machine = HERE) -> Figure | None:
    """Two good and two defective images, at a third and two thirds of their class by score: typical images of a run.

    One row per class, each map next to its image; None as in `extremes`.
    """
    order = np.argsort(result.scores["score"].to_numpy(), kind="stable")
    labels = result.scores["label"].to_numpy()[order]
    classes = [order[labels == label] for label in (0, 1)]
    chosen = [ranked[len(ranked) * third // 3] for ranked in classes if len(ranked) for third in (1, 2)]
    return _overlays(result, store, dataset, machine, chosen, columns=2, beside=True)


def _overlays(
    result: Result,
    store: ResultStore,
    dataset: Dataset,
    machine: Machine,
    chosen: Sequence[int],
    columns: int = COUNT,
    beside: bool = False,
) -> Figure | None:
    """Overlays of the chosen images; all panels share colour limits, see `colour_note`."""
    grids = store.grids(result.protocol)
    if grids is None or len(grids) != len(result.scores) or not len(chosen):
        return None
    scores, detector = result.scores, build(result.protocol, machine)
    preprocess, window = detector.spec().preprocess, detector.spec().window
    images = {i: read_image(dataset.file(scores["image"].iloc[i]), window) for i in dict.fromkeys(chosen)}
    predictions = detector.assemble(
        scores["score"].to_numpy()[list(chosen)],
        [grids[i] for i in chosen],
        [preprocess(images[i])[1] for i in chosen],
    )
    titles = [
        f"{Path(scores['image'].iloc[i]).name}\n{scores['defect'].iloc[i]}, {score:.3g}"
        for i, score in zip(chosen, predictions.scores, strict=True)
    ]
    maps = [predictions.anomaly_map(number) for number in range(len(chosen))]
    return plots.gallery(
        [images[i] for i in chosen],
        maps,
        titles=titles,
        limits=_limits(result, grids),
        columns=columns,
        beside=beside,
    )


def _limits(result: Result, grids: Sequence[np.ndarray]) -> tuple[float, float]:
    """Colour limits from the patch scores of the images that `colour_note` names; no image is decoded for them."""
    good = np.flatnonzero(result.scores["label"] == 0)
    stored = calibration_of(result.row).get("limits")
    if not len(good) and stored:
        return tuple(stored)
    return plots.colour_limits([grids[i] for i in good] or grids)
