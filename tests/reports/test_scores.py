"""Scores inside a page, and what its script computes from them, next to the metrics in Python."""

import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from adlib.evaluation import accuracy_at, decide, f1max
from adlib.experiments.store import ResultStore
from adlib.reports.page import write_report
from adlib.reports.scores import SCRIPT, in_few_digits, page_scores
from adlib.reports.tables import runs_table
from helpers.places import ROOT
from tools.site.offline import outside_resources

NODE = shutil.which("node")


@pytest.fixture(scope="module")
def store():
    return ResultStore(ROOT / "results/elpv/sweep")


@pytest.fixture(scope="module")
def results(store):
    return list(store.results())


def test_digits_are_few_and_keep_the_order():
    assert in_few_digits([0.123456, 0.2, 0.3]) == [0.1235, 0.2, 0.3]
    assert in_few_digits([1.00001, 1.00002, 1.00001]) == [1.00001, 1.00002, 1.00001]
    nearest = [1.0, float(np.nextafter(1.0, 2.0))]
    assert in_few_digits(nearest) == nearest
    values = np.random.default_rng(0).normal(size=2000).tolist()
    rounded = in_few_digits(values)
    assert np.argsort(values).tolist() == np.argsort(rounded).tolist() and len(str(max(rounded))) < 10


def test_every_decision_is_that_on_the_stored_scores(results):
    for result in results:
        held, threshold = page_scores(result), result.row["threshold"]["value"]
        for label, name in enumerate(("good", "defective")):
            stored = result.scores.loc[result.scores["label"] == label, "score"].to_numpy()
            assert held[name] == pytest.approx(stored, rel=1e-3)
            assert (np.argsort(held[name], kind="stable") == np.argsort(stored, kind="stable")).all()
            assert (decide(held[name], held["threshold"]["value"]) == decide(stored, threshold)).all()


def test_a_run_without_threshold_or_images_has_none(results):
    bare = replace(results[0], row={"threshold": None}, scores=results[0].scores.iloc[:0])
    assert page_scores(bare) == {"good": [], "defective": [], "threshold": None}


def test_the_page_holds_the_scores_and_loads_nothing(store, results, tmp_path):
    strange = results[1].row | {"threshold": results[1].row["threshold"] | {"source": "</script><script>alert(1)"}}
    given = [results[0], replace(results[1], row=strange), *results[2:]]
    text = write_report(given, store, tmp_path / "report.html", {}).read_text(encoding="utf-8")
    (held,) = re.findall(r'<script type="application/json" id="scores">(.*?)</script>', text)
    assert json.loads(held) == [page_scores(result) for result in given]
    numbers = [int(number) for number in re.findall(r'<tr data-run="(\d+)">', text)]
    assert numbers == runs_table(given).index.tolist() and sorted(numbers) == list(range(len(given)))
    assert outside_resources(tmp_path) == [] and "default-src 'none'" in text
    assert len(held) < 160_000  # 48 runs on 300 images


def test_the_table_of_runs_has_their_decisions(results):
    shown = runs_table(results)
    assert shown["shots"].tolist()[:4] == [1, 1, 1, 4] and "pixel AUROC" not in shown
    for number, row in shown.iterrows():
        result = results[number]
        assert (row["category"], row["seed"]) == (result.protocol.category, result.protocol.seed)
        assert row["recall"] == f"{100 * result.row['decisions']['recall']:.1f}"
        assert row["image AUROC"] == f"{100 * result.metrics['image_auroc']:.1f}"


def labelled(run) -> tuple[list[int], list[float]]:
    """Labels and scores of both kinds."""
    return [0] * len(run["good"]) + [1] * len(run["defective"]), run["good"] + run["defective"]


def in_node(calls: str, given) -> object:
    """What a function of the script gives; no page is needed."""
    code = f"{SCRIPT.read_text(encoding='utf-8')}; const given = JSON.parse(require('fs').readFileSync(0));"
    code += f"process.stdout.write(JSON.stringify({calls}))"
    ended = subprocess.run([NODE, "-e", code], input=json.dumps(given), capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.skipif(NODE is None, reason="node is not there; the browser's tests compare the same numbers")
def test_the_script_counts_as_python_does(results):
    runs = [page_scores(result) for result in results]
    oracles = in_node("given.map((run) => adlibScores.oracle(run))", runs)
    asked = [(run, t) for run, best in zip(runs, oracles, strict=True) for t in (run["threshold"]["value"], best, 0.0)]
    rates = in_node("given.map(([run, threshold]) => adlibScores.ratesAt(run, threshold))", asked)
    for (run, threshold), found in zip(asked, rates, strict=True):
        labels, scores = labelled(run)
        wanted, (best, at) = accuracy_at(labels, scores, threshold), f1max(labels, scores)
        fractions = {name: part / whole for name, (part, whole) in found.items()}
        assert fractions["false alarms"] == wanted["false_alarm_rate"]
        assert [fractions[name] for name in ("recall", "precision", "accuracy")] == pytest.approx(
            [wanted[name] for name in ("recall", "precision", "accuracy")]
        )
        assert fractions["F1"] <= best + 1e-12
        if threshold == at:
            assert fractions["F1"] == pytest.approx(best)
    assert oracles == [
        f1max([0] * len(r["good"]) + [1] * len(r["defective"]), r["good"] + r["defective"])[1] for r in runs
    ]


@pytest.mark.skipif(NODE is None, reason="node is not there; the browser's tests sort, too")
def test_the_script_sorts_with_missing_values_last():
    given = [3, None, 1, 2]
    calls = "[false, true].map((down) => adlibScores.inOrder(given, (value) => value, down))"
    assert in_node(calls, given) == [[1, 2, 3, None], [3, 2, 1, None]]
    words = in_node(calls, ["b 10", "b 9", "a"])
    assert words == [["a", "b 9", "b 10"], ["b 10", "b 9", "a"]]


@pytest.mark.skipif(NODE is None, reason="node is not there; the browser's tests compare the same numbers")
def test_an_oracle_may_call_every_image_defective():
    assert in_node("adlibScores.oracle(given) === -Infinity", {"good": [2.0], "defective": [1.0, 3.0, 4.0]})
    assert in_node("adlibScores.oracle(given)", {"good": [1.0, 2.0], "defective": [2.0, 3.0]}) == 1.0
