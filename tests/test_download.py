"""`download` against a server on this computer that breaks off, lies and refuses."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from adlib import download as module
from adlib.download import DownloadError, download
from adlib.errors import InputError
from helpers.server import CONTENT, Server

SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "_PAUSES", (0.0, 0.0, 0.0))
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def left_behind(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_it_fetches_and_then_keeps_the_file(server, tmp_path):
    target = tmp_path / "new folder" / "重量.pth"
    assert download(server.url, target, sha256=SHA256) == target
    assert target.read_bytes() == CONTENT and left_behind(target.parent) == ["重量.pth"]
    download(server.url, target, sha256=SHA256)
    download(server.url, target, sha256_prefix=SHA256[:8].upper())
    download(server.url, target)
    assert len(server.requests) == 1


def test_a_proxy_counts_while_it_is_set(server, tmp_path, monkeypatch):
    with monkeypatch.context() as environment:
        environment.setenv("http_proxy", "http://127.0.0.1:9")  # where nobody answers
        with pytest.raises(DownloadError, match="refused"):
            download(server.url, tmp_path / "w", sha256=SHA256)
    assert download(server.url, tmp_path / "w", sha256=SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize("sha256", [SHA256, None])
def test_a_broken_connection_is_resumed(server, tmp_path, sha256):
    server.break_after, server.breaks = 300_000, 2
    assert download(server.url, tmp_path / "w", sha256=sha256).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=300000-", "bytes=600000-"]


def test_a_later_call_goes_on_where_an_earlier_one_broke(server, tmp_path):
    server.break_after, server.breaks = 100_000, 4
    with pytest.raises(DownloadError, match="400000 of 1024000 bytes"):
        download(server.url, tmp_path / "w", sha256=SHA256)
    assert left_behind(tmp_path) == ["w.part"]
    assert download(server.url, tmp_path / "w", sha256=SHA256).read_bytes() == CONTENT
    assert server.requests[-1] == "bytes=400000-" and left_behind(tmp_path) == ["w"]


def test_a_server_that_cannot_resume_sends_all_again(server, tmp_path):
    server.ranges, server.break_after, server.breaks = False, 300_000, 1
    assert download(server.url, tmp_path / "w", sha256=SHA256).read_bytes() == CONTENT
    assert len(server.requests) == 2


@pytest.mark.parametrize("leavings", [CONTENT, CONTENT + b"more"])
def test_leavings_as_long_as_the_file_or_longer(server, tmp_path, leavings):
    (tmp_path / "w.part").write_bytes(leavings)
    assert download(server.url, tmp_path / "w", sha256=SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize("check", [{"sha256": SHA256}, {"sha256_prefix": SHA256[:8]}])
def test_wrong_bytes_are_refused_and_thrown_away(server, tmp_path, check):
    server.content = CONTENT[::-1]
    with pytest.raises(InputError, match=f"wrong bytes.*{hashlib.sha256(server.content).hexdigest()}.*{SHA256[:8]}"):
        download(server.url, tmp_path / "w", **check)
    assert left_behind(tmp_path) == []
    server.content = CONTENT
    assert download(server.url, tmp_path / "w", **check).read_bytes() == CONTENT


def test_a_damaged_file_is_replaced(server, tmp_path):
    (tmp_path / "w").write_bytes(b"damaged")
    assert download(server.url, tmp_path / "w", sha256=SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize("status,attempts", [(404, 1), (403, 1), (503, 4)])
def test_refusals_name_the_address_and_the_reason(server, tmp_path, status, attempts):
    server.status = status
    with pytest.raises(DownloadError, match=f"{server.url}: the server answers {status}") as caught:
        download(server.url, tmp_path / "w")
    assert caught.value.reason.startswith("the server answers")
    assert len(server.requests) == attempts and left_behind(tmp_path) == []


def test_no_server_fails_at_once(tmp_path):
    with pytest.raises(DownloadError, match="incomplete answer.*check the address and the network"):
        download("http://127.0.0.1:9/weights.pth", tmp_path / "w")


def test_other_schemes_and_unwritable_places_are_refused(server, tmp_path):
    with pytest.raises(InputError, match="not an http or https address"):
        download("file:///etc/hostname", tmp_path / "w")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        download(server.url, tmp_path / "file" / "w")


def test_a_full_disk_is_said_to_be_one(server, tmp_path, monkeypatch):
    def full(*args) -> None:
        raise OSError(module.errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_attempt", full)
    with pytest.raises(InputError, match="the disk is full"):
        download(server.url, tmp_path / "w")


def test_many_at_once_fetch_it_once(server, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        for path in pool.map(lambda _: download(server.url, tmp_path / "w", show_progress=False), range(4)):
            assert path.read_bytes() == CONTENT
    assert len(server.requests) == 1
