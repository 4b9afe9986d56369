"""Content keys of files, remembered: a file is read again only where it has changed since.

A small SQLite file in the default cache folder holds, for each path, what the file looked like when it was read (size,
times, inode) and its content key. Whatever happens to that file, keys are right: where it is missing, damaged, locked
or cannot be written, files are read.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from adlib.data.images import content_key
from adlib.files import default_cache_folder
from adlib.progress import progress

FILE = "contents.sqlite"
# A file that changes twice within one tick of its file system's clock looks the same after both changes. So a file that
# has just changed is not remembered, as in git, whose files of this kind are called racy; the longest tick is FAT's.
TICK_NS = 2_000_000_000
BLOCK = 500  # files after which keys are stored, so that a kill costs the reading of at most so many
WAIT_S = 1.0  # for another process that is writing

_TABLE = "CREATE TABLE IF NOT EXISTS contents (path BLOB PRIMARY KEY, state TEXT, key TEXT) WITHOUT ROWID"
_FIND = "SELECT key FROM contents WHERE path = ? AND state = ?"
_KEEP = "INSERT OR REPLACE INTO contents VALUES (?, ?, ?)"

Answer = TypeVar("Answer")


def content_keys(paths: Iterable[Path], show_progress: bool = True) -> dict[Path, str]:
    """The `content_key` of every file, by path.

    paths: of files.
    show_progress: whether to show a progress bar over the files that are read.
    Raises InputError for the first file that cannot be read.
    """
    states = {path: _state(path) for path in paths}
    keys = _remembered(states)
    unread = [path for path in states if path not in keys]
    with progress(total=len(unread), label="reading", unit="file", show=show_progress and bool(unread)) as bar:
        for start in range(0, len(unread), BLOCK):
            read = {}
            for path in unread[start : start + BLOCK]:
                read[path] = content_key(path)
                bar.update()
            _remember(states, read)
            keys |= read
    return keys


def _state(path: Path) -> str | None:
    """What a file looks like from outside; None where it has just changed, or cannot be asked."""
    now = time.time_ns()
    with suppress(OSError, ValueError):  # reading the file explains what is wrong with it
        found = os.stat(path)
        if max(found.st_mtime_ns, found.st_ctime_ns) < now - TICK_NS:
            return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"
    return None


def _remembered(states: Mapping[Path, str | None]) -> dict[Path, str]:
    def find(database: sqlite3.Connection) -> dict[Path, str]:
        database.execute("BEGIN")  # one lock for all lookups
        found = {path: database.execute(_FIND, (_name(path), state)).fetchone() for path, state in states.items()}
        return {path: row[0] for path, row in found.items() if row is not None}

    return _with_database(find, {})


def _remember(states: Mapping[Path, str | None], keys: Mapping[Path, str]) -> None:
    rows = [(_name(path), states[path], key) for path, key in keys.items() if states[path] is not None]
    if rows:
        _with_database(lambda database: database.executemany(_KEEP, rows), None)


def _name(path: Path) -> bytes:
    return os.fsencode(os.path.abspath(path))


def _with_database(work: Callable[[sqlite3.Connection], Answer], otherwise: Answer) -> Answer:
    """What `work` gives; `otherwise` where the database cannot be used. A damaged one is removed."""
    file = default_cache_folder() / FILE
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file, timeout=WAIT_S)) as database, database:
            database.execute(_TABLE)
            return work(database)
    except (OSError, sqlite3.OperationalError):  # no such folder, read-only, locked, full
        return otherwise
    except sqlite3.DatabaseError:
        with suppress(OSError):
            file.unlink()
        return otherwise
