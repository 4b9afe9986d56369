"""A server on this computer, and made-up archives that several data sets' tests read."""

import threading
from pathlib import Path

import pytest

from adlib import download as download_module
from helpers.made_up_archives import mtd_files, mvtec_files, tar_bytes, zip_bytes
from helpers.server import Server


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download_module, "_PAUSES", (0.0, 0.0, 0.0))
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def mtd_zip() -> bytes:
    return zip_bytes(mtd_files())


@pytest.fixture(scope="module")
def two_categories(tmp_path_factory) -> Path:
    """An archive that holds `bottle` and `toothbrush` as published."""
    path = tmp_path_factory.mktemp("archive") / "mvtec.tar.xz"
    path.write_bytes(tar_bytes(mvtec_files("bottle", "toothbrush"), "w:xz"))
    return path
