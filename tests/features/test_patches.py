"""Geometry there and back, and patch vectors against plain statements of their definitions."""

import numpy as np
import pytest
import torch
from PIL import Image

from adlib.errors import InputError
from adlib.features.patches import JOINS, Frame, Preprocess, grid_size, patch_vectors, whole_image_vector


def picture(width: int, height: int) -> Image.Image:
    random = np.random.default_rng(width * height)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("settings", "size", "expected"),
    [
        (Preprocess(resize=256, crop=224), (900, 900), (224, 224)),
        (Preprocess(resize=64), (200, 100), (64, 128)),
        (Preprocess(resize=64), (100, 200), (128, 64)),
        (Preprocess(resize=64, aspect="square"), (100, 200), (64, 64)),
        (Preprocess(resize=None), (33, 21), (21, 33)),
        (Preprocess(resize=450, multiple=14), (500, 500), (448, 448)),
    ],
)
def test_input_size(settings, size, expected):
    tensor, frame = settings(picture(*size))
    assert tuple(tensor.shape[1:]) == expected == frame.seen
    assert 0 <= tensor.min() and tensor.max() <= 1


def test_values_are_the_picture_over_255():
    image = picture(40, 30)
    tensor, _ = Preprocess(resize=None)(image)
    assert torch.equal(tensor, torch.from_numpy(np.asarray(image).transpose(2, 0, 1) / np.float32(255)))


@pytest.mark.parametrize("settings", [Preprocess(256, 224), Preprocess(100), Preprocess(224, None, "square")])
def test_a_defect_comes_back_to_where_it_was(settings):
    """A bright square in the picture, 'detected' by its own brightness, is bright at the same original pixels."""
    values = np.zeros((400, 640, 3), dtype=np.uint8)
    values[180:220, 300:360] = 255
    tensor, frame = settings(Image.fromarray(values))
    cells = torch.nn.functional.adaptive_avg_pool2d(tensor[:1], (frame.seen[0] // 8, frame.seen[1] // 8))[0].numpy()
    anomaly_map = frame.original_map(cells, sigma=0, smooth_original=False)
    assert anomaly_map.shape == (400, 640)
    rows, columns = np.indices(anomaly_map.shape)
    weight = np.nan_to_num(anomaly_map)
    assert abs(np.average(rows, weights=weight) - 199.5) < 3
    assert abs(np.average(columns, weights=weight) - 329.5) < 3


def test_outside_a_centre_crop_nothing_was_seen():
    _, frame = Preprocess(256, 224)(picture(512, 512))
    anomaly_map = frame.original_map(np.ones((28, 28)), sigma=4, smooth_original=False)
    top, left, bottom, right = frame.seen_box
    assert (top, left, bottom, right) == (32, 32, 480, 480)
    assert np.isnan(anomaly_map[:32]).all() and np.isnan(anomaly_map[:, 480:]).all()
    assert np.allclose(anomaly_map[32:480, 32:480], 1)


def test_the_strip_lost_to_whole_patches_takes_its_neighbours_values():
    _, frame = Preprocess(resize=None, multiple=14)(picture(33, 30))
    anomaly_map = frame.original_map(np.array([[1.0, 2.0], [3.0, 4.0]]), sigma=0, smooth_original=True)
    assert anomaly_map.shape == (30, 33) and not np.isnan(anomaly_map).any()
    assert anomaly_map[-1, -1] == anomaly_map[27, 27] == 4


def test_where_the_gaussian_counts_its_pixels():
    """The same sigma blurs less in original pixels where the original is larger than the network's input."""
    _, frame = Preprocess(resize=64)(picture(256, 256))
    grid = np.zeros((8, 8))
    grid[4, 4] = 1
    in_original = frame.original_map(grid, 4, smooth_original=True)
    in_network = frame.original_map(grid, 4, smooth_original=False)
    assert in_original.max() > 1.5 * in_network.max()


def plain_bilinear(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, pixel centres at half integers, edges held: one direction after the other."""

    def along(values: np.ndarray, size: int) -> np.ndarray:
        places = (np.arange(size) + 0.5) * len(values) / size - 0.5
        return np.stack([np.interp(places, np.arange(len(values)), column) for column in values.T], axis=1)

    return along(along(grid, height).T, width).T


def plain_gaussian(values: np.ndarray, sigma: float) -> np.ndarray:
    """The weights exp(-d^2 / 2 sigma^2) up to 4 sigma, normalised, the border mirrored; both directions."""
    reach = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.pad(values, reach, mode="symmetric")
    rows = np.apply_along_axis(np.convolve, 1, padded, weights / weights.sum(), "valid")
    return np.apply_along_axis(np.convolve, 0, rows, weights / weights.sum(), "valid")


def test_anomalydinos_map_is_its_definition():
    """Bilinear to the original size, then a Gaussian of 4 original pixels."""
    grid = np.random.default_rng(1).random((6, 9)).astype(np.float32)
    _, frame = Preprocess(resize=84, multiple=14)(picture(189, 126))
    found = frame.original_map(grid, sigma=4, smooth_original=True)
    assert frame.seen == (84, 126)
    assert np.allclose(found, plain_gaussian(plain_bilinear(grid, 126, 189), 4), atol=1e-5)


def test_patchcores_map_is_its_definition():
    """Bilinear to the network's input, a Gaussian of 4 of its pixels, then bilinear to the crop's place."""
    grid = np.random.default_rng(1).random((7, 7)).astype(np.float32)
    _, frame = Preprocess(resize=64, crop=56)(picture(128, 128))
    found = frame.original_map(grid, sigma=4, smooth_original=False)
    inside = plain_bilinear(plain_gaussian(plain_bilinear(grid, 56, 56), 4), 112, 112)
    assert np.allclose(found[8:120, 8:120], inside, atol=1e-5) and np.isnan(found[:8]).all()


def test_masks_follow_their_picture():
    settings = Preprocess(resize=64, crop=32)
    _, frame = settings(picture(128, 128))
    mask = np.zeros((128, 128), dtype=bool)
    mask[40:88, 40:88] = True
    small = settings.mask(mask, frame)
    assert small.shape == (32, 32) and small.dtype == bool
    # pixels 20 to 43 of the resized picture, less the 16 that the crop took; filter edges are not wholly defect
    assert small[5:27, 5:27].all() and not small[:3].any() and not small[29:].any()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"aspect": "wide"}, "aspect"),
        ({"interpolation": "nearest"}, "interpolation"),
        ({"resize": 8}, "resize"),
        ({"resize": 64, "crop": 128}, "crop"),
    ],
)
def test_bad_settings_are_named(settings, word):
    with pytest.raises(InputError, match=word):
        Preprocess(**settings)


def test_a_picture_too_narrow_for_one_patch_is_refused():
    with pytest.raises(InputError, match="holds no patch"):
        Preprocess(resize=None, multiple=14)(picture(40, 10))


def maps() -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return {"fine": torch.randn(3, 6, 8, generator=random), "coarse": torch.randn(5, 3, 4, generator=random)}


def test_mean_pooling_is_the_mean_of_the_window_with_zeros_outside():
    fine = maps()["fine"]
    vectors, grid = patch_vectors({"fine": fine}, neighbourhood=3)
    assert grid == (6, 8)
    for row in range(6):
        for column in range(8):
            window = fine[:, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            assert torch.allclose(vectors[row * 8 + column], window.sum(dim=(1, 2)) / 9, atol=1e-6)


def test_layers_meet_on_the_finest_grid():
    both = maps()
    vectors, grid = patch_vectors(both, neighbourhood=1)
    assert grid == grid_size(both) == (6, 8) and vectors.shape == (48, 8)
    assert torch.equal(vectors[:, :3], both["fine"].flatten(1).T)
    # twice as fine: the pixel centres of the grid lie a quarter of a coarse pixel from the coarse centres
    expected = both["coarse"][:, 0, 0] * 0.75 * 0.75 + both["coarse"][:, 0, 1] * 0.75 * 0.25
    expected += both["coarse"][:, 1, 0] * 0.25 * 0.75 + both["coarse"][:, 1, 1] * 0.25 * 0.25
    assert torch.allclose(vectors[1 * 8 + 1, 3:], expected, atol=1e-6)


def test_a_coarse_cell_is_repeated_over_the_cells_it_covers():
    coarse = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    vectors, grid = patch_vectors({"fine": torch.zeros(1, 4, 4), "coarse": coarse}, neighbourhood=1, join="repeat")
    expected = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert grid == (4, 4) and vectors[:, 1].reshape(4, 4).tolist() == expected


def test_the_neighbours_of_a_repeated_cell_do_not_bleed_into_it():
    coarse = torch.zeros(1, 3, 3)
    coarse[0, 1, 1] = 1.0
    both = {"fine": torch.zeros(1, 6, 6), "coarse": coarse}
    repeated, interpolated = (patch_vectors(both, 1, join=join)[0][:, 1].reshape(6, 6) for join in JOINS)
    assert repeated.nonzero().tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]] and repeated.sum() == 4
    assert len(interpolated.nonzero()) == 16


def test_a_cell_between_two_coarse_ones_takes_the_upper_left_one():
    coarse = torch.arange(6.0).reshape(1, 2, 3)
    both = {"fine": torch.zeros(1, 5, 7), "coarse": coarse}
    vectors, _ = patch_vectors(both, neighbourhood=1, join="repeat")
    expected = [[3 * (i * 2 // 5) + j * 3 // 7 for j in range(7)] for i in range(5)]
    assert vectors[:, 1].reshape(5, 7).tolist() == expected


def adaptive_mean(values: np.ndarray, bins: int) -> np.ndarray:
    """Adaptive average pooling, stated plainly: bin i holds values floor(i n / b) to ceil((i + 1) n / b)."""
    n = len(values)
    return np.array([values[i * n // bins : -(-(i + 1) * n // bins)].mean() for i in range(bins)])


def test_official_pooling_is_the_official_one():
    fine = maps()["fine"]
    vectors, _ = patch_vectors({"fine": fine, "same": 2 * fine}, neighbourhood=3, pooling="official", dims=10)
    padded = np.pad(fine.numpy(), ((0, 0), (1, 1), (1, 1)))
    for row, column in ((0, 0), (2, 5), (5, 7)):
        window = padded[:, row : row + 3, column : column + 3].ravel()
        layer = adaptive_mean(window, 10)
        assert np.allclose(vectors[row * 8 + column], adaptive_mean(np.concatenate([layer, 2 * layer]), 10), atol=1e-6)


@pytest.mark.parametrize("side", [0, 2, -1])
def test_an_even_window_is_refused(side):
    with pytest.raises(InputError, match="odd"):
        patch_vectors(maps(), neighbourhood=side)


def test_an_unknown_pooling_is_refused():
    with pytest.raises(InputError, match="pooling"):
        patch_vectors(maps(), pooling="max")


def test_an_unknown_join_is_refused():
    with pytest.raises(InputError, match="Unknown join 'copy'; choose one of repeat, interpolate"):
        patch_vectors(maps(), join="copy")


def test_seen_box_covers_the_whole_where_nothing_is_cropped():
    assert Frame((301, 199), (388, 256), 0, 0, (388, 256), centred=False).seen_box == (0, 0, 301, 199)


def test_a_frame_survives_the_way_through_a_tensor():
    frame = Frame((300, 417), (256, 356), 16, 66, (224, 224), True)
    assert Frame.from_tensor(frame.as_tensor()) == frame


def test_a_whole_image_is_the_mean_of_each_layer():
    fine, coarse = torch.rand(3, 4, 6), torch.rand(2, 2, 3)
    found = whole_image_vector({"fine": fine, "coarse": coarse})
    assert torch.allclose(found, torch.tensor([*(m.mean() for m in fine), *(m.mean() for m in coarse)]))
