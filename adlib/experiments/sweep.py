"""A shot sweep: papermill executes one notebook per (category, method, shots), with all seeds inside.

Shared work is done once, before the first notebook: features of all images that the notebooks need go into the feature
cache, and so do distances, where a method's score is a minimum over reference images. Results on disk are kept, so a
sweep that was killed continues.
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
from adlib.experiments.shared_work import all_references, all_scored, share_distances
from adlib.experiments.store import ResultStore
from adlib.features.cache import TensorCache
from adlib.features.extract import extract
from adlib.progress import progress

NOTEBOOK = Path(__file__).with_name("run.ipynb")  # in the package, so a wheel contains it


@dataclass(frozen=True)
class Sweep(Choices):
    """The runs of a sweep, and where their results go. Other fields: see `Choices`.

    data: "elpv", "toy" or a folder.
    out: folder of results/ and notebooks/.
    categories: () for all.
    methods: names of detectors.
    shots: numbers of good images to learn from.
    seeds: one sample of the shots for each.
    layout: of the folder, "auto" to detect it.
    workers: notebooks run at the same time.
    Raises InputError where methods, shots or seeds are empty or repeat a value, and for workers below 1.
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
                raise InputError(f"{name} must be given, each value once, not as {list(values)}.")
        if self.workers < 1:
            raise InputError(f"workers must be at least 1, not {self.workers}.")

    @property
    def store(self) -> ResultStore:
        """The store of the results."""
        return ResultStore(self.out / "results")


@dataclass(frozen=True)
class Job:
    """One notebook: a category, a method and a number of shots.

    dataset: of the category.
    protocols: one per seed.
    """

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
    """All notebooks of a sweep, most shots first, because jobs with fewer shots reuse what they compute.

    Raises InputError where a category has too few images for a number of shots, before anything is computed.
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
    """Run the unfinished jobs; returns all jobs, and whether any job was run.

    Raises InputError where a notebook fails, with the notebook's error message.
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
                pool.shutdown(cancel_futures=True)  # running jobs finish, waiting jobs do not start
                raise
    return everything, bool(waiting)


def _done(job: Job, sweep: Sweep) -> bool:
    return _notebook(job, sweep).exists() and all(protocol in sweep.store for protocol in job.protocols)


def _notebook(job: Job, sweep: Sweep) -> Path:
    return sweep.out / "notebooks" / f"{job.title}.ipynb"


def _warm(waiting: Sequence[Job], sweep: Sweep, show_progress: bool) -> None:
    """Fill the cache with what waiting notebooks share: features, and distances where the method shares them."""
    cache = TensorCache()
    for job in waiting:
        detector = build(job.protocols[0], sweep.machine)
        references = all_references(job.protocols, job.dataset)
        for paths, angles in ((references, detector.reference_angles), (all_scored(job.protocols, job.dataset), (0,))):
            network, spec = detector.network(), detector.spec()
            for _ in extract(network, paths, spec, angles, cache=cache, show_progress=show_progress):
                pass
    for category in dict.fromkeys(job.protocols[0].category for job in waiting):
        of_category = [job for job in waiting if job.protocols[0].category == category]
        protocols = [protocol for job in of_category for protocol in job.protocols]
        share_distances(protocols, of_category[0].dataset, cache, sweep.machine, show_progress)


def _execute(job: Job, sweep: Sweep) -> None:
    """Execute the notebook under a temporary name; it is renamed only when it has finished.

    Each job is a process with cores / workers threads: two notebooks in parallel are faster than one on all cores,
    which would wait for all threads after each of many small products.
    """
    target = _notebook(job, sweep)
    if _done(job, sweep):  # by another sweep in the same folder
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
            env=os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)), "PYTHONUTF8": "1"},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
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
    """The message of the error that stopped a notebook; None where there is none."""
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
