"""What a worker does in tests of the dispatch, in place of runs."""

import os
import time
from dataclasses import dataclass
from pathlib import Path


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
