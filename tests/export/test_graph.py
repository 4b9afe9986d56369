"""The two pieces that a graph computes otherwise than the library: smoothing and the nearest neighbours."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from adlib.bank import BankIndex, index
from adlib.bank.neighbours import nearest, nearest_by_product
from adlib.detectors import PaDiM, PatchCore, make_detector
from adlib.errors import InputError
from adlib.export import export_onnx, graph
from adlib.export.graph import GraphFrame, fixed_size, smooth, to_onnx
from adlib.features.patches import Frame


@pytest.mark.parametrize("shape", [(40, 30), (5, 64), (1, 3)], ids=str)  # also shorter than the Gaussian is wide
@pytest.mark.parametrize("sigma", [0.0, 0.7, 4.0])
def test_smoothing_is_scipys(shape, sigma):
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    expected = gaussian_filter(values, sigma) if sigma else values
    assert np.allclose(smooth(torch.from_numpy(values)[None, None], sigma)[0, 0], expected, atol=1e-6)


def test_the_highest_is_that_of_a_frame():
    grid = torch.rand(6, 9, generator=torch.Generator().manual_seed(0))
    frame = Frame((48, 72), (48, 72), 0, 0, (48, 72), centred=False)
    assert float(GraphFrame(frame.seen).highest(grid, 2.0)) == pytest.approx(frame.highest(grid, 2.0), rel=1e-6)


@pytest.mark.parametrize("k", [1, 3])
def test_nearest_by_product_is_nearest(k):
    generator = torch.Generator().manual_seed(0)
    queries, bank = (torch.randn(count, 17, generator=generator) + 5 for count in (40, 60))
    queries[0] = bank[7]  # a distance of 0, where products alone would leave their rounding
    (ours, rows), (plain, expected) = nearest_by_product(queries, bank, k), nearest(queries, bank, k)
    assert torch.equal(rows, expected) and torch.allclose(ours, plain, atol=1e-5) and ours[0, 0] == 0


def test_sizes():
    assert fixed_size(PaDiM(resize=128)) == (128, 128)
    assert fixed_size(PaDiM(resize=128, crop=96)) == (96, 96)
    assert fixed_size(PatchCore(resize=128)) is None


def test_refusals(pictures, monkeypatch):
    detector = make_detector("patchcore", resize=48, coreset=5).fit(pictures[:2])
    monkeypatch.setattr(graph, "LARGEST", 1000)
    with pytest.raises(InputError, match="an ONNX file holds 2 GB; fit it on fewer images"):
        to_onnx(detector)
    with pytest.raises(InputError, match="which references it searches depends on the image"):
        to_onnx(make_detector("spade", resize=48, nearest_images=1).fit(pictures[:2]))
    with pytest.raises(InputError, match='pooling="official" averages over unequal windows'):
        to_onnx(make_detector("patchcore", resize=48, coreset=5, pooling="official", dims=64).fit(pictures[:2]))
    with pytest.raises(InputError, match="computes in bfloat16"):
        to_onnx(make_detector("patchcore", resize=48, coreset=5, precision="bfloat16").fit(pictures[:2]))


def test_a_bank_with_blocks_is_exported(pictures, tmp_path, monkeypatch):
    """The index of a large bank branches on values, which a graph cannot; it has the plain products instead."""
    monkeypatch.setattr(index, "LEAST_ROWS", 16)
    monkeypatch.setattr(index, "WORTH", 100)
    detector = make_detector("patchcore", resize=64, coreset=1.0).fit(pictures)
    assert BankIndex(detector.bank_).blocks is not None
    detector.save(tmp_path / "model")
    assert export_onnx(tmp_path / "model", tmp_path / "model.onnx")[0].exists()  # raises where a score differs
