"""Every published number of a paper, the nearest of our runs and our best, and in words what differs.

A run is compared only with numbers of its own data set and shot count. Where it covers fewer categories than the
published mean, that comes first and the difference is in brackets: bottle alone is not MVTec AD.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from adlib.detectors.anomalydino import AnomalyDINO
from adlib.errors import check_choice
from adlib.experiments.presets import TURNED
from adlib.experiments.protocol import Protocol
from adlib.experiments.store import Result, as_frame, each_run_once
from adlib.features.backbones import patch_multiple
from adlib.papers.catalogue import CATEGORIES, Setting, published, setting

PAPERS = {"patchcore": "PatchCore", "anomalydino": "AnomalyDINO"}
NETWORKS = {
    "efficientnet_lite0": "EfficientNet-Lite0",
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "wide_resnet50_2": "WideResNet-50-2",
    "wide_resnet101_2": "WideResNet-101-2",
    "vit_tiny_patch16": "ViT-Tiny/16",
    "dinov2_vits14": "DINOv2 ViT-S/14",
    "dinov2_vits14_saliency": "DINOv2 ViT-S/14 fine-tuned for saliency",
    "dinov2_vitb14": "DINOv2 ViT-B/14",
    "dinov2_vitl14": "DINOv2 ViT-L/14",
    "dinov2_vitg14": "DINOv2 ViT-g/14",
}
SECONDS = "seconds_per_image"
_PIXELS = ("pixel_auroc", "pixel_ap", "pixel_f1max", "aupro")
_SQUARE = ("mvtec",)  # data sets of square images
# Differences in a detail: of two runs, the run with this detail is nearer than the run without rotation or mask.
_DETAILS = ("rotation", "mask_growth", "stretch_maps")
_TURNS = {
    "all": "all references rotated",
    "some": "references rotated only in categories with rotated parts",
    "none": "no reference rotated",
}


@dataclass(frozen=True)
class Setup:
    """Our runs of one protocol on one data set, which differ only in category and seeds.

    runs: at least one.
    turned: the categories whose references are rotated: "all", "some" or "none"; "" where a method does not rotate.
    """

    runs: tuple[Result, ...]
    turned: str = ""

    @property
    def protocol(self) -> Protocol:
        """The protocol of the first run; the other runs differ from it in category and seeds."""
        return self.runs[0].protocol

    @property
    def categories(self) -> tuple[str, ...]:
        """Names, sorted."""
        return tuple(sorted({run.protocol.category for run in self.runs}))

    def values(self, metric: str, categories: Sequence[str]) -> pd.Series:
        """The metric (percent, or seconds) per pair of seeds, a mean over categories.

        Seeds for which a category has no value are left out.

        metric: a metric of the results, or seconds_per_image.
        categories: names.
        """
        by_seeds: dict[str, dict[str, float | None]] = {}
        for run in self.runs:
            by_seeds.setdefault(_seeds(run.protocol), {})[run.protocol.category] = _measured(run, metric)
        rows = [[values.get(name) for name in categories] for values in by_seeds.values()]
        return pd.Series([sum(row) / len(row) for row in rows if None not in row], dtype=float)


def _seeds(protocol: Protocol) -> str:
    return f"{protocol.seed}/{protocol.split_seed}"


def _measured(result: Result, metric: str) -> float | None:
    if metric == SECONDS:
        return result.row["timings"]["predict_s_per_image"]
    value = result.metrics.get(metric)
    return None if value is None else 100 * value


def setups(results: Iterable[Result], method: str) -> list[Setup]:
    """Our runs of a method, grouped by protocol, in the order of their titles.

    A run of AnomalyDINO with rotations on a category with rotated parts belongs to two groups, 'all' and 'some'. A
    group that another group contains is left out, and so is a run that was done again because its row did not say what
    the images and masks held.

    results: runs of any methods.
    method: name of a detector.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    ours = [result for result in results if result.protocol.method == method]
    once = [ours[number] for number in each_run_once(as_frame(ours)).index] if ours else []
    for result in sorted(once, key=lambda r: r.protocol.title):
        common = {k: v for k, v in result.protocol.group().items() if k != "category"}
        for turned in _turns(result.protocol):
            options = {k: v for k, v in common["options"].items() if not (turned and k == "rotate")}
            groups.setdefault((str(common | {"options": options}), turned), []).append(result)
    hashes_of = {key: {r.protocol.hash for r in runs} for key, runs in groups.items()}
    kept, seen = [], []
    for key, runs in groups.items():
        hashes = hashes_of[key]
        if hashes not in seen and not any(hashes < other for other in hashes_of.values()):
            kept.append(Setup(tuple(runs), key[1]))
            seen.append(hashes)
    return kept


def _turns(protocol: Protocol) -> tuple[str, ...]:
    if "rotate" not in protocol.options:
        return ("",)
    if (protocol.dataset, protocol.category) in TURNED:
        return ("all", "some") if protocol.options["rotate"] else ("none",)
    return ("all",) if protocol.options["rotate"] else ("none", "some")


def differences(setup: Setup, theirs: Setting, metric: str) -> list[str]:
    """What differs between our protocol and a published one, in words; what is unknown is not compared.

    setup: our runs.
    theirs: the published protocol.
    metric: the published metric; differences that cannot affect it are left out.
    """
    protocol, options = setup.protocol, setup.protocol.options
    words = [word for word in (theirs.run_by, theirs.note) if word]
    if not theirs.options:  # name at least our own setting
        words.append(f"ours: {_network(protocol.backbone)} at {options['resize']} px")
    if theirs.backbone and protocol.backbone != theirs.backbone:
        words.append(f"{_network(protocol.backbone)} instead of {_network(theirs.backbone)}")
    if theirs.options and options.get("layers") is not None:  # the papers take each network's default layers
        words.append(f"layers {' + '.join(options['layers'])}")
    if theirs.options and options.get("aspect") == "square":
        words.append("both sides resized instead of the shorter side")
    if theirs.options and options.get("precision") != "float32":
        words.append(f"{options['precision']} instead of float32")
    words += [_WORDS[name](ours, value) for name, (ours, value) in _changed(setup, theirs, metric).items()]
    if metric in _PIXELS and theirs.map_frame and protocol.map_frame != theirs.map_frame:
        frames = {"network": "in the network's crop", "original": "in original pixels"}
        words.append(f"maps compared {frames[protocol.map_frame]} instead of {frames[theirs.map_frame]}")
    if protocol.shots and theirs.selection and protocol.selection != theirs.selection:
        words.append("references sampled at random instead of in slices of the sorted list")
    if protocol.dataset == "mtd":
        words.append("another split, since none is published")
    if protocol.dataset == "mvtec" and setup.runs[0].scores["image"].iloc[0].endswith((".jpg", ".jpeg")):
        words.append("JPEG copies instead of the distributed PNG files")
    return words


def _changed(setup: Setup, theirs: Setting, metric: str) -> dict[str, tuple[Any, Any]]:
    """Parameter -> our value and theirs, where these differ and can affect the metric."""
    ours = {**setup.protocol.options, "rotate": setup.turned == "all"}
    pairs = {name: (ours.get(name), value) for name, value in theirs.options.items() if name in _WORDS}
    unused = _unused(setup, theirs, metric)
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1] and name not in unused}


def _unused(setup: Setup, theirs: Setting, metric: str) -> set[str]:
    """Parameters that cannot affect the metric of our runs."""
    protocol, options = setup.protocol, setup.protocol.options
    whole = 1.0 in (options.get("coreset"), theirs.options.get("coreset"))
    maps = metric in _PIXELS and protocol.map_frame == "original"
    without_effect = {
        "dims": options.get("pooling") != "official",
        "coreset_method": whole,
        "rotation": setup.turned == "none",
        "mask_growth": options.get("mask") == "never",
        "batch_share": protocol.shots != 0,
        "stretch_maps": not maps or _nothing_cut(protocol),
    }
    return {name for name, holds in without_effect.items() if holds}


def _nothing_cut(protocol: Protocol) -> bool:
    """Whether the network surely sees whole images: both sides are multiples of its patch."""
    multiple, side = patch_multiple(protocol.backbone), protocol.options["resize"]
    square = protocol.dataset in _SQUARE or protocol.options["aspect"] == "square"
    return multiple == 1 or (square and side is not None and side % multiple == 0)


def _network(name: str) -> str:
    return NETWORKS.get(name, name)


def _coreset(value: float) -> str:
    return f"at most {value:,} patches" if isinstance(value, int) else f"{100 * value:g}%"


def _turned(ours: bool, theirs: bool) -> str:
    return "references not rotated in every category" if theirs else "all references rotated instead of none"


_POOLINGS = {"mean": "plain mean of a window", "official": "the code's two adaptive poolings"}
_DISTANCES = {"euclidean": "Euclidean distances", "squared": "squared distances"}
_CORESETS = {"greedy": "exact greedy", "approximate": "approximate greedy", "random": "random"}
_ROTATIONS = {"centred": "about the centre", "official": "half a pixel beside it"}
_GROWTHS = {"grid": "on the patch grid", "column": "along its rows"}
_WORDS: dict[str, Any] = {
    "resize": lambda ours, theirs: f"resized to {ours} px instead of {theirs}",
    "crop": lambda ours, theirs: f"{f'crop {ours}' if ours else 'no crop'} instead of crop {theirs}",
    "pooling": lambda ours, theirs: f"{_POOLINGS[ours]} instead of {_POOLINGS[theirs]}",
    "dims": lambda ours, theirs: f"{ours} dimensions instead of {theirs}",
    "distance": lambda ours, theirs: f"{_DISTANCES[ours]} instead of {_DISTANCES[theirs]}",
    "reweight": lambda ours, theirs: f"eq. 7 with b = {ours} instead of off",
    "coreset": lambda ours, theirs: f"coreset {_coreset(ours)} instead of {_coreset(theirs)}",
    "coreset_method": lambda ours, theirs: f"{_CORESETS[ours]} coreset instead of {_CORESETS[theirs]}",
    "neighbourhood": lambda ours, theirs: f"window {ours} x {ours} instead of {theirs} x {theirs}",
    "neighbours": lambda ours, theirs: f"{ours} nearest neighbours instead of {theirs}",
    "top_share": lambda ours, theirs: f"image score from {_top(ours)} instead of {_top(theirs)}",
    "sigma": lambda ours, theirs: f"sigma {ours:g} instead of {theirs:g}",
    "rotate": _turned,
    "rotation": lambda ours, theirs: f"references turned {_ROTATIONS[ours]} instead of {_ROTATIONS[theirs]}",
    "mask": lambda ours, theirs: "no masking" if ours == "never" else "masks always instead of where the test passes",
    "mask_growth": lambda ours, theirs: f"mask grown {_GROWTHS[ours]} instead of {_GROWTHS[theirs]}",
    "batch_share": lambda ours, theirs: f"{_closest(ours)} of the batch instead of {_closest(theirs)}",
    "stretch_maps": lambda ours, theirs: f"maps laid over {_areas(ours)} instead of {_areas(theirs)}",
}


def _top(share: float) -> str:
    return f"the highest {100 * share:g}% of patches" if share else "the highest patch"


def _closest(share: float) -> str:
    return f"the closest {100 * share:g}% of patches" if share else "the nearest patch"


def _areas(stretched: bool) -> str:
    return "the whole image" if stretched else "what the network saw"


# Columns of the nearest run -> those of our best.
BEST = {
    "ours": "best",
    "ours_spread": "best_spread",
    "draws": "best_draws",
    "difference": "best_difference",
    "ours_protocol": "best_protocol",
    "differs": "best_differs",
    "run": "best_run",
}


def comparison(paper: str, results: Iterable[Result]) -> pd.DataFrame:
    """Every published number of a paper's method, one row each, with the nearest of our runs and our best next to it.

    The nearest run covers most categories, then has the fewest differences, those in a detail counted last, a ResNet
    where the paper has one, and the most seeds. The best run covers the same categories and has the highest value (the
    lowest, of seconds): chosen on test images, it flatters us. Where it is the nearest run, it stands there alone.

    paper: a key of `PAPERS`.
    results: runs of any methods.

    Returns the columns variant, dataset, category, shots, metric, protocol (the published one, in words), published,
    spread (published; NaN where none is given), status ("run", "not run", "not measured"), ours (percent; seconds for
    seconds_per_image), ours_spread, draws (number of seeds), difference (points, NaN for seconds), ours_protocol,
    differs (words), run (title of a run), the same seven of our best under the names in `BEST` (NaN, 0 or "" where it
    is the nearest run), like_for_like (whether our runs cover the categories of the published number), others (number
    of our other setups that could be compared), source, how_read. Raises InputError on another paper.
    """
    check_choice("paper", paper, PAPERS)
    ours = setups(results, paper)
    return pd.DataFrame([_compared(number, ours) for number in published(method=PAPERS[paper]).itertuples()])


def _compared(number: Any, ours: Sequence[Setup]) -> dict[str, Any]:
    """A row of `comparison`; number: a row of `published`."""
    theirs = setting(number.method, number.variant)
    row = {name: getattr(number, name) for name in ("variant", "dataset", "category", "shots", "metric")}
    row |= {"protocol": _published_protocol(theirs), "published": number.value, "spread": number.std}
    fitting = [s for s in ours if _fits(s, number)]
    candidates = [c for c in (_candidate(s, number, theirs) for s in fitting) if len(c.values)]
    candidates.sort(key=lambda c: c.rank)
    nearest = candidates[0] if candidates else None
    best = _best(candidates, number.metric)
    row |= {"status": "run" if candidates else "not measured" if fitting else "not run"} | _columns(nearest, number)
    row |= {BEST[name]: value for name, value in _columns(None if best is nearest else best, number).items()}
    row |= {"like_for_like": nearest is not None and nearest.missing <= 0, "others": max(0, len(candidates) - 1)}
    return row | {"source": number.source, "how_read": number.how_read}


def _published_protocol(theirs: Setting) -> str:
    options = theirs.options
    words = [theirs.run_by or "run by the method's authors"]
    words += [_network(theirs.backbone)] if theirs.backbone else []
    words += [f"{options['resize']} px"] if "resize" in options else []
    words += [f"crop {options['crop']}"] if "crop" in options else []
    words += [f"coreset {_coreset(options['coreset'])}"] if "coreset" in options else []
    return ", ".join(words)


def _fits(setup: Setup, number: Any) -> bool:
    shots = "full" if setup.protocol.shots is None else str(setup.protocol.shots)
    covered = number.category == "mean" or number.category in setup.categories
    return setup.protocol.dataset == number.dataset and shots == number.shots and covered


@dataclass(frozen=True)
class _Candidate:
    """One of our setups next to a published number.

    categories: those behind our value.
    missing: how many categories of the published mean our value lacks.
    values: the metric per pair of seeds.
    differs: in words.
    rank: the lowest is the nearest.
    """

    setup: Setup
    categories: tuple[str, ...]
    missing: int
    values: pd.Series
    differs: Sequence[str]
    rank: tuple[Any, ...]

    @cached_property
    def mean(self) -> float:
        """Over the pairs of seeds."""
        return self.values.mean()


def _candidate(setup: Setup, number: Any, theirs: Setting) -> _Candidate:
    categories = setup.categories if number.category == "mean" else (number.category,)
    values = setup.values(number.metric, categories)
    words = differences(setup, theirs, number.metric)
    details = sum(name in _DETAILS for name in _changed(setup, theirs, number.metric))
    missing = CATEGORIES.get(number.dataset, 1) - len(categories) if number.category == "mean" else 0
    if missing > 0:
        words.insert(0, _part_of(categories, CATEGORIES[number.dataset]))
    if number.metric == SECONDS:
        words.append("another machine")
    # Of two other networks, a network of the same family is nearer.
    other_family = "resnet" not in setup.protocol.backbone and "resnet" in (theirs.backbone or "")
    rank = (missing, len(words) - details, details, other_family, -len(values), setup.protocol.title)
    return _Candidate(setup, categories, missing, values, words, rank)


def _best(candidates: Sequence[_Candidate], metric: str) -> _Candidate | None:
    """The best value on the categories of the nearest, the first candidate; None where there is none."""
    same = [c for c in candidates if c.categories == candidates[0].categories]
    sign = -1 if metric == SECONDS else 1
    return max(same, key=lambda c: sign * c.mean, default=None)  # of equal values the nearest


def _columns(candidate: _Candidate | None, number: Any) -> dict[str, Any]:
    if candidate is None:
        return dict.fromkeys(BEST, "") | {"ours": None, "ours_spread": None, "draws": 0, "difference": None}
    return {
        "ours": candidate.mean,
        "ours_spread": candidate.values.std(),
        "draws": len(candidate.values),
        "difference": None if number.metric == SECONDS else candidate.mean - number.value,
        "ours_protocol": _own_protocol(candidate.setup),
        "differs": "; ".join(candidate.differs),
        "run": candidate.setup.protocol.title,
    }


def _part_of(categories: Sequence[str], of: int) -> str:
    if len(categories) == 1:
        return f"ONE category of {of} ({categories[0]})"
    return f"{len(categories)} categories of {of} ({', '.join(categories)})"


def _switched(options: Mapping[str, Any]) -> list[str]:
    """The switches of AnomalyDINO's official code that are on, in words."""
    words = {
        "rotation": "turned half a pixel beside the centre",
        "mask_growth": "mask grown along rows",
        "batch_share": f"batch: {_closest(options['batch_share'])}",
        "stretch_maps": "maps over the whole image",
    }
    defaults = AnomalyDINO.parameter_defaults()
    return [word for name, word in words.items() if options[name] != defaults[name]]


def own_rows(paper: str, results: Iterable[Result]) -> pd.DataFrame:
    """All our setups of a paper's method, one row each: data, protocol in words, number of seeds, metrics (percent).

    paper: a key of `PAPERS`.
    results: runs of any methods.
    """
    rows = []
    for setup in setups(results, paper):
        p = setup.protocol
        row = {"dataset": p.dataset, "categories": ", ".join(setup.categories)}
        row |= {"shots": "full" if p.shots is None else str(p.shots), "protocol": _own_protocol(setup)}
        row |= {"maps in": p.map_frame, "draws": len({_seeds(r.protocol) for r in setup.runs})}
        for metric in ("image_auroc", "image_ap", "image_f1max", *_PIXELS):
            row[metric] = setup.values(metric, setup.categories).mean()
        rows.append(row)
    return pd.DataFrame(rows)


def _own_protocol(setup: Setup) -> str:
    p, o = setup.protocol, setup.protocol.options
    words = [_network(p.backbone), f"{o['resize']} px"]
    words += [" + ".join(o["layers"])] if o["layers"] else []
    if p.method == "patchcore":
        words += [f"crop {o['crop']}" if o["crop"] else "no crop", f"{o['pooling']} pooling", o["distance"]]
        words += [f"coreset {_coreset(o['coreset'])} {'' if o['coreset'] == 1.0 else o['coreset_method']}".strip()]
        words += [f"eq. 7, b = {o['reweight']}"] if o["reweight"] else []
    else:
        words += [_TURNS[setup.turned], f"mask {o['mask']}", *_switched(o)]
    words += [f"window {o['neighbourhood']}", f"score from {_top(o['top_share'])}"]
    return ", ".join(words + ([f"{o['aspect']} sides"] if o["aspect"] != "keep" else []))
