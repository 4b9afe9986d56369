"""Labelled defects in a run: the protocol counts them, the row names them, methods of good images refuse them."""

import json
from dataclasses import replace
from shutil import copytree

import numpy as np
import pytest

from adlib.data import load_dataset
from adlib.errors import InputError
from adlib.experiments import ResultStore, Sweep, run
from adlib.experiments.calibrate import calibrate
from adlib.experiments.planning import build, plan
from adlib.experiments.protocol import Protocol
from adlib.experiments.sweep import jobs
from adlib.reports.titles import method_title

SMALL = {"resize": 64, "steps": 4, "batch": 4}


@pytest.fixture
def rejects(toy_root, tmp_path):
    """The welds with three labelled defects in their folder."""
    copytree(toy_root / "weld", tmp_path / "own/weld")
    copytree(toy_root / "weld/test/pore", tmp_path / "own/weld/train/pore")
    for number, path in enumerate(sorted((tmp_path / "own/weld/train/pore").iterdir())):
        path.rename(path.with_name(f"reject{number}.png"))
    return load_dataset(tmp_path / "own", "weld")


def test_protocols_without_labelled_defects_are_those_from_before(weld, rejects):
    old = plan(weld, "patchcore").as_dict()
    assert old.pop("labelled") == 0 and Protocol.from_dict(old).hash == plan(weld, "patchcore").hash
    other = [plan(data, "patchcore", shots=4) for data in (weld, rejects)]  # a run that cannot see them is the same
    assert other[0].data_digest == other[1].data_digest and other[0].content_digest == other[1].content_digest
    counts = [plan(rejects, "devnet", labelled=n) for n in (1, 2)]
    assert len({p.hash for p in counts}) == 2 and counts[0].data_digest != other[1].data_digest
    assert counts[0].group() != counts[1].group() and method_title(counts[0]) == "devnet (1 labelled defect)"


@pytest.mark.parametrize(
    ("method", "labelled", "words"),
    [
        ("patchcore", 1, "^patchcore learns from good images alone; leave out the labelled defects"),
        ("devnet", 0, "^devnet needs labelled defects to learn from; give at least one"),
        ("devnet", -1, "labelled must be a whole number"),
    ],
)
def test_methods_that_cannot_learn_from_so_many_refuse(weld, method, labelled, words):
    with pytest.raises(InputError, match=words):
        plan(weld, method, labelled=labelled)


@pytest.mark.parametrize("where", ["folder", "test set"])
def test_a_run_names_what_it_learned_from(weld, rejects, tmp_path, where):
    dataset, store = (rejects if where == "folder" else weld), ResultStore(tmp_path / "results")
    protocol = plan(dataset, "devnet", labelled=2, shots=6, seed=1, selection="random", options=SMALL)
    result = run(protocol, dataset, store)
    learned = result.row["labelled"]
    assert len(learned) == 2 and all(("train/pore" in name) == (where == "folder") for name in learned)
    assert set(learned).isdisjoint(result.scores["image"])
    lost = 0 if where == "folder" else 2
    assert result.row["images"]["test_defective"] == sum(s.label for s in dataset.test) - lost
    assert store.get(protocol).row["labelled"] == learned
    assert json.dumps(run(replace(protocol, seed=0), dataset).row["labelled"]) != json.dumps(learned)


def test_good_images_alone_are_learned_from_by_all_others(rejects):
    result = run(plan(rejects, "patchcore", shots=2, options={"resize": 64, "coreset": 20}), rejects)
    assert "labelled" not in result.row and all("train/good" in name for name in result.row["references"])


def test_leave_one_out_learns_from_the_defects_each_time(rejects):
    few = rejects.few_shot(3)
    dataset = replace(rejects, samples=tuple(s for s in rejects.samples if s in few or s.split == "test" or s.label))
    detector = build(plan(dataset, "devnet", labelled=3, options=SMALL))
    defects = [s.path for s in dataset.train_defects]
    detector.fit([s.path for s in few], defects=defects)
    found = calibrate(detector, dataset, few, 0.3, None)["good_scores"]
    again = build(plan(dataset, "devnet", labelled=3, options=SMALL))
    alone = again.fit([s.path for s in few[1:]], defects=defects).predict([few[0].path]).scores[0]
    assert len(found) == 3 and found[0] == pytest.approx(alone, rel=1e-4) and np.isfinite(found).all()


def test_a_sweep_refuses_too_many_before_it_starts(toy_root, tmp_path):
    choices = {"data": str(toy_root), "out": tmp_path, "categories": ("weld",), "methods": ("devnet",), "shots": (2,)}
    assert jobs(Sweep(**choices, labelled=2))[0].protocols[1].labelled == 2
    with pytest.raises(InputError, match="fewer than the 99 to learn from"):
        jobs(Sweep(**choices, labelled=99))
    with pytest.raises(InputError, match="patchcore learns from good images alone"):
        jobs(Sweep(**choices | {"methods": ("devnet", "patchcore")}, labelled=2))
