"""What several test files share: small pictures, a small data set, and where the optional real data lie."""

import os
from pathlib import Path

import numpy as np
import pytest

from helpers.places import SHARED
from tools.kernels import SAME_SUMS

# One thread each also suits two test processes on two cores.
for name, value in SAME_SUMS.items():
    os.environ.setdefault(name, value)
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The optional folder of real data and weights beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"the optional data folder {SHARED.name}/ is not beside the checkout")
    return SHARED


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's cache."""
    monkeypatch.setenv("ADLIB_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small toy data set on disk: welds and nuts."""
    from adlib.data.toy import make_toy

    return make_toy(tmp_path_factory.mktemp("toy"), ("weld", "nut"), train=12, test_good=6, test_defective=3, size=128)


@pytest.fixture
def pictures() -> list[np.ndarray]:
    """Six plain grey pictures with noise, (96, 96, 3) uint8."""
    random = np.random.default_rng(0)
    return [random.integers(90, 160, (96, 96, 3), dtype=np.uint8) for _ in range(6)]
