"""A shot sweep: papermill executes one notebook per (category, method, shots), with all seeds inside.

Shared work is done once, before the first notebook: features of all images that the notebooks need go into the feature
cache, and so do distances, where a method's score is a minimum over reference images. Results on disk are kept, so a
sweep that was killed continues.
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adlib.data import Dataset, label_defects, load_dataset
from adlib.data.layouts import BUILT_IN
from adlib.data.names import printable
from adlib.errors import InputError
from adlib.experiments.choices import Choices
from adlib.experiments.notebook_run import NOTEBOOK as NOTEBOOK  # chapter 22 finds it here
from adlib.experiments.notebook_run import execute_notebook
from adlib.experiments.planning import build
from adlib.experiments.protocol import Protocol, joined_title
from adlib.experiments.references import unseen_references
from adlib.experiments.shared_work import all_references, all_scored, share_distances
from adlib.experiments.store import ResultStore
from adlib.features.cache import TensorCache
from adlib.features.extract import extract
from adlib.files import short_name
from adlib.progress import progress


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
    masks, pages, group: how the folder is read, see `load_dataset`.
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
    masks: str | None = None
    pages: str = "ask"
    group: str | None = None
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
        p = self.protocols[0]
        seeds = short_name("_".join(str(protocol.seed) for protocol in self.protocols), 100)
        return joined_title(p.dataset, p.category, p.method, p.backbone, f"{p.shots}shot", f"s{seeds}", p.hash)


def datasets_of(sweep: Sweep) -> list[Dataset]:
    """The data set of each category of a sweep. Raises InputError where none of them has test images."""
    reading = {"masks": sweep.masks, "pages": sweep.pages, "group": sweep.group}
    whole = load_dataset(sweep.data, layout=sweep.layout, split_seed=sweep.split_seed, **reading)
    datasets = [whole.category(name) for name in sweep.categories or whole.categories]
    if not any(dataset.test for dataset in datasets):
        names = ", ".join(dataset.categories[0] for dataset in datasets)
        raise InputError(f"{whole.name} has no test images of {names}; add test/good and test/<defect>.")
    return datasets


def jobs(sweep: Sweep) -> list[Job]:
    """All notebooks of a sweep, most shots first, because jobs with fewer shots reuse what they compute.

    Categories without test images have none. Raises InputError where a category has too few images for a number of
    shots or labelled defects, before anything is computed.
    """
    planned = []
    for dataset in datasets_of(sweep):
        if not dataset.test:
            continue
        for method in sweep.methods:
            for shots in sorted(sweep.shots, reverse=True):
                first = sweep.protocol(dataset, method, shots)
                protocols = tuple(replace(first, seed=seed) for seed in sweep.seeds)
                for protocol in protocols:
                    label_defects(dataset, sweep.labelled, protocol.seed)
                    unseen_references(protocol, dataset)
                planned.append(Job(dataset, protocols))
    return planned


def run_sweep(sweep: Sweep, show_progress: bool = True) -> tuple[list[Job], bool]:
    """Run the unfinished jobs; returns all jobs, and whether any job was run.

    Raises InputError where a notebook fails, with the notebook's error message.
    """
    everything = jobs(sweep)
    waiting = [job for job in everything if not is_done(job, sweep)]
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


def is_done(job: Job, sweep: Sweep) -> bool:
    """Whether the notebook of a job and all its results are on disk."""
    return notebook_file(job, sweep).exists() and all(protocol in sweep.store for protocol in job.protocols)


def notebook_file(job: Job, sweep: Sweep) -> Path:
    """The executed notebook of a job."""
    return sweep.out / "notebooks" / f"{job.title}.ipynb"


def _warm(waiting: Sequence[Job], sweep: Sweep, show_progress: bool) -> None:
    """Fill the cache with what waiting notebooks share: features, and distances where the method shares them."""
    cache = TensorCache()
    for job in waiting:
        detector = build(job.protocols[0], sweep.machine)
        shared = job.protocols, job.dataset, cache, sweep.machine
        for paths, angles in ((all_references(*shared), detector.reference_angles), (all_scored(*shared), (0,))):
            network, spec = detector.network(), detector.spec()
            for _ in extract(network, paths, spec, angles, cache=cache, show_progress=show_progress):
                pass
    for category in dict.fromkeys(job.protocols[0].category for job in waiting):
        of_category = [job for job in waiting if job.protocols[0].category == category]
        protocols = [protocol for job in of_category for protocol in job.protocols]
        share_distances(protocols, of_category[0].dataset, cache, sweep.machine, show_progress)


def _execute(job: Job, sweep: Sweep) -> None:
    target = notebook_file(job, sweep)
    if is_done(job, sweep):  # by another sweep in the same folder
        return
    execute_notebook(target, notebook_parameters(job, sweep), sweep.workers)


def notebook_parameters(job: Job, sweep: Sweep) -> dict[str, Any]:
    """The parameters of the run notebook for a job."""
    protocol = job.protocols[0]
    return {
        "data": sweep.data if sweep.data in BUILT_IN else printable(os.path.abspath(sweep.data)),
        "layout": sweep.layout,
        "masks": printable(sweep.masks or ""),
        "pages": sweep.pages,
        "group": printable(sweep.group or ""),  # escapes mean the same in a regular expression
        "category": printable(protocol.category),
        "method": protocol.method,
        "shots": protocol.shots,
        "seeds": [p.seed for p in job.protocols],
        "selection": protocol.selection,
        "backbone": protocol.backbone,
        "weights": printable(os.path.abspath(sweep.weights)) if sweep.weights else "",
        "device": sweep.device or "",
        "resolution": sweep.resolution or 0,
        "preprocess": sweep.preprocess,
        "split_seed": protocol.split_seed,
        "map_frame": protocol.map_frame,
        "labelled": protocol.labelled,
        "official": sweep.official,
        "settings": json.dumps(dict(sweep.settings)) if sweep.settings else "",
        "results": "results",
    }
