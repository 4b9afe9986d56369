"""The good images that a run learns from: a slice, a random draw, or a coreset of the training images (chapter 10)."""

import torch

from adlib.bank.coreset import central_coreset
from adlib.data import Dataset, Sample
from adlib.data import dataset as draws
from adlib.errors import InputError
from adlib.experiments.planning import HERE, Machine, build
from adlib.experiments.protocol import Protocol
from adlib.features.cache import TensorCache
from adlib.features.extract import extract
from adlib.features.patches import whole_image_vector
from adlib.features.pixels import PIXELS

CORESET = "coreset"
SELECTIONS = (*draws.SELECTIONS, CORESET)


def references_of(
    protocol: Protocol,
    dataset: Dataset,
    machine: Machine = HERE,
    cache: TensorCache | None = None,
    show_progress: bool = False,
) -> list[Sample]:
    """The good training images that a run learns from; none at 0 shots.

    "slice" and "random" are those of `Dataset.few_shot`. "coreset" is greedy k-center over all good training images, by
    the features of the method's layers averaged over the whole image: it begins with the image nearest to the mean (the
    next nearest for seed 1, and so on), and each next image is the one farthest from all chosen ones. Shots are nested.

    protocol: the run.
    dataset: its category.
    machine: where the features are computed.
    cache: of features; None for none.
    show_progress: whether to show a progress bar.
    Raises InputError where there are too few images, and for a coreset of a method that learns from pixels.
    """
    unseen = unseen_references(protocol, dataset)
    if protocol.selection != CORESET or protocol.shots is None or not unseen:
        return unseen
    detector, good = build(protocol, machine), dataset.train_good
    network, spec = detector.network(), detector.spec()
    if PIXELS in spec.layers:
        raise InputError(
            f'{protocol.method} learns from pixels, and a coreset needs features; take selection="random".'
        )
    paths = [s.path for s in good]
    features = extract(network, paths, spec, cache=cache, show_progress=show_progress, label="candidates")
    vectors = torch.stack([whole_image_vector(item.maps) for item in features])
    return [good[i] for i in central_coreset(vectors, protocol.shots, protocol.seed).tolist()]


def unseen_references(protocol: Protocol, dataset: Dataset) -> list[Sample]:
    """`references_of` without opening an image; for a coreset, as many images at random stand in.

    Raises InputError where there are too few images.
    """
    if protocol.shots == 0:
        return []
    selection = "random" if protocol.selection == CORESET else protocol.selection
    return dataset.few_shot(protocol.shots, protocol.seed, selection)
