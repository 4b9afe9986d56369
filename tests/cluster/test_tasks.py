"""What travels: tasks and answers as JSON and arrays; and what a worker answers, asked in this process."""

import json
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from adlib.cluster import Needs, Outputs, Task
from adlib.cluster.tasks import Answer, Source
from adlib.cluster.units import _parts, _spread, _units
from adlib.cluster.worker import perform
from adlib.data import load_dataset
from adlib.experiments.execution import run
from adlib.experiments.failures import Failure, Failures
from adlib.experiments.planning import Machine, plan
from adlib.experiments.store import Result, ResultStore

SMALL = {"resize": 64, "coreset": 20}


@pytest.fixture(scope="module")
def task(toy_root) -> Task:
    weld = load_dataset(str(toy_root), "weld")
    protocol = plan(weld, "patchcore", shots=2, options=SMALL)
    source = Source({"source": str(toy_root)}, "weld", weld.name)
    return Task(Needs.here(str(toy_root)), source, Machine(), (protocol,), (protocol,), {"shots": 2}, "name")


def test_a_task_is_json_and_comes_back(task):
    assert Task.from_text(task.text) == task and json.loads(task.text)["runs"][0]["method"] == "patchcore"


def test_a_worker_answers_with_the_run_itself(task, toy_root, tmp_path):
    text, arrays = perform(replace(task, notebook=None).text)
    assert json.loads(text)["runs"] and all(type(array) is np.ndarray for array in arrays.values())
    answer = Answer.from_message((text, arrays))
    ((found, grids),) = answer.results
    store = ResultStore(tmp_path / "alone")
    alone = run(task.runs[0], task.source.load(), store)
    assert found.protocol == alone.protocol and not answer.failed
    outputs = Outputs(ResultStore(tmp_path / "sent"))
    outputs.keep(task, answer, "tcp://here")
    for ending in ("csv", "safetensors"):
        one, other = (tmp_path / name / f"{alone.protocol.title}.{ending}" for name in ("alone", "sent"))
        assert one.read_bytes() == other.read_bytes()
    row = outputs.store.get(alone.protocol).row
    assert {k: v for k, v in row.items() if k != "timings"} == {k: v for k, v in alone.row.items() if k != "timings"}
    assert len(grids) == len(found.scores)


def test_a_worker_with_other_data_says_so(task, toy_root, tmp_path):
    other = tmp_path / toy_root.name
    for path in (toy_root / "weld").rglob("*.png"):
        target = other / path.relative_to(toy_root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    changed = replace(task, notebook=None, source=replace(task.source, reading={"source": str(other)}))
    image = next((other / "weld/test/good").iterdir())
    Image.fromarray(255 - np.asarray(Image.open(image))).save(image)
    answer = Answer.from_message(perform(changed.text))
    assert answer.failed == "The worker's files of weld are not the client's; copy the same data there."
    assert not answer.results and not answer.unfit
    gone = replace(changed, source=replace(task.source, reading={"source": str(tmp_path / "nothing")}))
    assert "nothing" in Answer.from_message(perform(gone.text)).failed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"versions": {"torch": "9.9"}}, f"has torch {version('torch').partition('+')[0]}, and 9.9 is needed; install"),
        ({"source": "0" * 10}, "other source files; copy the same checkout there"),
        ({"paths": ("/nowhere/mvtec",)}, "has no /nowhere/mvtec; data and weights must be there under the same path"),
    ],
)
def test_a_worker_that_does_not_fit_does_nothing(task, change, said):
    answer = Answer.from_message(perform(replace(task, needs=replace(task.needs, **change)).text))
    assert said in answer.unfit and not answer.results
    assert task.needs.lacking() == ""


def test_failed_runs_are_rows_until_they_are_done(task, tmp_path):
    outputs = Outputs(ResultStore(tmp_path), tmp_path / "notebooks")
    outputs.keep(task, Answer(failed="The disk is full."), "tcp://there")
    ((failure,),) = (outputs.failed(task),)
    assert failure == Failure(task.runs[0], "The disk is full.", "tcp://there") and not outputs.has(task)
    assert failure.line == "weld, patchcore, 2 shots, seed 0: The disk is full. (tcp://there)"
    assert list(outputs.store.results()) == []  # no table counts it
    answer = Answer.from_message(perform(replace(task, notebook=None).text))
    outputs.keep(task, replace(answer, notebook="{}"), "tcp://there")
    assert outputs.failed(task) == [] and outputs.has(task)
    (tmp_path / f"{task.runs[0].title}.failed").write_text("no JSON", encoding="utf-8")
    assert Failures(tmp_path).get(task.runs[0]) is None


def test_units_share_features_and_are_dealt_to_idle_workers(task, toy_root):
    nut = load_dataset(str(toy_root), "nut")
    tasks = []
    for source, dataset in ((task.source, task.source.load()), (replace(task.source, category="nut"), nut)):
        for resize in (64, 96):
            for shots in (4, 2, 1):
                protocol = plan(dataset, "patchcore", shots=shots, options=SMALL | {"resize": resize})
                tasks.append(replace(task, source=source, runs=(protocol,), unit=()))
    units = _units(tasks)
    assert [len(unit) for unit in units] == [3, 3, 3, 3]
    whole = list(_spread(units, workers=4))
    assert [[len(t.unit) for t in unit] for unit in whole] == [[3, 3, 3]] * 4
    assert [t.last for t in whole[0]] == [False, False, True] and len({t.of_unit for t in whole[0]}) == 1
    dealt = list(_spread(units, workers=8))
    assert [[t.runs[0].shots for t in unit] for unit in dealt[:2]] == [[4, 1], [2]] and len(dealt) == 8
    assert len(list(_spread(units, workers=100))) == len(tasks)
    assert _parts([3, 15, 2], workers=5) == [1, 3, 1] and _parts([3, 2], workers=0) == [1, 1] and _parts([], 2) == []


def test_scores_keep_every_bit(task):
    scores = pd.DataFrame({"image": ["ü.png"], "label": [1], "defect": ["孔"], "score": np.float32([0.1])})
    grids = [np.random.default_rng(0).random((2, 3), dtype=np.float32)]
    ((found, back),) = Answer.from_message(Answer([(Result(task.runs[0], {}, scores), grids)]).message).results
    pd.testing.assert_frame_equal(found.scores, scores)
    assert np.array_equal(back[0], grids[0]) and back[0].dtype == np.float32
