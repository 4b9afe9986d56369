"""From a data set, a method and its options to the protocol of a run; the one place where protocols are made."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adlib.data import Dataset, Sample
from adlib.data.contents import content_keys
from adlib.data.dataset import whole_number
from adlib.data.images import content_key
from adlib.data.pages import split_page
from adlib.detectors.base import Detector
from adlib.detectors.registry import default_backbone, detector_class, make_detector
from adlib.errors import InputError
from adlib.experiments.protocol import Protocol
from adlib.experiments.settings import check_settings, plain_value


@dataclass(frozen=True)
class Machine:
    """Where a run happens, as opposed to what it computes.

    weights: file of the backbone's weights; None to find or download them.
    device: "cpu" or "cuda"; None for whatever is available.
    """

    weights: str | None = None
    device: str | None = None


HERE = Machine()
_SPLIT_BY_SEED = ("mtd", "folder", "")  # layouts without a split of their own; "" is a data set made by hand


def data_digest(dataset: Dataset, labelled: int = 0) -> str:
    """10 hex digits over path, size, split and label of every sample; no file is opened.

    labelled: at 0 the labelled defects of the training split do not count: no run reads them then.
    """
    used = _used(dataset, labelled)
    return _digest(f"{dataset.relative(s)}\t{_bytes(s.path)}\t{s.split}\t{s.label}" for s in used)


def content_digest(dataset: Dataset, labelled: int = 0) -> str:
    """10 hex digits over the content of every image and mask, with their paths below the data set's root.

    Files that have not changed since they were last read are not read again (see `adlib.data.contents`).

    dataset: any.
    labelled: as in `data_digest`.
    Raises InputError for the first file that cannot be read.
    """
    used = _used(dataset, labelled)
    keys = content_keys(path for s in used for path in (s.path, s.mask) if path is not None)
    return _digest(_content(dataset, sample, keys) for sample in used)


def _used(dataset: Dataset, labelled: int) -> list[Sample]:
    unread = set() if labelled else set(dataset.train_defects)
    return [s for s in dataset.samples if s not in unread]


def _content(dataset: Dataset, sample: Sample, keys: Mapping[Path, str]) -> str:
    mask = "-"
    if sample.mask is not None:
        mask = f"{Path(os.path.relpath(sample.mask, dataset.root)).as_posix()}\t{keys[sample.mask]}"
    return f"{dataset.relative(sample)}\t{keys[sample.path]}\t{mask}"


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()[:10]


def _bytes(path: Path) -> int:
    try:
        return os.stat(split_page(path)[0]).st_size
    except OSError:
        content_key(path)  # raises an InputError that explains a dangling link
        raise


def plan(
    dataset: Dataset,
    method: str,
    *,
    backbone: str | None = None,
    shots: int | None = None,
    selection: str = "slice",
    seed: int = 0,
    split_seed: int = 0,
    map_frame: str = "original",
    labelled: int = 0,
    options: Mapping[str, Any] | None = None,
    machine: Machine = HERE,
) -> Protocol:
    """The protocol of a run on one category of a data set.

    dataset: one category.
    method: name of a detector.
    backbone: name of the network; None for the method's own.
    shots: number of references; None for all good training images, 0 for batched zero-shot.
    selection: how the references are selected, as in `Protocol`.
    seed: of the selection and of the method.
    split_seed: the seed that `load_dataset` was given; 0 where the data set has a split of its own.
    map_frame: where maps and masks are compared, as in `Protocol`.
    labelled: number of labelled defects to learn from, as in `Protocol`.
    options: parameters of the method, see its class.
    machine: where the backbone's weights are found; their sha256 is part of the protocol.

    Raises InputError on invalid values.
    """
    if len(dataset.categories) != 1:
        raise InputError(f"{dataset.name} has several categories: {', '.join(dataset.categories)}; choose one.")
    if split_seed and dataset.layout not in _SPLIT_BY_SEED:
        raise InputError(
            f"split_seed (--split-seed) is {split_seed}, but {dataset.name} has a split of its own, which no seed "
            "changes; leave it at 0."
        )
    options = {name: plain_value(value) for name, value in (options or {}).items()}
    check_settings(method, options)
    detector_class(method).check_defects(whole_number("labelled", labelled, 0))  # before any file is read
    backbone = backbone or default_backbone(method)
    detector = make_detector(method, backbone=backbone, weights=machine.weights, device=machine.device, **options)
    return Protocol(
        dataset=dataset.name,
        category=dataset.categories[0],
        data_digest=data_digest(dataset, labelled),
        method=method,
        backbone=backbone,
        weights_sha256=detector.network().weights_sha256,
        split_seed=split_seed,
        shots=shots,
        selection=selection,
        seed=seed,
        map_frame=map_frame,
        options=detector.parameters(),
        content_digest=content_digest(dataset, labelled),
        group_by=dataset.group,
        noise=dataset.noise,
        labelled=labelled,
    )


def build(protocol: Protocol, machine: Machine = HERE) -> Detector:
    """The detector that a protocol describes. Raises InputError where the method's revision has changed since."""
    current = detector_class(protocol.method).revision
    if protocol.revision != current:
        raise InputError(
            f"{protocol.title} was made by revision {protocol.revision} of {protocol.method}; this version of adlib "
            f"has revision {current}, which gives other numbers. Plan the run again."
        )
    return make_detector(
        protocol.method,
        backbone=protocol.backbone,
        weights=machine.weights,
        device=machine.device,
        seed=protocol.seed,
        **protocol.options,
    )
