"""The study of references (chapter 10): its rules and scores are what they are called, and its tables agree."""

import importlib

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from adlib.data import load_dataset
from adlib.evaluation import image_metrics
from benchmarks import references
from benchmarks.references import DRAWS, FEW, MORE, POOLS, RANDOM_DRAWS, RULES, SHOTS
from helpers.places import ROOT

CELL = ["set", "method", "shots"]


@pytest.fixture(scope="module")
def draws():
    return pd.read_csv(DRAWS)


def test_rules_by_their_definitions():
    points = torch.randn(14, 3, generator=torch.Generator().manual_seed(0))
    far = torch.cdist(points, points).double()
    from_mean = (points - points.mean(0)).norm(dim=1)
    assert RULES["nearest_to_mean"](points, 4) == sorted(range(14), key=lambda i: from_mean[i])[:4]
    centres, medoids = RULES["k_centre"](points, 5), RULES["k_medoids"](points, 5)
    assert centres[0] == from_mean.argmin()
    for k in range(1, 5):
        to_nearest = far[:, centres[:k]].min(1).values
        assert centres[k] == to_nearest.argmax()
    for k in range(5):
        costs = {i: far[:, [*medoids[:k], i]].min(1).values.sum() for i in range(14) if i not in medoids[:k]}
        assert medoids[k] == min(costs, key=costs.get)


@pytest.mark.parametrize(("name", "method"), [("weld", "patchcore"), ("screw", "anomalydino")])
def test_a_choice_scores_as_the_detector_that_learns_from_it(toy_root, monkeypatch, name, method):
    """ "screw" has no meaning for toy images; their nut is turned, so the references are rotated."""
    monkeypatch.setattr(references, "CANDIDATES", 5)
    dataset = load_dataset(str(toy_root), "weld" if name == "weld" else "nut")
    scored = references.measured(dataset, name, method, None)
    candidates, test = references.sampled(dataset.train_good, 5), references.test_images(dataset, 75)
    detector = references.few_shot_detector(dataset, name, method)
    if method == "patchcore":
        detector.coreset = 1.0
    chosen = [3, 0]
    detector.fit([candidates[i].path for i in chosen])
    expected = detector.predict([s.path for s in test]).scores
    np.testing.assert_allclose(scored.along(chosen, [2])[0], expected, rtol=1e-4)
    assert scored.aurocs(chosen, [2]) == [image_metrics(scored.labels, scored.along(chosen, [2])[0])["image_auroc"]]


def test_deviation_over_test_images_by_resampling_scores():
    random = np.random.default_rng(1)
    labels, scores = np.repeat([0, 1], 30), np.concatenate([random.normal(0, 1, 30), random.normal(1, 1, 30)])
    resampled = []
    for _ in range(600):
        rows = np.concatenate([random.integers(0, 30, 30), random.integers(30, 60, 30)])
        resampled.append(image_metrics(labels, scores[rows])["image_auroc"])
    assert references.images_deviation(labels, scores) == pytest.approx(np.std(resampled), rel=0.12)


def test_every_cell_is_whole(draws):
    for cell, rows in draws.groupby(["set", "method"]):
        everything, pools = rows[rows.pool == 0], rows[rows.pool > 0]
        counts = everything.groupby(["selection", "shots"]).size()
        assert set(counts.index.get_level_values("shots")) == set(MORE)
        assert (counts["random"] == RANDOM_DRAWS).all() and (counts.drop("random") == 1).all(), cell
        assert len(pools) == POOLS * len(FEW) * (1 + len(RULES))
        assert not pools.duplicated(["pool", "selection", "shots"]).any()


def test_both_tables_tell_of_the_same_draws(draws):
    shots = pd.read_csv(SHOTS).set_index(CELL)
    random = draws[(draws.pool == 0) & (draws.selection == "random")].groupby(CELL).image_auroc
    few = shots[shots.draws > 1]
    pd.testing.assert_series_equal(random.mean().sort_index(), few["mean"].sort_index(), check_names=False, atol=1e-5)
    pd.testing.assert_series_equal(random.std().sort_index(), few.draws_std.sort_index(), check_names=False, atol=2e-5)
    for cell, rows in shots.groupby(level=["set", "method"]):
        whole = rows[rows.draws == 1]["mean"].item()
        np.testing.assert_allclose(rows.minus_all, rows["mean"] - whole, atol=2e-5, err_msg=str(cell))
        assert rows.minus_all.between(rows.low - 1e-5, rows.high + 1e-5).all()


def test_gains_are_paired_over_pools(draws):
    cell = draws[(draws.pool > 0) & (draws.shots == 2)].groupby(["set", "method", "selection"]).image_auroc.mean()
    gains = references.rule_gains(draws).set_index([*CELL, "selection"]).gain
    for (name, method), rule in [(pair, rule) for pair in {i[:2] for i in cell.index} for rule in RULES]:
        expected = 100 * (cell[name, method, rule] - cell[name, method, "random"])
        assert gains[name, method, 2, rule] == pytest.approx(expected, abs=1e-6)


def test_enough_is_the_fewest_that_will_do():
    one = {"set": "a", "method": "m", "shots": [1, 2, 4, 64], "draws_std": [0.03, 0.02, 0.01, None]}
    made = {"minus_all": [-0.02, -0.009, -0.002, 0], "low": [-0.05, -0.03, -0.011, 0], "images_std": [0.04, 0, 0.01, 0]}
    table = pd.DataFrame(one | made | {"within_point": [0.2, 0.6, 0.96, 1.0]})
    assert references.enough(table).loc[("a", "m")].to_dict() == {"mean": 2, "interval": 64, "draws": 4}
    assert references.choice_share(table)[:3].tolist() == pytest.approx([0.36, 1.0, 0.5])


@pytest.fixture
def augmented(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")  # where the scripts import each other
    return importlib.import_module("augmented_shots")


def test_copies_of_references(augmented):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 200, (61, 40, 3), dtype=np.uint8))
    altered = {name: alter(image) for name, alter in augmented.ALTERED.items()}
    assert {copy.size for copy in altered.values()} == {image.size}
    assert set(augmented.ALTERED) == {name for names in augmented.COPIES.values() for name in names}
    assert np.array_equal(altered["turn 0"], image) and np.array_equal(augmented.scaled(image, 1.0), image)
    assert np.array_equal(altered["brightness 1.2"], np.asarray(image) * 1.2 // 1)
    larger = image.resize((44, 67), Image.Resampling.BICUBIC)
    assert np.array_equal(altered["scale 1.1"], larger.crop((2, 3, 42, 64)))
    smaller = np.asarray(image.resize((36, 55), Image.Resampling.BICUBIC))
    assert np.array_equal(np.asarray(altered["scale 0.9"])[3:58, 2:38], smaller)


def test_gains_of_copies_are_paired_over_draws(augmented):
    table = pd.read_csv(augmented.TABLE)
    assert not table.duplicated(augmented.KEYS).any()
    assert (table.groupby(["set", "draw"]).size() == len(augmented.COPIES) * len(augmented.SHOTS)).all()
    means = 100 * table.groupby(["set", "shots", "copies"]).image_auroc.mean()
    found = augmented.gains(table).set_index(["set", "shots", "copies"])
    alone = means.xs("none", level="copies")
    for (name, shots, copies), row in found.iterrows():
        assert row.gain == pytest.approx(means[name, shots, copies] - alone[name, shots], abs=1e-6)
