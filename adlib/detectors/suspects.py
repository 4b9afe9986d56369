"""Which training images are unlike the rest? Found without labels and without test images (chapter 12).

`suspicion` scores every image by a committee of small random banks (`adlib.bank.Committee`). `score_drop_refit` is the
plain alternative: a detector scores the images that it learned from, the worst are dropped, and it learns again. With a
nearest-neighbour bank that works only as far as the coreset leaves a defect out: what is in the bank scores 0.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from adlib.bank.committee import Committee
from adlib.detectors.base import Detector, Predictions
from adlib.detectors.patchcore import PatchCore
from adlib.detectors.scores import top_share_mean
from adlib.errors import InputError
from adlib.features.cache import TensorCache
from adlib.features.extract import extract
from adlib.features.patches import grid_size

TOP_SHARE = 0.01  # of the patches, in the suspicion of an image


def suspicion(
    images: Sequence[Any],
    detector: PatchCore | None = None,
    *,
    members: int = 11,
    hand: int = 8,
    patches: int = 1000,
    seed: int = 0,
    cache: TensorCache | None = None,
    show_progress: bool = False,
) -> Predictions:
    """How unlike the other images each training image is: high for a defect, a wrong part, a bad photograph.

    The score of an image is the mean of the highest 1% of its patch scores, and a patch score is the median distance of
    `Committee.judge`. Features are computed twice unless a cache is given, so that no more than the members' banks is
    in memory.

    images: paths, PIL images or arrays, all meant to be good.
    detector: its network, preprocessing, pooling and maps are taken; None for PatchCore's defaults.
    members, hand, patches, seed: see `Committee`.
    cache: of features, None for none.
    Returns `Predictions` of the images, in their order.
    Raises InputError for fewer than 4 images, and for images that cannot be read.
    """
    detector = detector or PatchCore()
    committee = Committee(len(images), members, hand, patches, seed)
    how = {"cache": cache, "show_progress": show_progress}
    for number, item in enumerate(extract(detector.network(), images, detector.spec(), label="features", **how)):
        committee.learn(number, detector._vectors(item))
    scores, grids, frames = [], [], []
    for number, item in enumerate(extract(detector.network(), images, detector.spec(), label="committee", **how)):
        judged = committee.judge(number, detector._vectors(item))
        scores.append(float(top_share_mean(judged, TOP_SHARE)))
        grids.append(judged.reshape(grid_size(item.maps)).cpu().numpy())
        frames.append(item.frame)
    return detector.assemble(scores, grids, frames)


def score_drop_refit(
    detector: Detector,
    images: Sequence[Any],
    drop: float,
    rounds: int = 3,
    cache: TensorCache | None = None,
    show_progress: bool = False,
) -> np.ndarray:
    """Indices of the images that are kept, ascending, when the detector judges what it learned from.

    In every round the detector is fitted to the images that are left, scores them, and the highest scores are dropped,
    in equal parts over the rounds. Afterwards it is fitted to the images that are kept.

    detector: any; it is changed.
    images: paths, PIL images or arrays.
    drop: fraction of all images that is dropped in the end, 0 <= drop < 1; the number is rounded.
    rounds: at least 1.
    cache: of features, None for none.
    Raises InputError for other values.
    """
    if not 0 <= drop < 1 or rounds < 1:
        raise InputError(f"drop is a fraction, at least 0 and below 1, in at least 1 round, not {drop} in {rounds}.")
    kept = np.arange(len(images))
    for left in np.linspace(len(images), len(images) - round(drop * len(images)), rounds + 1)[1:].round().astype(int):
        chosen = [images[i] for i in kept]
        scores = detector.fit(chosen, cache, show_progress).predict(chosen, cache, show_progress).scores
        kept = np.sort(kept[np.argsort(scores, kind="stable")[:left]])
    detector.fit([images[i] for i in kept], cache, show_progress)
    return kept
