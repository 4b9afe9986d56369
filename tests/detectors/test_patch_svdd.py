"""Patch SVDD against plain statements: each patch cut out and encoded, pairs and covering counted one by one."""

import numpy as np
import pytest
import torch

from adlib.data.toy import render
from adlib.detectors.patch_svdd import DIRECTIONS, LARGE, SMALL, PatchEncoder, PatchSVDD, apart, cover, pairs
from adlib.detectors.registry import load_detector
from adlib.errors import InputError

GOOD = [render("nut", seed=seed, size=128)[0] for seed in range(4)]
BAD = render("nut", "missing_part", seed=900, size=128)[0]
QUICK = {"resize": 128, "steps": 3, "batch": 2, "dims": 16}


@pytest.fixture(scope="module")
def fitted() -> PatchSVDD:
    return PatchSVDD(**QUICK).fit(GOOD)


def pixels_of(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.astype(np.float32) / 255).permute(2, 0, 1)[None]


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_one_pass_gives_what_each_patch_gives_cut_out(size):
    torch.manual_seed(0)
    network = PatchEncoder(16)
    pixels = torch.rand(1, 3, 96, 80)
    with torch.inference_mode():
        grid = network(pixels)[size][0]
        assert grid.shape == (16, (96 - size) // 4 + 1, (80 - size) // 4 + 1)
        for i, j in [(0, 0), (3, 1), (grid.shape[1] - 1, grid.shape[2] - 1)]:
            patch = pixels[:, :, 4 * i : 4 * i + size, 4 * j : 4 * j + size]
            torch.testing.assert_close(grid[:, i, j], _encode(network, patch, size), rtol=1e-4, atol=1e-5)


def _encode(network: PatchEncoder, patch: torch.Tensor, size: int) -> torch.Tensor:
    """One patch: a small one directly, a large one from its four quarters."""
    if size == SMALL:
        return network.small((patch - network.mean) / 0.25)[0, :, 0, 0]
    quarters = [[_encode(network, patch[:, :, y : y + 32, x : x + 32], SMALL) for x in (0, 32)] for y in (0, 32)]
    square = torch.stack([torch.stack(row, dim=1) for row in quarters], dim=1)[None]
    join, *rest = network.large
    joined = torch.nn.functional.conv2d(square, join.weight, join.bias)
    return torch.nn.Sequential(*rest)(joined)[0, :, 0, 0]


@pytest.mark.parametrize("distance", [1, 6])
def test_pairs_are_neighbours_in_the_direction_they_say(distance):
    """Grids that hold their own coordinates."""
    torch.manual_seed(0)
    height, width = 9, 7
    places = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")).float()
    first = torch.stack([torch.cat([places, torch.full((1, height, width), float(number))]) for number in range(3)])
    here, there, directions = pairs(first, first + 100, distance, 400)
    assert here.shape == there.shape == (1200, 3) and directions.shape == (1200,)
    steps = torch.tensor(DIRECTIONS)[directions] * distance
    assert torch.equal(there - here - 100, torch.cat([steps, torch.zeros(1200, 1, dtype=int)], dim=1).float())
    assert torch.equal(here[:, 2], torch.arange(3).repeat_interleave(400).float())  # of the same picture
    for values in (here, there - 100):
        assert values[:, 0].min() == 0 and values[:, 0].max() == height - 1
        assert values[:, 1].min() == 0 and values[:, 1].max() == width - 1
    assert set(directions.tolist()) == set(range(8))
    counts = torch.bincount(directions, minlength=8)
    assert counts.min() > 100  # 150 expected


def test_distances_of_the_position_task_are_three_quarters_of_a_patch():
    assert (apart(SMALL) * 4, apart(LARGE) * 4) == (24, 48)


@pytest.mark.parametrize("side, step", [(4, 1), (8, 2), (8, 1), (16, 2)])
def test_a_cell_gets_the_mean_of_the_patches_that_cover_it(side, step):
    distances = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))
    cells = [[[] for _ in range(2 * step + side)] for _ in range(4 * step + side)]
    for i, j in np.ndindex(5, 3):
        for y, x in np.ndindex(side, side):
            cells[i * step + y][j * step + x].append(distances[i, j].item())
    expected = np.array([[np.mean(cell) for cell in row] for row in cells])
    np.testing.assert_allclose(cover(distances, side, step), expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("stride", [4, 8])
def test_scores_are_products_of_distances_to_the_nearest_patch(stride):
    detector = PatchSVDD(**QUICK, stride=stride).fit(GOOD[:2])
    cells = 128 // stride
    expected = np.ones((cells, cells))
    for size, apart_by in ((SMALL, stride), (LARGE, 2 * stride)):
        with torch.inference_mode():
            of_good, of_bad = (
                [detector.network_(pixels_of(one))[size][0, :, :: apart_by // 4, :: apart_by // 4] for one in pictures]
                for pictures in (GOOD[:2], [BAD])
            )
        bank = torch.cat([one.flatten(1).T for one in of_good]).double()
        queries = of_bad[0].flatten(1).T.double()
        distances = (queries[:, None] - bank[None]).square().sum(2).amin(1).sqrt().reshape(of_bad[0].shape[1:])
        covered = np.zeros((2, cells, cells))
        for i, j in np.ndindex(*distances.shape):
            y, x, side = i * apart_by // stride, j * apart_by // stride, size // stride
            covered[0, y : y + side, x : x + side] += distances[i, j].item()
            covered[1, y : y + side, x : x + side] += 1
        expected *= covered[0] / covered[1]
    found = detector.predict([BAD])
    np.testing.assert_allclose(found.grids[0], expected, rtol=1e-3)
    assert found.scores[0] == pytest.approx(expected.max(), rel=1e-3)


def test_a_picture_it_learned_from_is_at_distance_zero(fitted):
    assert fitted.predict(GOOD[:1]).scores[0] < 1e-6 < fitted.predict([BAD]).scores[0]


@pytest.mark.slow
def test_it_learns_directions_and_pulls_neighbours_together():
    """The loss falls below that of guessing, and a strong pull brings neighbours nearer than a weak one does."""

    def gap(detector: PatchSVDD) -> float:
        with torch.inference_mode():
            grid = detector.network_(pixels_of(BAD))[SMALL][0]
        return float((grid[:, 1:] - grid[:, :-1]).square().sum(0).sqrt().mean())

    detectors = {pull: PatchSVDD(**QUICK | {"steps": 25}, pull=pull).fit(GOOD) for pull in (0.0, 1.0)}
    assert detectors[0.0].history_[-1][1] < 0.9 * 2 * np.log(8)
    assert gap(detectors[1.0]) < gap(detectors[0.0])


def test_saved_and_loaded(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    again = load_detector(tmp_path / "model", device="cpu")
    assert np.array_equal(again.predict([BAD]).grids[0], fitted.predict([BAD]).grids[0])
    assert fitted.bank32_.shape == (4 * 13 * 13, 16) and fitted.bank64_.shape == (4 * 5 * 5, 16)


@pytest.mark.parametrize(
    "wrong, said",
    [({"stride": 5}, "stride"), ({"dims": 0}, "dims"), ({"pull": -1.0}, "pull"), ({"layers": ("blocks2",)}, "blocks2")]
    + [({"resize": 112}, "larger resize")],
)
def test_what_it_cannot_mean_is_refused(wrong, said):
    with pytest.raises(InputError, match=said):
        PatchSVDD(**QUICK | wrong).fit(GOOD[:2])
