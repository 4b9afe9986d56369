"""A real scheduler and real workers: processes of their own that listen on the loopback interface."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from helpers.places import ROOT

PAGE = ("--dashboard-address", "127.0.0.1:0")
START_S = 120  # a loaded machine imports torch slowly


class Processes:
    """A scheduler and its workers.

    folder: for their files.
    options: of `dask scheduler` and `dask worker`, such as certificates.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options = folder, options
        self.file = folder / "scheduler.json"
        self.running: list[subprocess.Popen] = []
        self.start_scheduler()

    def start_scheduler(self) -> None:
        """Start the scheduler and learn its address."""
        words = ("--host", "127.0.0.1", "--port", "0", *PAGE, "--scheduler-file", str(self.file))
        self.scheduler = self._start("scheduler", *words)
        self.address = _when_written(self.file)["address"]

    def start_worker(self, **variables: str) -> subprocess.Popen:
        """Start a worker; variables: of its environment."""
        words = (self.address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", *PAGE)
        return self._start("worker", *words, "--local-directory", str(self.folder), **variables)

    def close(self) -> None:
        """Kill all processes."""
        for process in self.running:
            process.kill()
            process.wait()

    def _start(self, what: str, *words: str, **variables: str) -> subprocess.Popen:
        modules = os.pathsep.join([*filter(None, [variables.pop("PYTHONPATH", "")]), str(ROOT), str(ROOT / "tests")])
        how = {"env": os.environ | {"PYTHONPATH": modules} | variables, "cwd": self.folder}
        with open(self.folder / f"{what}{len(self.running)}.log", "wb") as log:
            command = [sys.executable, "-m", "dask", what, *words, *self.options]
            process = subprocess.Popen(command, stdout=log, stderr=log, **how)
        self.running.append(process)
        return process


def _when_written(path: Path) -> dict:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            time.sleep(0.05)
    raise TimeoutError(f"{path} was not written")
