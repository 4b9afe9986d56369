"""One scheduler with two workers for most tests, and toy data."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adlib.cluster import connect
from adlib.papers.reproduction import Reproduction
from helpers.dask_processes import START_S, Processes


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    started = Processes(tmp_path_factory.mktemp("dask"))
    try:
        for _ in range(2):
            started.start_worker()
        yield started
    finally:
        started.close()


@pytest.fixture
def client(processes: Processes):
    with connect(processes.address) as client:
        client.wait_for_workers(2, timeout=START_S)
        yield client


@pytest.fixture
def wanted(toy_root: Path, tmp_path: Path) -> Reproduction:
    """Four small runs that share distances."""
    setting = {"backbones": ("efficientnet_lite0",), "resolutions": (64,), "preprocess": ("none",)}
    return Reproduction(
        "anomalydino", str(toy_root), tmp_path / "r", ("weld",), shots=("1", "2"), seeds=(0, 1), **setting
    )
