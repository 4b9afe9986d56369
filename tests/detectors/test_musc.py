"""MuSc against a plain statement: every patch, every other image, every neighbourhood and layer, one at a time."""

import functools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from adlib.data.toy import render
from adlib.detectors.musc import MuSc, lowest_share_mean, rescored
from adlib.errors import InputError
from adlib.features.backbones import load_backbone

LAYERS = ("blocks3", "blocks5")  # strides 16 and 32
BATCH = [render("nut", None if seed else "scratch", seed=seed, size=96)[0] for seed in range(5)]
SMALL = {"resize": 96, "layers": LAYERS, "device": "cpu"}


@functools.cache
def maps_of(number: int) -> dict[str, np.ndarray]:
    """(C, h, w) of each layer for an image of BATCH, without the detector."""
    pixels = torch.from_numpy(BATCH[number].astype(np.float32) / 255).permute(2, 0, 1)
    found = load_backbone("efficientnet_lite0", device="cpu")(pixels[None], LAYERS)
    return {layer: found[layer][0].double().numpy() for layer in LAYERS}


def plain_patches(values: np.ndarray, side: int) -> np.ndarray:
    """(h, w, C): the map at mean 0 and variance 1, window means with zeros outside, then length 1."""
    values = (values - values.mean()) / np.sqrt(values.var() + 1e-5)
    (_, height, width), border = values.shape, side // 2
    padded = np.pad(values, ((0, 0), (border, border), (border, border)))
    means = [[padded[:, y : y + side, x : x + side].sum((1, 2)) / side**2 for x in range(width)] for y in range(height)]
    return np.array(means) / np.linalg.norm(means, axis=2, keepdims=True)


def plain_level(batch: list[np.ndarray], number: int, share: float) -> np.ndarray:
    """(h, w) scores of one image of a batch of patches (h, w, C) by the others."""
    rows = [patches.reshape(-1, patches.shape[2]) for patches in batch]
    others = rows[:number] + rows[number + 1 :]
    nearest = [[np.linalg.norm(other - patch, axis=1).min() for other in others] for patch in rows[number]]
    count = max(1, int(share * len(others)))
    return np.sort(nearest, axis=1)[:, :count].mean(axis=1).reshape(batch[number].shape[:2])


def plain_grid(number: int, sides: tuple[int, ...], share: float) -> np.ndarray:
    """Patch scores of an image of BATCH, levels averaged on the finest grid."""
    maps, levels = [maps_of(i) for i in range(len(BATCH))], []
    for layer in LAYERS:
        for side in sides:
            scores = plain_level([plain_patches(one[layer], side) for one in maps], number, share)
            levels.append(F.interpolate(torch.from_numpy(scores)[None, None], size=(6, 6), mode="bilinear")[0, 0])
    return np.mean([level.numpy() for level in levels], axis=0)


def plain_rescored(scores: np.ndarray, vectors: np.ndarray, counts: tuple[int, ...]) -> np.ndarray:
    """For each k the weighted mean over the k most similar images, the image itself first; then over all k."""
    similar, total = vectors @ vectors.T, np.zeros(len(scores))
    for i, row in enumerate(similar):
        others = sorted((j for j in range(len(scores)) if j != i), key=lambda j: -row[j])
        for k in counts:
            chosen = [i, *others[: k - 1]]
            total[i] += np.average(scores[chosen], weights=row[chosen]) / len(counts)
    return total


@pytest.mark.parametrize(("sides", "share"), [((1, 3, 5), 0.5), ((3,), 0.3)])
def test_patch_scores_are_those_of_the_plain_statement(sides, share):
    found = MuSc(**SMALL, neighbourhoods=sides, image_share=share).leave_one_out(BATCH)
    for number in (0, 3):
        expected = plain_grid(number, sides, share)
        np.testing.assert_allclose(found.grids[number], expected, rtol=1e-4)
        assert found.scores[number] == pytest.approx(expected.max(), rel=1e-4)


def test_a_batch_is_rescored_by_its_most_similar_images():
    raw, found = MuSc(**SMALL).leave_one_out(BATCH), MuSc(**SMALL).fit_predict(BATCH)
    vectors = np.stack([maps_of(i)["blocks5"].mean((1, 2)) for i in range(len(BATCH))])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(found.scores, plain_rescored(raw.scores, vectors, (1, 2, 3)), rtol=1e-4)
    assert all(np.array_equal(a, b) for a, b in zip(found.grids, raw.grids, strict=True))
    assert np.array_equal(MuSc(**SMALL, image_neighbours=(1,)).fit_predict(BATCH).scores, raw.scores)


def test_each_is_scored_as_by_a_detector_of_the_others():
    found = MuSc(**SMALL).leave_one_out(BATCH)
    for number in range(len(BATCH)):
        others = BATCH[:number] + BATCH[number + 1 :]
        alone = MuSc(**SMALL).fit(others).predict([BATCH[number]])
        np.testing.assert_allclose(found.grids[number], alone.grids[0], rtol=1e-6)


def test_banks_are_made_once_for_a_batch():
    detector = MuSc(**SMALL).fit(BATCH[:2])
    first = detector._banks()
    assert detector._banks() is first and first is not detector.fit(BATCH[2:])._banks()


def test_the_odd_one_out_scores_highest():
    odd = render("tile", seed=0, size=96)[0]
    assert MuSc(**SMALL).fit_predict([*BATCH[:3], odd, BATCH[3]]).scores.argmax() == 3


def test_images_of_several_shapes_judge_each_other():
    wide = render("nut", seed=11, size=128)[0][:96]
    found = MuSc(**SMALL).fit_predict([*BATCH[:2], wide])
    assert [grid.shape for grid in found.grids] == [(6, 6), (6, 6), (6, 8)] and np.isfinite(found.scores).all()


@pytest.mark.parametrize(("images", "share", "count"), [(4, 0.3, 1), (2, 0.3, 1), (10, 0.3, 3), (7, 0.3, 2), (3, 1, 3)])
def test_the_nearest_images_judge_a_patch(images, share, count):
    columns = torch.rand(6, images, generator=torch.Generator().manual_seed(0))
    expected = np.sort(columns.numpy(), axis=1)[:, :count].mean(axis=1)
    np.testing.assert_allclose(lowest_share_mean(columns, share).numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("counts", [(1,), (2,), (1, 2, 3), (1, 8, 9)])
def test_rescoring_is_the_plain_statement(counts):
    random = np.random.default_rng(0)
    scores, vectors = random.random(12), random.random((12, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = plain_rescored(scores, vectors, counts)
    np.testing.assert_allclose(rescored(scores, torch.from_numpy(vectors), counts), expected)
    scaled = rescored(3 * scores - 1, torch.from_numpy(vectors), counts)  # the official code scales before
    np.testing.assert_allclose(scaled, 3 * expected - 1)


def test_more_neighbours_than_images_are_all_and_opposites_count_nothing():
    scores, vectors = np.array([1.0, 2.0, 6.0]), torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    assert rescored(scores, vectors, (9,)).tolist() == [1.5, 1.5, 6.0]
    assert rescored(scores, vectors, (1,)).tolist() == scores.tolist()  # a copy does not take an image's place


def test_what_does_not_fit_into_memory_is_refused_by_its_size(monkeypatch):
    monkeypatch.setenv("ADLIB_MEMORY_GB", "0.0001")
    with pytest.raises(InputError, match="The patches of 5 images at 6 levels would take"):
        MuSc(**SMALL).fit(BATCH)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"image_share": 0.0}, "image_share is a fraction"),
        ({"image_share": 1.1}, "image_share is a fraction"),
        ({"neighbourhoods": ()}, "neighbourhoods must be one or more"),
        ({"neighbourhoods": (1, 2)}, "neighbourhood must be an odd number"),
        ({"image_neighbours": (0, 1)}, "image_neighbours must be one or more"),
    ],
)
def test_refuses_what_it_cannot_mean(wrong, message):
    with pytest.raises(InputError, match=message):
        MuSc(**SMALL, **wrong).fit(BATCH[:2])
    with pytest.raises(InputError, match="at least 2; 1 is too few"):
        MuSc(**SMALL).fit_predict(BATCH[:1])
