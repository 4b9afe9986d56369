"""Every published number of a paper, the nearest of our runs and our best, and in words what differs.

A run is compared only with numbers of its own data set and shot count. Where it covers fewer categories than the
published mean, that comes first and the difference is in brackets: bottle alone is not MVTec AD.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from adlib.errors import check_choice
from adlib.experiments.store import Result
from adlib.papers.catalogue import CATEGORIES, Setting, published, setting
from adlib.papers.setups import SECONDS, Setup, seeds, setups
from adlib.papers.wording import DETAILS, PIXEL_METRICS, changed, differences, own_protocol, part_of, published_protocol

PAPERS = {"patchcore": "PatchCore", "anomalydino": "AnomalyDINO", "winclip": "WinCLIP"}
# Papers whose numbers are listed under several names: by default under that of `PAPERS`.
NAMES = {"winclip": ("WinCLIP", "WinCLIP+")}
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
    return pd.DataFrame([_compared(number, ours, PAPERS[paper]) for number in numbers_of(paper).itertuples()])


def numbers_of(paper: str) -> pd.DataFrame:
    """Rows of `published` that a paper's method has, in their order. paper: a key of `PAPERS`."""
    table = published()
    return table[table["method"].isin(NAMES.get(paper, (PAPERS[paper],)))]


def _compared(number: Any, ours: Sequence[Setup], method: str) -> dict[str, Any]:
    """A row of `comparison`; number: a row of `published`; method: the paper's own, others are named in the variant."""
    theirs = setting(number.method, number.variant)
    row = {name: getattr(number, name) for name in ("variant", "dataset", "category", "shots", "metric")}
    if number.method != method:
        row["variant"] = f"({number.method}) {number.variant}".strip()
    row |= {"protocol": published_protocol(theirs), "published": number.value, "spread": number.std}
    fitting = [s for s in ours if _fits(s, number)]
    candidates = [c for c in (_candidate(s, number, theirs) for s in fitting) if len(c.values)]
    candidates.sort(key=lambda c: c.rank)
    nearest = candidates[0] if candidates else None
    best = _best(candidates, number.metric)
    row |= {"status": "run" if candidates else "not measured" if fitting else "not run"} | _columns(nearest, number)
    row |= {BEST[name]: value for name, value in _columns(None if best is nearest else best, number).items()}
    row |= {"like_for_like": nearest is not None and nearest.missing <= 0, "others": max(0, len(candidates) - 1)}
    return row | {"source": number.source, "how_read": number.how_read}


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
    details = sum(name in DETAILS for name in changed(setup, theirs, number.metric))
    missing = CATEGORIES.get(number.dataset, 1) - len(categories) if number.category == "mean" else 0
    if missing > 0:
        words.insert(0, part_of(categories, CATEGORIES[number.dataset]))
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
        "ours_protocol": own_protocol(candidate.setup),
        "differs": "; ".join(candidate.differs),
        "run": candidate.setup.protocol.title,
    }


def own_rows(paper: str, results: Iterable[Result]) -> pd.DataFrame:
    """All our setups of a paper's method, one row each: data, protocol in words, number of seeds, metrics (percent).

    paper: a key of `PAPERS`.
    results: runs of any methods.
    """
    rows = []
    for setup in setups(results, paper):
        p = setup.protocol
        row = {"dataset": p.dataset, "categories": ", ".join(setup.categories)}
        row |= {"shots": "full" if p.shots is None else str(p.shots), "protocol": own_protocol(setup)}
        row |= {"maps in": p.map_frame, "draws": len({seeds(r.protocol) for r in setup.runs})}
        for metric in ("image_auroc", "image_ap", "image_f1max", *PIXEL_METRICS):
            row[metric] = setup.values(metric, setup.categories).mean()
        rows.append(row)
    return pd.DataFrame(rows)
