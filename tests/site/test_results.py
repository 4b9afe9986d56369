"""The rows that the browser of results shows are the committed ones."""

import json

import pytest

from adlib.evaluation import accuracy_at, image_metrics
from adlib.experiments.store import ResultStore
from helpers.places import ROOT
from tools.site.results import COLUMNS, write


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "results"
    write(ROOT / "results/mvtec", folder)
    return folder


def content(path, call):
    text = path.read_text(encoding="utf-8")
    assert text.startswith(call) and text.endswith(");\n")
    return json.loads(text[len(call) : -3])


def test_every_run_has_a_line_and_a_detail(written):
    shown = content(written / "rows.js", "adlibResults(")
    runs = [dict(zip(shown["columns"], row, strict=True)) for row in shown["rows"]]
    assert tuple(shown["columns"]) == COLUMNS
    stored = list(ResultStore(ROOT / "results/mvtec").results())
    assert len(runs) == len(stored) and {run["run"] for run in runs} == {result.protocol.hash for result in stored}
    for study in {run["study"] for run in runs}:
        details = content(written / f"study-{study}.js", f'adlibStudy("{study}", ')
        assert set(details) == {run["run"] for run in runs if run["study"] == study}
        assert all(len(details[run["run"]]["published"]) == run["published"] for run in runs if run["study"] == study)


def test_scores_give_the_metrics_and_the_stored_decisions(written):
    details = content(written / "study-methods.js", 'adlibStudy("methods", ')
    decided = 0
    for result in ResultStore(ROOT / "results/mvtec/methods").results():
        detail = details[result.protocol.hash]
        labels = [0] * len(detail["good"]) + [1] * len(detail["defective"])
        scores = detail["good"] + detail["defective"]
        assert image_metrics(labels, scores)["image_auroc"] == pytest.approx(result.metrics["image_auroc"], abs=1e-4)
        if detail["decisions"]:
            assert accuracy_at(labels, scores, detail["threshold"]["value"]) == pytest.approx(detail["decisions"])
            decided += 1
    assert decided > 0


def test_published_numbers_are_of_the_same_method_and_number_of_shots(written):
    details = content(written / "study-few_shot.js", 'adlibStudy("few_shot", ')
    beside = [(d["protocol"], p) for d in details.values() for p in d["published"]]
    assert beside and all(p["category"] in (protocol["category"], "mean") for protocol, p in beside)
    sources = {protocol["method"]: p["source"] for protocol, p in beside}
    assert "AnomalyDINO" in sources["anomalydino"]
