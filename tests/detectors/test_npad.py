"""N-pad and RAD against plain statements, and against the detectors that are their ends."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from adlib.data.toy import render
from adlib.detectors import RAD, NPad, PaDiM, PatchCore
from adlib.detectors.npad import window_moments, window_squared_distances
from adlib.errors import InputError
from adlib.features.extract import extract

GOOD = [render("weld", seed=seed, size=64)[0] for seed in range(4)]
QUERY = render("weld", "pore", seed=9, size=64)[0]


def around(place: tuple[int, int], radius: int, height: int, width: int) -> list[tuple[int, int]]:
    return [
        (row, column)
        for row in range(height)
        for column in range(width)
        if max(abs(row - place[0]), abs(column - place[1])) <= radius
    ]


@pytest.mark.parametrize("radius", [0, 1, 2, 9])
def test_the_window_is_that_of_the_plain_statement(radius):
    random = torch.Generator().manual_seed(radius)
    bank, queries = torch.randn(3, 4, 6, 5, generator=random), torch.randn(4, 6, 5, generator=random)
    found = window_squared_distances(queries, bank, radius)
    mean, covariance = window_moments(bank, radius)
    for row in range(4):
        for column in range(6):
            known = torch.cat([bank[:, r, c] for r, c in around((row, column), radius, 4, 6)])
            expected = (known - queries[row, column]).square().sum(dim=1).min()
            assert found[row, column] == pytest.approx(expected.item(), rel=1e-5)
            np.testing.assert_allclose(mean[row, column], known.double().mean(dim=0), atol=1e-9)
            np.testing.assert_allclose(covariance[row, column], np.cov(known.double().numpy().T), atol=1e-9)


def test_one_vector_has_no_covariance():
    assert window_moments(torch.ones(1, 2, 2, 3), 0)[1].abs().max() == 0


def test_the_whole_grid_is_patchcore():
    whole = NPad(resize=64, radius=None).fit(GOOD).predict([QUERY])
    wide = NPad(resize=64, radius=8).fit(GOOD).predict([QUERY])
    patchcore = PatchCore(resize=64, coreset=1.0).fit(GOOD).predict([QUERY])
    np.testing.assert_array_equal(whole.grids[0], patchcore.grids[0])
    np.testing.assert_allclose(wide.grids[0], patchcore.grids[0], rtol=1e-5)
    assert whole.scores[0] == patchcore.scores[0]


def test_the_same_position_is_padim():
    settings = {"resize": 64, "layers": ("blocks2", "blocks4"), "dims": 30, "seed": 2}
    npad = NPad(model="gaussian", radius=0, neighbourhood=1, **settings).fit(GOOD).predict([QUERY])
    padim = PaDiM(join="interpolate", **settings).fit(GOOD).predict([QUERY])
    np.testing.assert_allclose(npad.grids[0], padim.grids[0], rtol=1e-3)


def test_a_wider_neighbourhood_is_never_farther():
    grids = [NPad(resize=64, radius=radius).fit(GOOD).predict([QUERY]).grids[0] for radius in (0, 1, 3, None)]
    assert all((wide <= narrow * (1 + 1e-5)).all() for narrow, wide in zip(grids, grids[1:], strict=False))


@pytest.mark.parametrize("images", [1, 2, 9])
def test_rad_is_that_of_the_plain_statement(images):
    detector = RAD(resize=64, layers=("blocks2", "blocks4"), radius=1, nearest_images=images, sigma=0, top_share=0.0)
    features = list(extract(detector.network(), [*GOOD, QUERY], detector.spec()))
    whole = [F.normalize(item.maps["blocks4"].mean(dim=(1, 2)), dim=0) for item in features]
    alike = sorted(range(4), key=lambda i: -float(whole[i] @ whole[-1]))[:images]
    expected = np.zeros((8, 8))
    for layer in ("blocks2", "blocks4"):
        maps = [item.maps[layer][None] for item in features]
        maps = [F.interpolate(m, size=(8, 8), mode="bilinear") if m.shape[-1] != 8 else m for m in maps]
        maps = [F.normalize(m[0], dim=0) for m in maps]
        for row in range(8):
            for column in range(8):
                query = maps[-1][:, row, column]
                cosines = [maps[i][:, r, c] @ query for i in alike for r, c in around((row, column), 1, 8, 8)]
                expected[row, column] += (1 - float(max(cosines))) / 2
    predictions = detector.fit(GOOD).predict([QUERY])
    np.testing.assert_allclose(predictions.grids[0], expected, rtol=1e-3, atol=1e-6)
    assert predictions.scores[0] == pytest.approx(predictions.network_map(0).max(), rel=1e-5)


@pytest.mark.parametrize("wrong", [{"radius": -1}, {"model": "mean"}, {"dims": 0}])
def test_invalid_parameters_are_named(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        NPad(resize=64, **wrong).fit(GOOD)


@pytest.mark.parametrize("wrong", [{"radius": -1}, {"nearest_images": 0}])
def test_invalid_parameters_of_rad_are_named(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        RAD(resize=64, **wrong).fit(GOOD)


def test_images_of_another_shape_are_refused():
    for detector in (NPad(resize=None, aspect="keep"), RAD(resize=None, aspect="keep")):
        with pytest.raises(InputError, match='aspect="square"'):
            detector.fit([GOOD[0], GOOD[1][:32]])
