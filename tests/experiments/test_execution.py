"""Planning and running: what a run measures and stores, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from adlib.data import load_dataset
from adlib.errors import InputError
from adlib.evaluation import image_metrics, pixel_metrics
from adlib.experiments.execution import run
from adlib.experiments.planning import build, data_digest, plan
from adlib.experiments.protocol import Protocol

SMALL = {"resize": 96}


def test_other_pictures_are_other_data(weld):
    assert data_digest(weld) != data_digest(replace(weld, samples=weld.samples[1:]))


def test_unknown_and_impossible_values_are_named(weld, protocol):
    with pytest.raises(InputError, match="'coresett'"):
        plan(weld, "patchcore", options={"coresett": 0.1})
    with pytest.raises(InputError, match="patchcor"):
        plan(weld, "patchcor")
    with pytest.raises(InputError, match="map_frame"):
        replace(protocol, map_frame="screen")
    with pytest.raises(InputError, match="shots"):
        replace(protocol, shots=-1)
    with pytest.raises(InputError, match="'colour'"):
        Protocol.from_dict(protocol.as_dict() | {"colour": 1})


def test_several_categories_are_refused(toy_root):
    with pytest.raises(InputError, match="choose one"):
        plan(load_dataset(str(toy_root)), "patchcore")


def test_a_run_measures_what_it_stores(weld, protocol, done):
    result, _ = done
    detector = build(protocol).fit([s.path for s in weld.few_shot(4)])
    predictions = detector.predict([s.path for s in weld.test])
    assert np.allclose(predictions.scores, result.scores["score"], rtol=1e-4)
    assert list(result.scores["image"]) == [weld.relative(s) for s in weld.test]
    expected = image_metrics(result.scores["label"], result.scores["score"])
    assert {k: result.metrics[k] for k in expected} == pytest.approx(expected)
    from PIL import Image

    masks = [np.asarray(Image.open(s.mask)) > 127 if s.mask else np.zeros((128, 128), dtype=bool) for s in weld.test]
    pixels = pixel_metrics([predictions.anomaly_map(i) for i in range(len(masks))], masks)
    assert {k: result.metrics[k] for k in pixels} == pytest.approx(pixels, abs=1e-4)
    assert result.row["references"] == [weld.relative(s) for s in weld.few_shot(4)]


def test_a_stored_run_is_not_done_again(weld, protocol, done):
    _, store = done
    empty = replace(weld, samples=tuple(replace(s, path=s.path / "gone") for s in weld.samples))
    assert run(protocol, empty, store).metrics == store.get(protocol).metrics


def test_the_network_frame_is_another_measurement(weld, protocol, done):
    other = run(replace(protocol, map_frame="network"), weld)
    assert other.metrics["image_auroc"] == done[0].metrics["image_auroc"]
    assert other.metrics["pixel_auroc"] != done[0].metrics["pixel_auroc"]


@pytest.mark.parametrize(("method", "options"), [("anomalydino", {"rotate": False, "mask": "never"}), ("musc", {})])
def test_zero_shots_are_batched_zero_shot(weld, method, options):
    result = run(plan(weld, method, shots=0, options=SMALL | options), weld)
    assert result.row["references"] == [] and result.row["threshold"] is None
    with pytest.raises(InputError, match="0 shots"):
        run(plan(weld, "patchcore", shots=0, options=SMALL), weld)


def test_too_many_shots_are_refused(weld):
    with pytest.raises(InputError, match="12 good"):
        run(plan(weld, "patchcore", shots=13, options=SMALL), weld)
