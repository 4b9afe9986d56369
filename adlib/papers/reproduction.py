"""A paper's table by one command: check the data, find the weights, do every missing run, store each result.

The defaults are the values that the paper varies; they can be narrowed. Switches are set as in the method's official
code, which the published numbers come from. A kill costs only the run in progress: results are stored one by one, and
the features of the current category, with the distances that its runs share, stay in the results folder until that
category is done.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from adlib.data import Dataset, load_dataset
from adlib.data.check import check_folder
from adlib.data.fetch import mvtec, visa
from adlib.data.fetch.source import compare, tally
from adlib.errors import InputError, check_choice
from adlib.experiments.execution import run
from adlib.experiments.planning import HERE, Machine, plan
from adlib.experiments.presets import method_options
from adlib.experiments.protocol import Protocol
from adlib.experiments.shared_work import share_distances
from adlib.experiments.store import ResultStore
from adlib.features.cache import TensorCache
from adlib.papers.compare import PAPERS
from adlib.progress import progress

DATASETS = {"mvtec": mvtec, "visa": visa}
# What a paper varies; any other option is an error.
DEFAULTS: dict[str, dict[str, tuple[Any, ...]]] = {
    "patchcore": {
        "backbones": ("wide_resnet50_2",),
        "coresets": (0.25, 0.1, 0.01),
        "shots": ("full",),
        "seeds": (0,),
    },
    "anomalydino": {
        "backbones": ("dinov2_vits14",),
        "resolutions": (448, 672),
        "preprocess": ("agnostic",),
        "shots": ("1", "2", "4", "8", "16"),
        "seeds": (0, 1, 2),
    },
    "winclip": {
        "backbones": ("clip_vitb16_plus_240",),
        "resolutions": (240,),
        "shots": ("0", "1", "2", "4"),
        "seeds": (0, 1, 2, 3, 4),
    },
}
# Papers with rows at 0 shots, and those that sampled their references.
ZERO_SHOT = RANDOM = ("winclip",)
_NAMES = {
    "backbones": "network",
    "coresets": "coreset share",
    "resolutions": "resolution",
    "preprocess": "preprocess mode",
    "shots": "shot count",
    "seeds": "seed",
}


@dataclass(frozen=True)
class Reproduction:
    """Which rows of which paper, on what data, and where results go; () takes the paper's own values, see `DEFAULTS`.

    paper: a key of `PAPERS`.
    data: folder of the data set.
    results: folder for the results.
    categories: names; () for all.
    backbones: names of networks.
    coresets: fractions of the patches that PatchCore keeps.
    resolutions: shorter side in pixels, of AnomalyDINO; side of WinCLIP's square input, which its network fixes.
    preprocess: modes of AnomalyDINO, as in `method_options`.
    shots: numbers as text, or "full"; "0" for a paper of `ZERO_SHOT`.
    seeds: of the references and of the coreset.
    machine: weights file and device.

    Raises InputError on an option that the paper does not vary, on repeated values and on invalid shots.
    """

    paper: str
    data: str
    results: Path
    categories: tuple[str, ...] = ()
    backbones: tuple[str, ...] = ()
    coresets: tuple[float, ...] = ()
    resolutions: tuple[int, ...] = ()
    preprocess: tuple[str, ...] = ()
    shots: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    machine: Machine = HERE

    def __post_init__(self) -> None:
        check_choice("paper", self.paper, PAPERS)
        own = DEFAULTS[self.paper]
        for name in (f.name for f in fields(self) if f.name in _NAMES):
            values = getattr(self, name)
            if values and name not in own:
                raise InputError(f"{PAPERS[self.paper]} is not run over {name}; leave that option out.")
            if len(set(values)) < len(values):
                raise InputError(f"Each value of {name} may be given once, not {', '.join(map(str, values))}.")
            object.__setattr__(self, name, values or own.get(name, ()))
        for word in self.shots:
            least = 0 if self.paper in ZERO_SHOT else 1
            if word != "full" and not (word.isdecimal() and int(word) >= least):
                raise InputError(f"shots must be numbers of at least {least}, or full, not {word!r}.")
        if self.machine.weights and len(self.backbones) > 1:
            raise InputError("A weights file fits only one network; give one backbone with it.")

    @property
    def selection(self) -> str:
        """How references are chosen, as in `Protocol`."""
        return "random" if self.paper in RANDOM else "slice"

    def cells(self, dataset: Dataset) -> list[dict[str, Any]]:
        """Every distinct run, as arguments of `plan` besides the data set: category by category, most shots first.

        Modes that give the same parameters on a category are one run, and so are seeds where all images are used.
        """
        distinct: dict[str, dict[str, Any]] = {}
        for cell in self._grid(dataset):
            distinct.setdefault(str(cell), cell)
        return list(distinct.values())

    def _grid(self, dataset: Dataset) -> Iterator[dict[str, Any]]:
        shots = [None] * ("full" in self.shots)
        shots += sorted((int(word) for word in self.shots if word != "full"), reverse=True)
        for category in dataset.categories:
            for backbone in self.backbones:
                for options in self._options(dataset.name, category, backbone):
                    for count in shots:
                        # Without a sample only PatchCore has something random, the start of its coreset.
                        sampled = count or self.paper == "patchcore"
                        seeds = self.seeds if sampled else self.seeds[:1]
                        for seed in seeds:
                            cell = {"category": category, "backbone": backbone, "options": options}
                            yield cell | {"shots": count, "seed": seed}

    def _options(self, dataset: str, category: str, backbone: str) -> Iterator[dict[str, Any]]:
        if self.paper == "patchcore":
            for share in self.coresets:
                yield method_options("patchcore", dataset, category, backbone, official=True) | {"coreset": share}
            return
        if self.paper == "winclip":
            for side in self.resolutions:
                yield method_options("winclip", dataset, category, backbone, resolution=side)
            return
        for resolution in self.resolutions:
            for mode in self.preprocess:
                yield method_options(
                    "anomalydino", dataset, category, backbone, resolution=resolution, preprocess=mode, official=True
                )

    def describe(self, dataset: Dataset) -> str:
        """The number of runs, in words."""
        counts = [(len(dataset.categories), "category", "categories")]
        for name, word in _NAMES.items():
            if values := getattr(self, name):
                counts.append((len(values), word, f"{word}s"))
        product = " x ".join(f"{n} {one if n == 1 else many}" for n, one, many in counts)
        runs = len(self.cells(dataset))
        return f"{PAPERS[self.paper]} on {dataset.name}: {product}, {runs} {'run' if runs == 1 else 'runs'} in all."


def check_data(job: Reproduction, show_progress: bool = True) -> tuple[Dataset, list[str]]:
    """The data set of a job, checked file by file, and lines that say what was found.

    MVTec AD and VisA are recognised by their categories, and their images are counted against the published numbers.

    job: what to reproduce.
    show_progress: whether to show progress bars.

    Raises InputError where a category is missing, damaged, not as published, or has too few images for the shots.
    """
    whole = load_dataset(job.data)
    names = job.categories or whole.categories
    dataset = replace(whole, samples=tuple(s for name in names for s in whole.category(name).samples))
    lines = []
    for name in dataset.categories:
        if not check_folder(job.data, category=name, show_progress=show_progress).ok:
            raise InputError(f"{name} in {job.data} cannot be used as it is; `adlib check {job.data}` says why.")
    known = next((n for n, module in DATASETS.items() if set(dataset.categories) <= set(module.PUBLISHED)), None)
    if known is None:
        lines.append(f"{dataset.name} is neither MVTec AD nor VisA: there are no published numbers for its rows.")
    else:
        _as_published(dataset, known)
        checked, published = len(dataset.categories), len(DATASETS[known].PUBLISHED)
        dataset = replace(dataset, name=known)
        lines.append(f"{known}: {checked} of {published} categories, every image readable, counts as published.")
    for name in dataset.categories:
        for word in job.shots:
            for seed in job.seeds if word not in ("full", "0") else ():
                dataset.category(name).few_shot(int(word), seed, job.selection)
    return dataset, lines


def _as_published(dataset: Dataset, known: str) -> None:
    module, counts = DATASETS[known], tally(dataset)
    published = {
        name: {what: number for what, number in module.PUBLISHED[name].items() if what in own}
        for name, own in counts.items()
    }
    wrong = compare(counts, published, module.PAPER).mismatches
    if wrong:
        first = wrong[0].rstrip(".")
        raise InputError(f"{dataset.root} is not the published data set: {first}; fetch it again (data_scripts/).")


def reproduce(job: Reproduction, dataset: Dataset, show_progress: bool = True) -> list[Protocol]:
    """Do every run of a job that is not in its results folder. Weights are found, or downloaded, before the first run.

    job: what to reproduce.
    dataset: from `check_data`.
    show_progress: whether to show progress bars.

    Returns the protocols of all runs, in order.
    """
    store = ResultStore(job.results)
    protocols = planned(job, dataset)
    waiting = [protocol for protocol in protocols if protocol not in store]
    with progress(total=len(protocols), label=job.paper, unit="run", show=show_progress) as bar:
        bar.update(len(protocols) - len(waiting))
        for category in dict.fromkeys(protocol.category for protocol in waiting):
            features = job.results / "features" / category
            one, cache = dataset.category(category), TensorCache(features)
            of_category = [protocol for protocol in waiting if protocol.category == category]
            share_distances(of_category, one, cache, job.machine, show_progress)
            for protocol in of_category:
                run(protocol, one, store, machine=job.machine, cache=cache)
                bar.update()
            shutil.rmtree(features, ignore_errors=True)
    return protocols


def planned(job: Reproduction, dataset: Dataset) -> list[Protocol]:
    """The protocols of all runs of a job, in order; dataset: from `check_data`."""
    return [_protocol(job, dataset, cell) for cell in job.cells(dataset)]


def _protocol(job: Reproduction, dataset: Dataset, cell: dict[str, Any]) -> Protocol:
    return plan(
        dataset.category(cell["category"]),
        job.paper,
        map_frame="network" if job.paper == "patchcore" else "original",
        selection=job.selection,
        machine=job.machine,
        **{name: value for name, value in cell.items() if name != "category"},
    )
