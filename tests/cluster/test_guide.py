"""docs/cluster.md: its commands are commands, its script starts a worker, its links lead somewhere."""

import os
import re
import shlex
import shutil
import subprocess

import pytest

from adlib.cli import _parser
from adlib.cluster import connect
from helpers.dask_processes import START_S, Processes
from helpers.notebook_text import broken_links
from helpers.places import ROOT

PAGE = ROOT / "docs/cluster.md"
GUIDE = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
(SCRIPT,) = (block for block in BLOCKS if "#SBATCH" in block)


def test_commands_are_commands():
    lines = [line for block in BLOCKS for line in block.splitlines() if line.startswith("adlib ")]
    assert len(lines) == 4
    for line in lines:
        assert _parser().parse_args(shlex.split(line)[1:]).cluster


def test_links_lead_somewhere():
    assert list(broken_links(GUIDE, PAGE)) == []


@pytest.mark.slow
def test_the_ten_lines_for_slurm_start_a_worker(tmp_path, monkeypatch):
    bash = shutil.which("bash")
    if bash is None or shutil.which("dask") is None:
        pytest.skip("bash, or the command dask, is not on the path")
    assert len(SCRIPT.splitlines()) == 10
    activate = tmp_path / "adlib/.venv/bin/activate"
    activate.parent.mkdir(parents=True)
    activate.touch()
    (tmp_path / "workers.sh").write_text(SCRIPT, encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    own = Processes(tmp_path)
    started = subprocess.Popen([bash, "workers.sh", own.address], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        with connect(own.address) as client:
            client.wait_for_workers(1, timeout=START_S)
            assert list(client.nthreads().values()) == [1]
            assert list(client.run(os.getenv, "OMP_NUM_THREADS").values()) == ["3"]
    finally:
        started.terminate()
        started.wait()
        own.close()
