"""Check a data set before use: what it holds, what is broken, what it allows (chapters 00, 23)."""

import os
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from adlib.data.dataset import Dataset, Sample
from adlib.data.depth import Advice, Span, advise, span_of
from adlib.data.groups import proposed_group
from adlib.data.images import content_key, probe_image
from adlib.data.layouts import load_dataset
from adlib.data.mask_warnings import mask_warnings
from adlib.data.masks import read_mask
from adlib.data.names import printable
from adlib.data.unused import OWN, unused_files
from adlib.errors import InputError
from adlib.files import short_name
from adlib.progress import progress

SHOWN = 10
SHOTS = (1, 2, 4, 8, 16)  # of the proposed sweep, three draws of each


@dataclass(frozen=True)
class Report:
    """What `check_folder` found.

    lines: the report, line by line.
    ok: whether a sweep can start, that is, all files can be read and image metrics can be computed.
    command: what to type next; the sweep where it can start.
    dataset: the indexed data set, None where it cannot be indexed.
    window: of grey levels, see `Advice`; None for none.
    """

    lines: tuple[str, ...]
    ok: bool
    command: str
    dataset: Dataset | None = None
    window: tuple[float, float] | None = None

    def __str__(self) -> str:
        return "\n".join(self.lines)


@dataclass
class _Found:
    sizes: Counter = field(default_factory=Counter)
    modes: Counter = field(default_factory=Counter)
    spans: dict[Sample, Span] = field(default_factory=dict)  # of images of more than 8 bits
    broken: list[str] = field(default_factory=list)
    empty_masks: list[str] = field(default_factory=list)
    by_content: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))


def check_folder(
    path: str | os.PathLike,
    layout: str = "auto",
    category: str | None = None,
    show_progress: bool = False,
    **reading: str | None,
) -> Report:
    """Index a data set, check every file, and report what can be done with it.

    Files are read whole, but decoded only as far as needed to find damage; those of more than 8 bits are decoded for
    their values.

    path: the data set, see `load_dataset`.
    layout: as in `load_dataset`.
    category: one category, or None for all.
    show_progress: whether to show a progress bar.
    reading: masks, pages and group of `load_dataset`.
    Returns a `Report`. Bad files are reported, nothing is raised for them.
    """
    told = _told(layout, reading)
    again = shlex.join(["adlib", "check", printable(path), *told])
    try:
        dataset = load_dataset(path, category, layout, **reading)
    except InputError as error:
        return Report((str(error), "Next: fix this, then check again."), ok=False, command=again)
    lines, found = describe(dataset), _inspect(dataset, show_progress)
    advice = advise(found.spans, sum(found.sizes.values()))
    found.broken += [f"{printable(dataset.relative(s))}: {reason}" for s, reason in advice.unreadable.items()]
    duplicates = _duplicate_lines(dataset, found)
    lines += ["Files", *_file_lines(found), *advice.lines]
    lines += _section("Cannot be used", found.broken)
    lines += _section("The same image more than once", duplicates)
    lines += _section("Names that differ in case only: one file on Windows and macOS", _twin_names(dataset))
    lines += _section("Defective by label, but the mask is empty", found.empty_masks)
    lines += _section("Masks that are probably wrong", mask_warnings(dataset, show_progress))
    for reason, files in unused_files(dataset).items():
        names = [printable(path.relative_to(dataset.root)) for path in files]
        lines += [f"{reason}: {len(names)} files, not read"] if reason == OWN else _section(reason, names)
    lines += _group_lines(dataset, reading.get("group"))
    lines.append(_next_step(dataset, found, duplicates, advice))
    ok = not _unmeasurable(dataset) and not found.broken
    command = again
    if not found.broken:
        data = ["--data", printable(path), *told]
        command = _sweep(data, category, dataset, advice) if ok else _learn(data, dataset, advice)
    return Report(tuple(lines), ok, command, dataset, advice.window)


def _told(layout: str, reading: Mapping[str, str | None]) -> list[str]:
    """What the user said about the folder, as arguments of a command."""
    said = {"layout": layout, **reading}
    usual = {"layout": "auto", "pages": "ask"}
    return [word for name, value in said.items() if value != usual.get(name) for word in (f"--{name}", str(value))]


def _group_lines(dataset: Dataset, group: str | None) -> list[str]:
    """The groups of the good training images of each category; without a group, those that their names show."""
    lines = []
    for name in dataset.categories:
        good = dataset.category(name).train_good
        sizes = Counter(s.group for s in good)
        at = f"{printable(name)}: {len(good)} good training images"
        if group is not None:
            lines.append(f"  {at} in {_count(len(sizes), 'group')} ({_sizes(sizes)}), held out as wholes")
        elif proposed := proposed_group([dataset.relative(s) for s in good]):
            pattern, sizes = proposed
            lines.append(f"  {at} have names of {len(sizes)} groups ({_sizes(sizes)})")
            lines.append(f"  if images of a group are alike (one part, film, day), add --group {shlex.quote(pattern)}")
    return ["Groups", *lines] if lines else []


def _sizes(sizes: Counter) -> str:
    return _some((f"{printable(name)}: {count}" for name, count in sorted(sizes.items())), 4)


def describe(dataset: Dataset) -> list[str]:
    """What a data set holds and what can be computed from it, as lines; no file is opened."""
    layout = f"layout {dataset.layout}, " if dataset.layout else ""
    lines = [
        f"{printable(dataset.name)}: {layout}{_count(len(dataset.categories), 'category', 'categories')},"
        f" {_count(len(dataset.samples), 'image')}"
    ]
    for name in dataset.categories:
        part = dataset.category(name)
        lines.append(printable(name))
        for split in ("train", "validation", "test"):
            kinds = Counter(s.defect for s in part.samples if s.split == split)
            order = sorted(kinds, key=lambda kind: (kind != "good", kind))
            counts = ", ".join(f"{kinds[kind]} {printable(kind)}" for kind in order) or "none"
            lines.append(f"  {split:<15}{counts}")
        lines += [f"  {what:<15}{answer}" for what, answer in _allows(part)]
    return lines


def _allows(part: Dataset) -> list[tuple[str, str]]:
    """What one category can be used for, and what it lacks for the rest."""
    train, held_out, test = len(part.train_good), len(part.validation), part.test
    defective = [s for s in test if s.label]
    masked = sum(s.mask is not None for s in defective)
    thirds = train // 3
    shots = f"1 to {train}"
    if thirds:
        shots += f'; three separate draws up to {thirds}, beyond that selection="random"'
    lacking = lacks(part)
    if not defective:
        pixels = "not available: no defective test images"
    elif masked < len(defective):
        pixels = f"not available: {masked} of {len(defective)} defective test images have a mask"
    else:
        pixels = "yes" if not lacking else f"not available: {lacking}"
    source = f"{held_out} validation images" if held_out else "good training images that are not among the shots"
    return [
        ("shots", shots),
        ("image metrics", "yes" if not lacking else f"not available: {lacking}"),
        ("pixel metrics", pixels),
        ("threshold", f"from {source}"),
    ]


def lacks(part: Dataset) -> str:
    """What one category lacks for image metrics, in words: "no good test images"; empty where it lacks nothing."""
    labels = {s.label for s in part.test}
    missing = [word for label, word in ((0, "good"), (1, "defective")) if label not in labels]
    return f"no {' or '.join(missing)} test images" if missing else ""


def _unmeasurable(dataset: Dataset) -> list[str]:
    return [name for name in dataset.categories if lacks(dataset.category(name))]


def _inspect(dataset: Dataset, show_progress: bool) -> _Found:
    found = _Found()
    for sample in progress(dataset.samples, label="checking", unit="img", show=show_progress):
        try:
            probe = probe_image(sample.path)
            span = span_of(sample.path, probe.mode)
            found.by_content[content_key(sample.path)].append(sample)
            found.sizes[probe.size] += 1
            found.modes[probe.mode] += 1
            if span is not None:
                found.spans[sample] = span
            if sample.mask is not None and not read_mask(sample.mask, probe.size).any():
                found.empty_masks.append(printable(dataset.relative(sample)))
        except InputError as error:
            found.broken.append(f"{printable(dataset.relative(sample))}: {error}")
    return found


def _file_lines(found: _Found) -> list[str]:
    sizes = [f"{w} x {h} ({n})" for (w, h), n in found.sizes.most_common()]
    modes = [f"{mode} ({n})" for mode, n in found.modes.most_common()]
    return [f"  {'sizes':<15}{_some(sizes, 5)}", f"  {'modes':<15}{_some(modes, 5)}"]


def _duplicate_lines(dataset: Dataset, found: _Found) -> list[str]:
    lines = []
    for same in found.by_content.values():
        if len(same) < 2:
            continue
        splits, labels = {s.split for s in same}, {s.label for s in same}
        remark = " - BOTH GOOD AND DEFECTIVE" if len(labels) > 1 else ""
        if len(splits) > 1:
            remark += f" - IN {' AND '.join(sorted(splits)).upper()}: this inflates the results"
        lines.append(" = ".join(printable(dataset.relative(s)) for s in same) + remark)
    return sorted(lines, key=lambda line: " - " not in line)


def _twin_names(dataset: Dataset) -> list[str]:
    by_name = defaultdict(list)
    for name in sorted(dataset.relative(s) for s in dataset.samples):
        by_name[name.casefold()].append(printable(name))
    return [" = ".join(names) for names in by_name.values() if len(names) > 1]


def _sweep(data: list[str], category: str | None, dataset: Dataset, advice: Advice) -> str:
    """The command of a sweep for which there are enough images."""
    words = ["sweep", *data]
    words += [] if category is None else ["--category", category]
    fewest = min(len(dataset.category(name).train_good) for name in dataset.categories)
    shots = [n for n in SHOTS if 3 * n <= fewest]
    if shots != list(SHOTS):
        words += ["--shots", *map(str, shots or [n for n in SHOTS if n <= fewest])]
    words += [] if shots else ["--seeds", "0"]
    return shlex.join(["adlib", *words, *advice.words])


def _learn(data: list[str], dataset: Dataset, advice: Advice) -> str:
    """The command that fits a detector to the good images of the first category without metrics."""
    name = printable(_unmeasurable(dataset)[0])
    save = f"{short_name(name)}.safetensors"
    return shlex.join(["adlib", "run", *data, "--category", name, "--save", save, *advice.words])


def _next_step(dataset: Dataset, found: _Found, duplicates: list[str], advice: Advice) -> str:
    if found.broken:
        return f"Next: replace or remove the {_count(len(found.broken), 'image')} above, then check again."
    if lacking := _unmeasurable(dataset):
        part = dataset.category(lacking[0])
        return (
            f"Next: a detector can be fitted and used, but not evaluated: {printable(lacking[0])} has {lacks(part)};"
            " add some and check again, or fit to the good images alone."
        )
    warning = " (see the duplicate images above)" if any(" - " in d for d in duplicates) else ""
    window = ", with the window above" if advice.needed else ""
    return f"Next: a sweep can start{window}{warning}."


def _section(title: str, items: list[str]) -> list[str]:
    if not items:
        return []
    more = [f"  ... and {len(items) - SHOWN} more"] if len(items) > SHOWN else []
    return [f"{title} ({len(items)})", *(f"  {item}" for item in items[:SHOWN]), *more]


def _some(items: Iterable[str], most: int) -> str:
    items = list(items)
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "") or "none"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
