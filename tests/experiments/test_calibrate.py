"""Thresholds of a run: held out or leave-one-out, at any rate, and what is said of them."""

from dataclasses import replace

import numpy as np
import pytest

from adlib.data import load_dataset
from adlib.detectors.registry import make_detector
from adlib.errors import InputError
from adlib.evaluation import accuracy_at, conformal_threshold
from adlib.experiments import calibrate as module
from adlib.experiments.calibrate import acceptable_rate, at_rate, calibrate, explain
from adlib.experiments.execution import run
from adlib.experiments.held_out import held_out_good
from adlib.experiments.planning import plan
from adlib.experiments.store import ResultStore
from helpers.small_runs import DINO, SMALL, paths


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("anomalydino", DINO),
        ("anomalydino", DINO | {"batch_share": 1.0}),  # of batched zero-shot alone
        ("patchcore", SMALL | {"coreset": 30}),
        ("musc", SMALL),
    ],
)
def test_leave_one_out_is_a_fit_without_each(weld, method, options):
    """All 12 good images teach, so nothing is held out."""
    references = weld.few_shot(None)
    detector = make_detector(method, **options).fit(paths(references))
    found = calibrate(detector, weld, references, 0.1, None)
    assert found["method"] == "leave-one-out" and len(found["good_scores"]) == 12
    for left_out in (0, 5, 11):
        others = paths(references[:left_out] + references[left_out + 1 :])
        fresh = make_detector(method, **options).fit(others)
        expected = fresh.predict([references[left_out].path]).scores[0]
        assert found["good_scores"][left_out] == pytest.approx(expected, rel=1e-5)
    # The detector itself still knows all of them.
    again = make_detector(method, **options).fit(paths(references)).predict(paths(weld.test[:2])).scores
    assert np.allclose(detector.predict(paths(weld.test[:2])).scores, again)


def test_held_out_images_come_first(weld):
    references = weld.few_shot(4)
    detector = make_detector("anomalydino", **DINO).fit(paths(references))
    found = calibrate(detector, weld, references, 0.2, None)
    left = [s.path for s in weld.train_good if s not in references]
    assert found["method"] == "split conformal"
    assert found["good_scores"] == pytest.approx(detector.predict(left).scores, rel=1e-6)


def test_held_out_images_are_spread_over_those_not_drawn(toy_root):
    dataset = load_dataset(toy_root, "weld")
    drawn = dataset.few_shot(2, 1)
    found = held_out_good(dataset, drawn)
    assert found == [s for s in dataset.train_good if s not in drawn]
    named = tuple(replace(drawn[0], path=drawn[0].path.with_name(f"{i:03d}.png")) for i in range(180))
    many = replace(dataset, samples=named)
    assert [s.path.stem for s in held_out_good(many, [])] == [f"{i:03d}" for i in range(0, 180, 3)]


def test_leave_one_out_steps_in_where_too_few_are_held_out(weld):
    references = weld.few_shot(9)  # 3 are left
    detector = make_detector("anomalydino", **DINO).fit(paths(references))
    assert calibrate(detector, weld, references, 0.1, None)["method"] == "leave-one-out"
    assert calibrate(detector, weld, references, 0.25, None)["method"] == "split conformal"


def test_what_cannot_be_done_is_said(weld, monkeypatch):
    alone = replace(weld, samples=tuple(s for s in weld.samples if s.split == "test" or s == weld.train_good[0]))
    result = run(plan(alone, "anomalydino", options=DINO), alone)
    assert result.row["threshold"] is None and "one good image" in explain(result.row)[0]
    monkeypatch.setattr(module, "REFITS", 5)
    result = run(plan(weld, "patchcore", options=SMALL | {"coreset": 30}), weld)
    assert result.row["threshold"] is None and "fitted 12 times" in explain(result.row)[0]
    zero = run(plan(weld, "anomalydino", shots=0, options=DINO), weld)
    assert "0 shots" in explain(zero.row)[0]


def test_a_stored_run_takes_any_rate(weld, tmp_path):
    store, protocol = ResultStore(tmp_path), plan(weld, "anomalydino", options=DINO)
    first = run(protocol, weld, store)
    assert first.row["threshold"] is None and "--false-alarms" in explain(first.row, 0.05)[0]
    gone = replace(weld, samples=tuple(replace(s, path=s.path / "gone") for s in weld.samples))
    again = run(protocol, gone, store, false_alarms=0.2)
    scores = first.row["calibration"]["good_scores"]
    value = conformal_threshold(scores, 0.2)
    assert again.row["threshold"]["value"] == value
    assert again.row["decisions"] == accuracy_at(first.scores["label"], first.scores["score"], value)
    with pytest.raises(InputError, match="between 0 and 1"):
        run(protocol, weld, store, false_alarms=5)


def test_the_sentences_hold_the_numbers(weld):
    result = run(plan(weld, "anomalydino", options=DINO), weld, false_alarms=0.2)
    threshold, promise, share, hides = explain(result.row)
    assert "12 good images" in threshold and "set for 20% false alarms" in threshold
    assert "No exact guarantee" in promise and "40% is the bound" in promise
    decided = result.row["decisions"]
    assert f"{decided['accuracy']:.1%}" in share and f"{decided['recall']:.1%}" in share
    counts = result.row["images"]
    assert f"{max(counts.values()) / sum(counts.values()):.1%}" in hides


def test_rows_from_before_keep_their_threshold(weld):
    row = {
        "threshold": {"value": 0.5, "false_alarm_rate": 0.05, "good_images": 20, "source": "validation split"},
        "decisions": {"accuracy": 0.5, "recall": 0.5, "false_alarm_rate": 0.5, "precision": 0.5},
        "images": {"test_good": 2, "test_defective": 2},
    }
    row["threshold"]["good_scores"] = [float(i) for i in range(20)]
    assert at_rate(row, None, 0.05) == row and "split conformal" in explain(row)[1]


@pytest.mark.parametrize("count", [1, 4, 19, 21, 99, 1234])
def test_the_rate_that_is_named_is_enough(count):
    assert conformal_threshold(np.arange(count), acceptable_rate(count)) == count - 1
