"""Figures of a report: what they count."""

from dataclasses import replace

from adlib.reports.figures import recall_by_defect


def test_recall_of_each_defect_is_counted(page):
    result = run_at(page[1][2], 0.2)
    threshold = result.row["threshold"]["value"]
    table = {row["defect"]: row for row in recall_by_defect(result)}
    for kind, group in result.scores[result.scores.label == 1].groupby("defect"):
        found = int((group["score"] > threshold).sum())
        assert table[kind]["found"].startswith(f"{found} (") and table[kind]["images"] == str(len(group))
    assert sum(int(row["images"]) for row in table.values()) == result.row["images"]["test_defective"]


def run_at(result, rate):
    from adlib.experiments.calibrate import at_rate

    return replace(result, row=at_rate(result.row, result.scores, rate))
