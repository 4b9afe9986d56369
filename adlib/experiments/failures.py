"""Runs that failed, kept as rows next to the results: a sweep does not repeat them until it is told to."""

import json
from dataclasses import dataclass
from pathlib import Path

from adlib.experiments.protocol import Protocol
from adlib.files import write_json


@dataclass(frozen=True)
class Failure:
    """A run that failed.

    protocol: what was run.
    reason: why it failed, in one sentence.
    worker: address of the worker where it failed.
    """

    protocol: Protocol
    reason: str
    worker: str = ""

    @property
    def line(self) -> str:
        """One line for the terminal."""
        p = self.protocol
        shots = "all images" if p.shots is None else f"{p.shots} shot{'' if p.shots == 1 else 's'}"
        where = f" ({self.worker})" if self.worker else ""
        return f"{p.category}, {p.method}, {shots}, seed {p.seed}: {self.reason}{where}"


class Failures:
    """The failed runs of a folder of results, in files named by their protocols: TITLE.failed, which are JSON.

    folder: of the results.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def get(self, protocol: Protocol) -> Failure | None:
        """How a run failed; None where it did not, or where the file is damaged, so that the run is done again."""
        try:
            row = json.loads(self._path(protocol).read_text(encoding="utf-8"))
            return Failure(protocol, str(row["failed"]), str(row["worker"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, failure: Failure) -> None:
        """Keep a failed run."""
        row = {"protocol": failure.protocol.as_dict(), "failed": failure.reason, "worker": failure.worker}
        write_json(self._path(failure.protocol), row)

    def drop(self, protocol: Protocol) -> None:
        """Forget that a run failed, because it has been done since."""
        self._path(protocol).unlink(missing_ok=True)

    def _path(self, protocol: Protocol) -> Path:
        return self.folder / f"{protocol.title}.failed"
