"""Parameters and fields that come later leave older results and models as they were: hash, meaning, numbers."""

import json
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from adlib.data import load_dataset
from adlib.detectors import DETECTORS, PatchCore, load_detector
from adlib.errors import InputError
from adlib.experiments import Protocol, build, plan, protocol
from adlib.growth import Growth

GROWTH = Growth(added={"blur": 0.0}, renamed={"nearest": "neighbours"})
OPTIONS = {"resize": 96, "coreset": 50, "neighbours": 2}


@dataclass(kw_only=True, eq=False, repr=False)
class Grown(PatchCore):
    """PatchCore of a later day: a switch more, whose default is new, and a parameter with a better name."""

    growth: ClassVar[Growth] = PatchCore.growth | GROWTH

    blur: float = 1.0
    nearest: int = 1
    neighbours: ClassVar[int] = 1

    @classmethod
    def parameter_defaults(cls):
        """Without the old name."""
        return {name: value for name, value in super().parameter_defaults().items() if name != "neighbours"}


@pytest.fixture(scope="module")
def weld(toy_root):
    return load_dataset(str(toy_root), "weld")


@pytest.fixture
def older(weld, monkeypatch) -> dict:
    """A row of the day before: protocol and hash."""
    row = plan(weld, "patchcore", shots=4, options=OPTIONS)
    stored = json.loads(json.dumps(row.as_dict()))
    del stored["revision"]  # rows of before it was there
    monkeypatch.setitem(DETECTORS, "patchcore", Grown)
    return {"protocol": stored, "hash": row.hash}


def test_growth_reads_older_files_and_hashes_as_they_did():
    assert GROWTH.read({"neighbours": 3}) == {"nearest": 3, "blur": 0.0}
    assert GROWTH.read({"nearest": 3, "blur": 2.0}) == {"nearest": 3, "blur": 2.0}
    assert GROWTH.hashed({"nearest": 3, "blur": 0.0}) == {"neighbours": 3}
    assert GROWTH.hashed({"nearest": 3, "blur": 1.0}) == {"neighbours": 3, "blur": 1.0}
    both = GROWTH | Growth(added={"depth": 1})
    assert both.read({}) == {"blur": 0.0, "depth": 1} and both.renamed == GROWTH.renamed


def test_an_older_row_keeps_its_hash_and_its_meaning(older):
    read = Protocol.from_dict(older["protocol"])
    assert read.hash == older["hash"]
    assert read.options["nearest"] == 2 and read.options["blur"] == 0.0  # not the default of today


def test_the_default_of_today_is_another_run(older, weld):
    today = plan(weld, "patchcore", shots=4, options={"resize": 96, "coreset": 50, "nearest": 2})
    assert today.options["blur"] == 1.0 and today.hash != older["hash"]
    as_before = plan(weld, "patchcore", shots=4, options={"resize": 96, "coreset": 50, "nearest": 2, "blur": 0.0})
    assert as_before.hash == older["hash"]


def test_a_field_of_the_protocol_may_be_added_and_renamed(older, monkeypatch):
    monkeypatch.setattr(protocol, "GROWTH", protocol.GROWTH | Growth(renamed={"selection": "choice"}))
    stored = dict(older["protocol"])
    stored["choice"] = stored.pop("selection")
    read = Protocol.from_dict(stored)
    assert read.selection == "slice" and "choice" in protocol.GROWTH.hashed(read.as_dict())


def test_a_method_with_other_numbers_is_another_run(older, monkeypatch):
    before = Protocol.from_dict(older["protocol"])
    monkeypatch.setattr(Grown, "revision", 1)
    assert Protocol.from_dict(older["protocol"]) == before and before.hash == older["hash"]
    assert replace(before, revision=None).revision == 1
    assert replace(before, revision=None).hash != older["hash"]
    with pytest.raises(InputError, match="revision 0 of patchcore.*revision 1"):
        build(before)


def test_a_saved_model_of_before_is_read(toy_root, tmp_path, monkeypatch):
    welds = load_dataset(str(toy_root), "weld")
    good, test = [s.path for s in welds.train_good[:3]], [s.path for s in welds.test[:2]]
    fitted = PatchCore(**OPTIONS).fit(good)
    fitted.save(tmp_path / "model.safetensors")
    monkeypatch.setitem(DETECTORS, "patchcore", Grown)
    model = load_detector(str(tmp_path / "model.safetensors"))
    assert model.nearest == 2 and model.blur == 0.0
    monkeypatch.setattr(Grown, "neighbours", 2)  # what the code of that day would read
    assert np.array_equal(model.predict(test).scores, fitted.predict(test).scores)


def test_objects_say_what_they_are():
    assert repr(PatchCore(resize=448)) == "PatchCore(resize=448)"
    assert repr(PatchCore()) == "PatchCore()"
    assert repr(DETECTORS["anomalydino"](rotate=False, layers=("blocks4",))) == (
        "AnomalyDINO(layers=('blocks4',), rotate=False)"
    )
