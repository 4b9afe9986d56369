"""One execution of the run notebook by papermill, in a kernel of this Python; written only when it has finished."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adlib.errors import InputError
from adlib.files import short_name

KERNEL = "python3"  # as in the notebook
NOTEBOOK = Path(__file__).with_name("run.ipynb")  # in the package, so a wheel contains it


def execute_notebook(target: Path, parameters: Mapping[str, Any], workers: int = 1) -> None:
    """Execute the notebook under a temporary name; it is renamed only when it has finished.

    target: the executed notebook, in a folder of the sweep's folder. The notebook's working folder is the latter.
    parameters: of the notebook, plain values.
    workers: notebooks that run at the same time; they share the cores.
    Raises InputError, with the notebook's error message, where it fails.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{short_name(target.stem, 60)}."
    handle, temporary = tempfile.mkstemp(prefix=prefix, suffix=".part.ipynb", dir=target.parent)
    os.close(handle)
    try:
        ended = _papermill(Path(temporary), parameters, workers)
        if ended.returncode:
            reason = _last_error(Path(temporary)) or "".join(ended.stderr.strip().splitlines()[-1:])
            raise InputError(f"{target.stem}: {' '.join(reason.split())}")
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner can read
        os.replace(temporary, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _papermill(notebook: Path, parameters: Mapping[str, Any], workers: int) -> subprocess.CompletedProcess[str]:
    """Run papermill in the folder of the sweep, with a path below it.

    So the notebook does not hold the path of that folder, which may have bytes that are no text.
    """
    below = Path(notebook.parent.name, notebook.name)
    # papermill formats both paths with the parameters; a name with braces is no parameter.
    paths = [str(path).replace("{", "{{").replace("}", "}}") for path in (NOTEBOOK, below)]
    command = [sys.executable, "-m", "papermill", *paths, "--kernel", KERNEL, "--no-progress-bar"]
    command += ["--parameters_yaml", json.dumps(parameters, ensure_ascii=False)]  # YAML has no pairs of surrogates
    with tempfile.TemporaryDirectory() as kernels:
        how = {"cwd": notebook.parents[1], "env": environment(kernels, workers), "capture_output": True}
        return subprocess.run(command, **how, encoding="utf-8", errors="replace")


def environment(kernels: str, workers: int) -> dict[str, str]:
    """Variables of papermill's process and its kernel.

    Each has cores / workers threads: two notebooks in parallel are faster than one on all cores, which would wait for
    all threads after each of many small products.

    kernels: an empty folder for the kernel of this Python. It precedes what is registered under the same name, which
        may be another Python, or one that is no longer there.
    """
    from ipykernel.kernelspec import write_kernel_spec  # imported late: only a sweep needs it

    write_kernel_spec(os.path.join(kernels, "kernels", KERNEL))
    threads = threads_each(workers)
    # Made absolute, since the process works in another folder.
    modules = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    variables = {"OMP_NUM_THREADS": threads} | os.environ | {"PYTHONPATH": os.pathsep.join(modules), "PYTHONUTF8": "1"}
    places = [kernels, *filter(None, [os.environ.get("JUPYTER_PATH")])]
    return variables | {"JUPYTER_PATH": os.pathsep.join(places)}


def threads_each(workers: int) -> str:
    """The number of threads of one of several processes that share the cores, for an environment variable."""
    return str(max(1, (os.cpu_count() or 1) // workers))


def _last_error(notebook: Path) -> str | None:
    """The message of the error that stopped a notebook; None where there is none."""
    try:
        outputs = [o for cell in json.loads(notebook.read_text("utf-8"))["cells"] for o in cell.get("outputs", ())]
    except ValueError:
        return None
    return next((f"{o['ename']}: {o['evalue']}" for o in outputs if o["output_type"] == "error"), None)
