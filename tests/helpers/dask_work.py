"""What a worker does in tests of the dispatch, in place of runs."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

NAP, DIE = "helpers.dask_work:nap", "helpers.dask_work:die"


@dataclass(frozen=True)
class Words:
    """A task that is its text."""

    text: str


def nap(text: str) -> tuple[str, dict]:
    """Note in the folder FOLDER that this process has begun, sleep, and say who it is. text: FOLDER|NAME|SECONDS."""
    folder, name, seconds = text.split("|")
    Path(folder, f"{name}.{os.getpid()}").touch()
    time.sleep(float(seconds))
    return str(os.getpid()), {}


def die(text: str) -> None:
    """End the worker as a fault in a library would, or a lack of memory."""
    os._exit(1)
