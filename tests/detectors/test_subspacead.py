"""SubspaceAD against a plain statement: centred patches, singular vectors, what is left without the first of them."""

import numpy as np
import pytest
import torch
from PIL import Image

from adlib.data.rotation import ANGLES, rotate
from adlib.data.toy import render
from adlib.detectors.subspacead import SubspaceAD, middle_layers, principal_axes, squared_residuals
from adlib.errors import InputError
from adlib.features.backbones import load_backbone

GOOD = [render("nut", seed=seed, size=64)[0] for seed in range(2)]
QUERY = render("nut", "scratch", seed=9, size=64)[0]


def plain_residuals(known: np.ndarray, query: np.ndarray, explained: float) -> tuple[np.ndarray, int]:
    """Squared distances (n,) of query vectors from the subspace of the known ones, and its dimension."""
    mean = known.mean(axis=0)
    _, lengths, directions = np.linalg.svd(known - mean, full_matrices=False)
    fractions = np.cumsum(lengths**2) / np.sum(lengths**2)
    dimension = next(number for number, reached in enumerate(fractions, start=1) if reached >= explained)
    residual = query - mean
    for direction in directions[:dimension]:
        residual = residual - np.outer(residual @ direction, direction)
    return (residual**2).sum(axis=1), dimension


@pytest.fixture(scope="module")
def network():
    return load_backbone("efficientnet_lite0", device="cpu")


def plain_vectors(network, picture: np.ndarray, layers: tuple[str, ...], angle: int = 0) -> np.ndarray:
    """(n, D) patches of a picture whose layers share one grid, without the detector."""
    turned = np.array(rotate(Image.fromarray(picture), angle), dtype=np.float32)
    maps = network(torch.from_numpy(turned / 255).permute(2, 0, 1)[None], layers)
    return np.concatenate([maps[layer][0].flatten(1).T.double().numpy() for layer in layers], axis=1)


def highest_mean(values: np.ndarray, fraction: float) -> float:
    return np.sort(values)[::-1][: max(1, int(len(values) * fraction))].mean()


@pytest.mark.parametrize("explained", [0.3, 0.9, 0.99])
@pytest.mark.parametrize("count", [5, 60])  # fewer vectors than values, and more
def test_residuals_are_those_of_the_plain_statement(explained, count):
    random = np.random.default_rng(count)
    scale = np.linspace(0.1, 3, 12)
    known, query = (random.normal(2, 1, (n, 12)) * scale for n in (count, 7))
    axes = principal_axes(torch.from_numpy(np.cov(known.T, bias=True)), explained)
    expected, dimension = plain_residuals(known, query, explained)
    assert axes.shape == (12, dimension) and torch.allclose(axes.T @ axes, torch.eye(dimension).double())
    found = squared_residuals(torch.from_numpy(query), torch.from_numpy(known.mean(axis=0)), axes)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_where_nothing_varies_the_residual_is_the_distance_from_the_mean():
    axes = principal_axes(torch.zeros(3, 3).double(), 0.99)
    assert axes.shape == (3, 0)
    assert squared_residuals(torch.tensor([[1.0, 2.0, 2.0]]).double(), torch.zeros(3).double(), axes).tolist() == [9]


@pytest.mark.parametrize(("score_over", "top_share"), [("patches", 0.25), ("pixels", 0.01), ("pixels", 0.0)])
def test_scores_are_those_of_the_plain_statement(network, score_over, top_share):
    layers = ("blocks3", "blocks4")
    settings = {"resize": 64, "layers": layers, "score_over": score_over, "top_share": top_share, "explained": 0.7}
    predictions = SubspaceAD(**settings, device="cpu").fit(GOOD).predict([QUERY])
    known = [plain_vectors(network, image, layers, angle) for image in GOOD for angle in ANGLES]
    query = plain_vectors(network, QUERY, layers)
    grid = plain_residuals(np.concatenate(known), query, 0.7)[0].reshape(4, 4)
    np.testing.assert_allclose(predictions.grids[0], grid, rtol=1e-3)
    large = np.array(Image.fromarray(grid.astype(np.float32)).resize((64, 64), Image.Resampling.BILINEAR))
    expected = highest_mean((large if score_over == "pixels" else grid).ravel(), top_share)
    assert predictions.scores[0] == pytest.approx(expected, rel=1e-3)


def test_without_rotation_the_images_alone_are_known(network):
    detector = SubspaceAD(resize=64, layers=("blocks4",), rotate=False).fit(GOOD)
    known = np.concatenate([plain_vectors(network, image, ("blocks4",)) for image in GOOD])
    np.testing.assert_allclose(detector.mean_, known.mean(axis=0), rtol=1e-4, atol=1e-5)
    turned = SubspaceAD(resize=64, layers=("blocks4",)).fit(GOOD)
    assert not torch.allclose(turned.mean_, detector.mean_, atol=1e-3)


def test_more_of_the_variance_explains_more():
    residuals = []
    for explained in (0.5, 0.9, 0.999):
        detector = SubspaceAD(resize=64, rotate=False, explained=explained).fit(GOOD)
        residuals.append(detector.predict([QUERY]).grids[0])
    assert (residuals[0] >= residuals[1]).all() and (residuals[1] >= residuals[2]).all()
    assert residuals[0].mean() > 2 * residuals[2].mean() > 0


class Named:
    """A network that has names and widths of layers, and nothing else."""

    name = "made up"

    def __init__(self, kind: str, depth: int) -> None:
        self.kind, self.default_layers = kind, ("norm",)
        self.layers = (*(f"block{n}" for n in range(1, depth + 1)), "norm")


@pytest.mark.parametrize(("depth", "first", "last"), [(12, 7, 9), (24, 14, 17), (40, 23, 29)])
def test_the_middle_of_a_vit(depth, first, last):
    assert middle_layers(Named("vit", depth)) == tuple(f"block{n}" for n in range(first, last + 1))
    assert middle_layers(Named("cnn", depth)) == ("norm",)


class Vit(SubspaceAD):
    """On a network that claims to be a transformer, with layers of equal width."""

    def network(self):
        network = Named("vit", 12)
        network.dims = dict.fromkeys(network.layers, 2)
        return network


@pytest.mark.parametrize(("merge", "averaged"), [("auto", True), ("mean", True), ("concatenate", False)])
def test_layers_of_a_vit_are_averaged(merge, averaged):
    maps = {f"block{n}": torch.full((2, 1, 1), float(n)) for n in (7, 8, 12)}
    maps["block8"][1] = 2.0
    vectors = Vit(merge=merge)._vectors(type("Item", (), {"maps": maps}))
    assert vectors.tolist() == ([[9.0, 7.0]] if averaged else [[7, 7, 8, 2, 12, 12]])


@pytest.mark.parametrize("merge", ["auto", "concatenate"])
def test_layers_of_a_convolutional_network_are_concatenated(merge):
    assert SubspaceAD(resize=64, rotate=False, merge=merge).fit(GOOD[:1]).mean_.shape == (40 + 112,)


def test_layers_of_unequal_width_are_not_averaged():
    with pytest.raises(InputError, match=r"blocks2, blocks4 have \[40, 112\] values; use merge='concatenate'"):
        SubspaceAD(merge="mean").fit(GOOD[:1])


@pytest.mark.parametrize(
    "wrong", [{"explained": 0.0}, {"explained": 1.0}, {"merge": "sum"}, {"score_over": "all"}, {"rotation": "left"}]
)
def test_invalid_parameters_are_named(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        SubspaceAD(resize=64, **wrong).fit(GOOD[:1])
