"""Figures of a report: what they count."""

from dataclasses import replace

import pytest

from adlib.data import load_dataset
from adlib.experiments.execution import run
from adlib.experiments.planning import plan
from adlib.experiments.store import ResultStore
from adlib.plots import colour_limits
from adlib.reports.figures import colour_note, extremes, recall_by_defect


def test_recall_of_each_defect_is_counted(page):
    result = run_at(page[1][2], 0.2)
    threshold = result.row["threshold"]["value"]
    table = {row["defect"]: row for row in recall_by_defect(result)}
    for kind, group in result.scores[result.scores.label == 1].groupby("defect"):
        found = int((group["score"] > threshold).sum())
        assert table[kind]["found"].startswith(f"{found} (") and table[kind]["images"] == str(len(group))
    assert sum(int(row["images"]) for row in table.values()) == result.row["images"]["test_defective"]


@pytest.mark.parametrize(("shots", "source"), [(3, "good images outside the test set"), (1, "all test images")])
def test_colours_without_good_test_images(toy_root, tmp_path, shots, source):
    """All training images are references, so that the good scores are those of leave-one-out, or there are none."""
    weld = load_dataset(toy_root, "weld")
    bad = [s for s in weld.samples if s.label]
    weld = replace(weld, samples=(*weld.train_good[:shots], *bad))
    store = ResultStore(tmp_path)
    result = run(plan(weld, "anomalydino", shots=shots, options={"resize": 64, "mask": "never"}), weld, store)
    note, figure = colour_note(result), extremes(result, store, weld)
    stored = result.row["calibration"].get("limits")
    assert source in note and (stored is None) == (shots == 1)
    low, high = stored or colour_limits(store.grids(result.protocol))
    bar = next(ax for ax in figure.axes if ax.get_ylabel() == "anomaly score")
    assert bar.get_ylim() == pytest.approx((low, high))


def run_at(result, rate):
    from adlib.experiments.calibrate import at_rate

    return replace(result, row=at_rate(result.row, result.scores, rate))
