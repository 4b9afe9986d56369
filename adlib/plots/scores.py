"""Charts of image scores: distributions, ROC and precision-recall (chapter 01), what thresholds do (chapter 15)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from adlib.errors import InputError
from adlib.plots.figure import headline, legend_below, new_figure, tidy
from adlib.plots.style import DEFECTIVE, FAINT, FONT_SIZE, GOOD, INK, WIDTH, showable, styled


@styled
def score_histogram(
    good_scores: Sequence[float],
    defective_scores: Sequence[float],
    threshold: float | None = None,
    *,
    bins: int = 30,
    title: str = "",
    score: str = "image score",
) -> Figure:
    """Histograms of good and defective scores over the same bins, with the effect of a threshold.

    An image is called defective if its score is ABOVE the threshold. The legend then shows the false-alarm rate
    (fraction of the good scores above it) and the recall (fraction of the defective scores above it).

    good_scores: scores of good images.
    defective_scores: scores of defective images.
    threshold: marked in the chart; None for none.
    bins: number of bins.
    title: over the chart.
    score: label of the x axis.
    Raises InputError for NaN or infinite scores, and where there is none.
    """
    good, defective = _scores(good_scores, "good_scores"), _scores(defective_scores, "defective_scores")
    together = np.concatenate([good, defective])
    if together.size == 0:
        raise InputError("there are no scores to plot; pass at least one.")
    figure, axes = new_figure(7.0, 3.6)
    ax = axes[0, 0]
    _histograms(ax, good, defective, bins)
    if threshold is not None:
        rates = [
            f"{name} {np.mean(values > threshold):.1%} ({np.sum(values > threshold)} of {values.size})"
            for values, name in [(good, "false alarms"), (defective, "recall")]
            if values.size
        ]
        label = f"threshold {threshold:.4g}: " + ", ".join(rates)
        ax.axvline(threshold, color=INK, linestyle="--", linewidth=1.4, label=label)
    tidy(ax, title=title, x_label=score, y_label="number of images", grid="y")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    legend_below(figure, axes)
    return figure


@styled
def threshold_stops(
    good_scores: Sequence[float],
    defective_scores: Sequence[float],
    stops: Mapping[str, float],
    *,
    bins: int = 30,
    title: str = "",
) -> Figure:
    """Histograms of good and defective scores with several thresholds, and the confusion matrix of each below.

    An image is called defective if its score is ABOVE the threshold. Wrong decisions stand in colour, the darker the
    larger their fraction of the row.

    good_scores: scores of good images, at least one.
    defective_scores: scores of defective images, at least one.
    stops: {name: threshold}, from 1 to 5 of them.
    bins: number of bins.
    title: over the figure.
    Raises InputError for NaN or infinite scores, and where scores or stops are missing.
    """
    good, defective = _scores(good_scores, "good_scores"), _scores(defective_scores, "defective_scores")
    if not good.size or not defective.size or not 1 <= len(stops) <= 5:
        raise InputError(
            f"there are {good.size} good scores, {defective.size} defective ones and {len(stops)} stops; "
            "pass at least one score of each kind and 1 to 5 stops."
        )
    figure, axes = new_figure(WIDTH, 5.0, 2, len(stops), heights=[1.4, 1.0])
    grid = axes[0, 0].get_gridspec()
    for ax in axes[0]:
        ax.remove()
    top = figure.add_subplot(grid[0, :])
    _histograms(top, good, defective, bins)
    for number, (ax, (name, threshold)) in enumerate(zip(axes[1], stops.items(), strict=True)):
        top.axvline(threshold, color=INK, linestyle="--", linewidth=1.4)
        top.annotate(
            f"{number + 1}", (threshold, 1.02), xycoords=("data", "axes fraction"), ha="center", va="bottom", color=INK
        )
        _confusion_matrix(ax, good > threshold, defective > threshold)
        ax.set_title(showable(f"{number + 1}: {name}\nthreshold {threshold:.4g}"))
        ax.set_yticks([0, 1], ["good", "defective"] if number == 0 else ["", ""])
    tidy(top, x_label="image score", y_label="number of images", grid="y")
    top.yaxis.set_major_locator(MaxNLocator(integer=True))
    top.legend(loc="upper right")
    headline(figure, title)
    return figure


@styled
def roc_and_pr(labels: Sequence[int], scores: Sequence[float], *, title: str = "") -> Figure:
    """ROC and precision-recall curve with AUROC and AP, and the level of chance.

    Chance is the diagonal for ROC and the fraction of defective images for PR.

    labels: 1 or True for defective.
    scores: one per label.
    title: over both panels.
    Raises InputError for NaN or infinite scores, unequal lengths and labels of one class.
    """
    from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

    truth, values = np.asarray(labels).astype(bool), _scores(scores, "scores")
    if truth.shape != values.shape or truth.all() or not truth.any():
        raise InputError(
            f"there are {truth.size} labels ({int(truth.sum())} defective) and {values.size} scores; "
            "pass one label per score, with both good and defective ones."
        )
    false_alarms, hits, _ = roc_curve(truth, values)
    precision, recall, _ = precision_recall_curve(truth, values)
    average = average_precision_score(truth, values)
    prevalence = float(truth.mean())
    figure, axes = new_figure(WIDTH, 4.2, 1, 2)
    roc, pr = axes[0]
    roc.plot([0, 1], [0, 1], color=FAINT, linestyle=":", label="chance: 0.500")
    roc.plot(false_alarms, hits, color=GOOD, label=f"AUROC {auc(false_alarms, hits):.3f}")
    pr.axhline(prevalence, color=FAINT, linestyle=":", label=f"chance: {prevalence:.3f}")
    # Steps, because average precision is the area under steps (straight lines would show a larger area), each at the
    # best precision that reaches its recall.
    reached = np.unique(recall)
    best = [precision[recall == level].max() for level in reached]
    pr.plot(reached, best, color=DEFECTIVE, drawstyle="steps-pre", label=f"AP {average:.3f}")
    tidy(roc, title="ROC", x_label="false-alarm rate", y_label="recall")
    tidy(pr, title="Precision-recall", x_label="recall", y_label="precision")
    for ax, corner in [(roc, "lower right"), (pr, "lower left")]:
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        ax.legend(loc=corner, frameon=True, framealpha=0.9, edgecolor="none")
    headline(figure, title)
    return figure


def _histograms(ax: Axes, good: np.ndarray, defective: np.ndarray, bins: int) -> None:
    """Both histograms over the same bins."""
    edges = np.histogram_bin_edges(np.concatenate([good, defective]), bins=bins)
    for values, colour, name in [(good, GOOD, "good"), (defective, DEFECTIVE, "defective")]:
        if values.size:
            label = f"{name} ({values.size})"
            counts = np.histogram(values, edges)[0]
            ax.stairs(counts, edges, fill=True, color=colour, alpha=0.35, label=label)
            ax.stairs(np.where(counts > 0, counts, np.nan), edges, color=colour, linewidth=1.4)


def _confusion_matrix(ax: Axes, good_called: np.ndarray, defective_called: np.ndarray) -> None:
    """Counts of good (above) and defective images (below), called good (left) and defective (right)."""
    for row, (called, wrong, colour) in enumerate([(good_called, 1, GOOD), (defective_called, 0, DEFECTIVE)]):
        for column, count in enumerate([np.sum(~called), np.sum(called)]):
            fraction = count / called.size
            shade = 0.15 + 0.45 * fraction if column == wrong and count else 0.0
            ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, alpha=shade))
            ax.annotate(f"{count}\n{fraction:.0%}", (column, row), ha="center", va="center")
    ax.set(
        xlim=(-0.5, 1.5),
        ylim=(1.5, -0.5),
        aspect="equal",
        xticks=[0, 1],
        xticklabels=["called\ngood", "called\ndefective"],
    )
    ax.axhline(0.5, color=FAINT, linewidth=0.8)
    ax.axvline(0.5, color=FAINT, linewidth=0.8)
    ax.spines[:].set_visible(True)
    ax.tick_params(length=0, labelsize=FONT_SIZE - 1, labelcolor=INK)


def _scores(values: Sequence[float], name: str) -> np.ndarray:
    array = np.asarray(values, dtype=float).ravel()
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinite values; leave those images out.")
    return array
