"""What the tests of reports share: the toy welds as a user may have named them, and their page."""

import shutil
from dataclasses import replace

import pytest

from adlib.data import load_dataset
from adlib.experiments.execution import run
from adlib.experiments.planning import plan
from adlib.experiments.store import ResultStore
from adlib.reports.page import write_report


@pytest.fixture(scope="module")
def weld(toy_root, tmp_path_factory):
    """The toy welds as a user may have named them."""
    root = tmp_path_factory.mktemp("parts") / "焊缝"
    names = {"pore": "单个气孔", "undercut": "咬边1"}
    for path in (toy_root / "weld").rglob("*.png"):
        parts = [names.get(part, part) for part in path.relative_to(toy_root / "weld").parts]
        target = root.joinpath(*parts[:-1], f"{parts[-2]}_crop_{parts[-1]}" if parts[0] == "test" else parts[-1])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return load_dataset(str(root))


@pytest.fixture(scope="module")
def page(weld, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    store = ResultStore(folder / "results")
    protocol = plan(weld, "patchcore", shots=2, options={"resize": 64, "coreset": 40})
    results = [run(replace(protocol, shots=n, seed=s), weld, store) for n in (1, 2) for s in (0, 1)]
    return write_report(results, store, folder / "report.html", {"焊缝": weld}, false_alarms=0.2), results
