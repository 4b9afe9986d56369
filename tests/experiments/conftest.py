"""What the tests of experiments share: the toy welds, a protocol, and its run."""

import pytest

from adlib.data import load_dataset
from adlib.experiments.execution import run
from adlib.experiments.planning import plan
from adlib.experiments.store import ResultStore

SMALL = {"resize": 96}


@pytest.fixture(scope="module")
def weld(toy_root):
    return load_dataset(str(toy_root), "weld")


@pytest.fixture(scope="module")
def protocol(weld):
    return plan(weld, "patchcore", shots=4, options=SMALL | {"coreset": 100})


@pytest.fixture(scope="module")
def done(weld, protocol, tmp_path_factory):
    store = ResultStore(tmp_path_factory.mktemp("results"))
    return run(protocol, weld, store), store
