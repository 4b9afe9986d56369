"""SoftPatch against a plain statement: factors by scikit-learn, the best kept, farthest first, weighted distances."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import LocalOutlierFactor

from adlib.bank import plain_greedy_coreset
from adlib.data.toy import render
from adlib.detectors.patchcore import PatchCore
from adlib.detectors.softpatch import SoftPatch
from adlib.errors import InputError

GOOD = [render("nut", seed=seed, size=64)[0] for seed in range(12)]
BURNT = GOOD[3].copy()
BURNT[24:40, 24:40] = 0  # a defect of 4 patches and their neighbours
QUERY = render("nut", "scratch", seed=9, size=64)[0]
SETTINGS = {"resize": 64, "device": "cpu"}


@pytest.fixture(scope="module")
def patches() -> np.ndarray:
    """(12, 64, D) patches of the good images, without SoftPatch."""
    detector = PatchCore(**SETTINGS)
    return torch.stack([detector._vectors(item) for item in detector._features(GOOD)]).double().numpy()


def plain_bank(patches: np.ndarray, k: int, drop: float, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Entries (M, D) and their factors (M,), in the order of the picks."""
    judge = LocalOutlierFactor(n_neighbors=k)
    factors = [-judge.fit(patches[:, at]).negative_outlier_factor_ for at in range(patches.shape[1])]
    factors, vectors = np.stack(factors, axis=1).ravel(), patches.reshape(-1, patches.shape[2])
    best = np.sort(np.argsort(factors, kind="stable")[: len(factors) - int(drop * len(factors))])
    first = int(torch.randint(len(best), (1,), generator=torch.Generator().manual_seed(seed)))
    picked = best[plain_greedy_coreset(torch.from_numpy(vectors[best]), first, size).numpy()]
    return vectors[picked], factors[picked]


@pytest.mark.parametrize(("k", "drop"), [(6, 0.15), (3, 0.4), (6, 0.0), (11, 0.9)])
def test_the_bank_is_that_of_the_plain_statement(patches, k, drop):
    size = int(0.05 * patches.shape[0] * patches.shape[1])
    detector = SoftPatch(coreset=0.05, lof_neighbours=k, drop=drop, **SETTINGS).fit(GOOD)
    entries, factors = plain_bank(patches, k, drop, size)
    np.testing.assert_allclose(detector.bank_, entries, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(detector.lof_, factors, rtol=1e-3)


def test_scores_are_distances_times_the_factor_of_the_nearest_entry(patches):
    plain = PatchCore(**SETTINGS)
    query = plain._vectors(next(iter(plain._features([QUERY])))).double().numpy()
    entries, factors = plain_bank(patches, 6, 0.15, 38)
    distances = np.linalg.norm(query[:, None] - entries[None], axis=2)
    nearest, weight = distances.min(axis=1), factors[distances.argmin(axis=1)]
    for switches, expected in (({}, nearest * weight), ({"distance": "squared"}, nearest**2 * weight)):
        predictions = SoftPatch(coreset=38, **switches, **SETTINGS).fit(GOOD).predict([QUERY])
        np.testing.assert_allclose(predictions.grids[0].ravel(), expected, rtol=1e-3)
        assert predictions.scores[0] == pytest.approx(expected.max(), rel=1e-3)
    hard = SoftPatch(coreset=38, soft=False, **SETTINGS).fit(GOOD).predict([QUERY])
    np.testing.assert_allclose(hard.grids[0].ravel(), nearest, rtol=1e-3)


def test_nothing_dropped_and_no_weights_is_patchcore():
    plain = PatchCore(coreset=50, **SETTINGS).fit(GOOD)
    same = SoftPatch(coreset=50, drop=0.0, soft=False, **SETTINGS).fit(GOOD)
    assert torch.equal(plain.bank_, same.bank_)
    assert np.array_equal(plain.predict([QUERY]).grids[0], same.predict([QUERY]).grids[0])


def test_a_planted_defect_leaves_the_bank():
    """A burnt image is among the training images: PatchCore's full bank knows all of it, SoftPatch's does not."""
    noisy = [*GOOD, BURNT]
    fooled = PatchCore(coreset=1.0, **SETTINGS).fit(noisy).predict([BURNT])
    clean = PatchCore(coreset=1.0, **SETTINGS).fit(GOOD).predict([BURNT])
    protected = SoftPatch(coreset=1.0, soft=False, **SETTINGS).fit(noisy).predict([BURNT])
    assert fooled.scores[0] == pytest.approx(0, abs=1e-3)
    assert protected.scores[0] == pytest.approx(clean.scores[0], rel=0.05)


def test_the_coreset_is_a_fraction_of_all_patches_and_at_most_all_that_are_kept():
    total = len(GOOD) * 64
    assert len(SoftPatch(coreset=0.5, drop=0.4, **SETTINGS).fit(GOOD).bank_) == total // 2
    whole = SoftPatch(coreset=1.0, drop=0.4, **SETTINGS).fit(GOOD)
    assert len(whole.bank_) == len(whole.lof_) == total - int(0.4 * total)


def test_one_image_is_not_judged():
    alone = SoftPatch(coreset=1.0, **SETTINGS).fit(GOOD[:1])
    assert len(alone.bank_) == 64 and torch.equal(alone.lof_, torch.ones(64))


def test_grids_of_two_shapes_are_refused():
    with pytest.raises(InputError, match='gives 4 x 8 patches and the first .* 8 x 8; .*aspect="square"'):
        SoftPatch(resize=None, aspect="keep", device="cpu").fit([GOOD[0], GOOD[1][:32]])


@pytest.mark.parametrize(
    "wrong", [{"lof_neighbours": 0}, {"drop": 1.0}, {"drop": -0.1}, {"reweight": 3}, {"coreset_method": "best"}]
)
def test_refuses_what_it_cannot_mean(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        SoftPatch(**wrong, **SETTINGS).fit(GOOD[:2])
