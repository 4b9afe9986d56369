"""A script: commands on a disk that fills up in between; prints the output and files of each command, as JSON.

    unshare -Urm python small_disk.py mount DISK STEPS     a real disk of 8 MB, visible only to this process
    python small_disk.py limit DISK STEPS                  a folder where no file may exceed a few bytes

STEPS: JSON list of argument lists and of the words "fill" and "free".
"""

import contextlib
import io
import json
import resource
import subprocess
import sys
from pathlib import Path

from adlib.cli import main

SIZE = "8m"
LARGEST_FILE = 100  # bytes, in the mode "limit"


def fill(kind: str, disk: Path) -> None:
    """Fill the disk to the last byte, or limit the size of files."""
    if kind == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, resource.RLIM_INFINITY))
        return
    with open(disk / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(65536)):
            pass


def free(kind: str, disk: Path) -> None:
    """Undo `fill`."""
    if kind == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        (disk / "filler").unlink()


def call(arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    kind, disk = sys.argv[1], Path(sys.argv[2])
    if kind == "mount":
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(disk)], check=True)
    results = []
    for step in json.loads(sys.argv[3]):
        if step in ("fill", "free"):
            {"fill": fill, "free": free}[step](kind, disk)
            continue
        code, out, err = call(step)
        files = {str(p.relative_to(disk)): p.stat().st_mtime_ns for p in disk.rglob("*") if p.is_file()}
        results.append({"code": code, "out": out, "err": err, "files": files})
    json.dump(results, sys.stdout)
