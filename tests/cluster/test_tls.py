"""A scheduler that wants certificates, by Dask's own settings: who has them is let in, who has none is not."""

import shutil
import subprocess
from pathlib import Path

import dask
import pytest

from adlib.cluster import connect
from adlib.cluster.dispatch import dispatch
from adlib.errors import InputError
from helpers.dask_processes import START_S, Processes
from helpers.dask_work import NAP, Words

pytestmark = pytest.mark.slow
OPENSSL = shutil.which("openssl")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate of its own, in one file."""
    if OPENSSL is None:
        pytest.skip("the program openssl, which makes the certificate, is not installed")
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out own.pem"
    subprocess.run([OPENSSL, *words.split()], cwd=tmp_path, check=True, capture_output=True)
    pem = tmp_path / "own.pem"
    pem.write_bytes(pem.read_bytes() + (tmp_path / "key.pem").read_bytes())
    return pem


def test_only_who_has_the_certificate_is_let_in(certificate, tmp_path, monkeypatch):
    monkeypatch.setattr("adlib.cluster.connection.ANSWER_S", 3)
    pem = str(certificate)
    own = Processes(tmp_path, "--tls-ca-file", pem, "--tls-cert", pem, "--protocol", "tls")
    try:
        assert own.address.startswith("tls://127.0.0.1:")
        own.start_worker()
        settings = {"distributed.comm.tls.ca-file": pem, "distributed.comm.tls.client.cert": pem}
        with dask.config.set(settings), connect(own.address) as client:
            monkeypatch.setattr("adlib.cluster.connection.ANSWER_S", START_S)
            client.wait_for_workers(1, timeout=START_S)
            (reply,) = dispatch(client, [iter([Words(f"{tmp_path}|one|0")])], NAP)
            assert reply.worker.startswith("tls://")
        with pytest.raises(InputError, match="certificates"), connect(own.address):
            pass
        monkeypatch.setattr("adlib.cluster.connection.ANSWER_S", 2)
        with pytest.raises(InputError, match="answers"), connect(own.address.replace("tls", "tcp")):
            pass
    finally:
        own.close()
