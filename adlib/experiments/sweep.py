"""A shot sweep: papermill executes one notebook per (category, method, shots), with all seeds inside.

What the notebooks share is computed once, before the first of them: features of every picture that any of them will
ask for go into the feature cache, and where a method's score is a minimum over reference pictures, so do distances.
Whatever is on disk already is left alone, so a sweep that was killed goes on.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adlib.data import Dataset, load_dataset
from adlib.errors import InputError
from adlib.experiments.choices import Choices
from adlib.experiments.planning import build
from adlib.experiments.protocol import Protocol
from adlib.experiments.shared_work import drawn, scored, share_distances
from adlib.experiments.store import ResultStore
from adlib.features.cache import TensorCache
from adlib.features.extract import extract
from adlib.progress import progress

NOTEBOOK = Path(__file__).with_name("run.ipynb")  # in the package: a wheel brings it along


@dataclass(frozen=True)
class Sweep(Choices):
    """Which runs, and where they go.

    data: "elpv", "toy" or a folder; categories: () for all; out: folder of results/ and notebooks/; workers:
    notebooks at a time; the rest as in `Choices`.
    """

    data: str
    out: Path
    categories: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("patchcore", "anomalydino")
    shots: tuple[int, ...] = (1, 2, 4, 8, 16)
    seeds: tuple[int, ...] = (0, 1, 2)
    layout: str = "auto"
    workers: int = 2

    def __post_init__(self) -> None:
        for name in ("methods", "shots", "seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise InputError(f"{name} must be given, each value once; they are {list(values)}.")
        if self.workers < 1:
            raise InputError(f"workers must be at least 1, not {self.workers}.")

    @property
    def store(self) -> ResultStore:
        """Where results go."""
        return ResultStore(self.out / "results")


@dataclass(frozen=True)
class Job:
    """One notebook: a category, a method, a shot count, and a protocol for each seed."""

    dataset: Dataset
    protocols: tuple[Protocol, ...]

    @property
    def title(self) -> str:
        """File name of the executed notebook, without its ending."""
        first = self.protocols[0]
        seeds = "_".join(str(p.seed) for p in self.protocols)
        return (
            f"{first.dataset}-{first.category}-{first.method}-{first.backbone}-{first.shots}shot-s{seeds}-{first.hash}"
        )


def jobs(sweep: Sweep) -> list[Job]:
    """Every notebook of a sweep, most shots first: what they compute serves the others.

    Raises InputError where a category has too few images for a shot count, before anything is computed.
    """
    whole = load_dataset(sweep.data, layout=sweep.layout, split_seed=sweep.split_seed)
    datasets = [whole.category(name) for name in sweep.categories or whole.categories]
    planned = []
    for dataset in datasets:
        for method in sweep.methods:
            for shots in sorted(sweep.shots, reverse=True):
                first = sweep.protocol(dataset, method, shots)
                for seed in sweep.seeds:
                    if shots:
                        dataset.few_shot(shots, seed, sweep.selection)
                planned.append(Job(dataset, tuple(replace(first, seed=seed) for seed in sweep.seeds)))
    return planned


def run_sweep(sweep: Sweep, show_progress: bool = True) -> tuple[list[Job], bool]:
    """Do what is not done yet; returns all jobs, and whether anything had to be done.

    Raises InputError where a notebook fails, with its own sentence.
    """
    everything = jobs(sweep)
    waiting = [job for job in everything if not _done(job, sweep)]
    if waiting:
        _warm(waiting, sweep, show_progress)
    with progress(total=len(waiting), label="notebooks", unit="run", show=show_progress) as bar:
        with ThreadPoolExecutor(sweep.workers) as pool:
            running = {pool.submit(_execute, job, sweep): job for job in waiting}
            try:
                for done in as_completed(running):
                    done.result()
                    bar.set_postfix_str(running[done].title[:60])
                    bar.update()
            except BaseException:
                pool.shutdown(cancel_futures=True)  # what runs comes to its end, what waits does not start
                raise
    return everything, bool(waiting)


def _done(job: Job, sweep: Sweep) -> bool:
    return _notebook(job, sweep).exists() and all(protocol in sweep.store for protocol in job.protocols)


def _notebook(job: Job, sweep: Sweep) -> Path:
    return sweep.out / "notebooks" / f"{job.title}.ipynb"


def _warm(waiting: Sequence[Job], sweep: Sweep, show_progress: bool) -> None:
    """Put into the cache what several waiting notebooks will ask for: features, and distances where they are shared."""
    cache = TensorCache()
    for job in waiting:
        detector = build(job.protocols[0], sweep.machine)
        references = drawn(job.protocols, job.dataset)
        for paths, turned in ((references, detector.reference_angles), (scored(job.protocols, job.dataset), (0,))):
            network, spec = detector.network(), detector.spec()
            for _ in extract(network, paths, spec, turned, cache=cache, show_progress=show_progress):
                pass
    for category in dict.fromkeys(job.protocols[0].category for job in waiting):
        of_category = [job for job in waiting if job.protocols[0].category == category]
        protocols = [protocol for job in of_category for protocol in job.protocols]
        share_distances(protocols, of_category[0].dataset, cache, sweep.machine, show_progress)


def _execute(job: Job, sweep: Sweep) -> None:
    """Execute the notebook under a temporary name; it gets its own only when it came to its end.

    A process each, with its share of the cores: two notebooks side by side do more than one that must wait, between
    many small products, for all cores to meet.
    """
    target = _notebook(job, sweep)
    if _done(job, sweep):  # by another sweep in the same folder, meanwhile
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.stem[:60]}.", suffix=".part.ipynb", dir=target.parent)
    os.close(handle)
    threads = max(1, (os.cpu_count() or 1) // sweep.workers)
    command = [sys.executable, "-m", "papermill", str(NOTEBOOK), temporary, "--cwd", str(sweep.out)]
    command += ["--kernel", "python3", "--no-progress-bar", "--parameters_yaml", json.dumps(_parameters(job, sweep))]
    try:
        ended = subprocess.run(
            command,
            env=os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads))},
            capture_output=True,
            text=True,
        )
        if ended.returncode:
            reason = _last_error(Path(temporary)) or "".join(ended.stderr.strip().splitlines()[-1:])
            raise InputError(f"{target.stem}: {' '.join(reason.split())}")
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner can read
        os.replace(temporary, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _last_error(notebook: Path) -> str | None:
    """The sentence of the error that ended a notebook."""
    try:
        outputs = [o for cell in json.loads(notebook.read_text("utf-8"))["cells"] for o in cell.get("outputs", ())]
    except ValueError:
        return None
    return next((f"{o['ename']}: {o['evalue']}" for o in outputs if o["output_type"] == "error"), None)


def _parameters(job: Job, sweep: Sweep) -> dict[str, Any]:
    protocol = job.protocols[0]
    return {
        "data": sweep.data if sweep.data in ("elpv", "toy") else str(Path(sweep.data).resolve()),
        "layout": sweep.layout,
        "category": protocol.category,
        "method": protocol.method,
        "shots": protocol.shots,
        "seeds": [p.seed for p in job.protocols],
        "selection": protocol.selection,
        "backbone": protocol.backbone,
        "weights": str(Path(sweep.weights).resolve()) if sweep.weights else "",
        "device": sweep.device or "",
        "resolution": sweep.resolution or 0,
        "preprocess": sweep.preprocess,
        "split_seed": protocol.split_seed,
        "map_frame": protocol.map_frame,
        "official": sweep.official,
        "settings": json.dumps(dict(sweep.settings)) if sweep.settings else "",
        "results": str((sweep.out / "results").resolve()),
    }
