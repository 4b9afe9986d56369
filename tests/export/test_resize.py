"""Preprocessing as a graph, next to `Preprocess`."""

import numpy as np
import pytest
from PIL import Image

from adlib.export.resize import PICTURE, with_resize
from adlib.features.patches import Preprocess

onnx = pytest.importorskip("onnx", reason="onnx is an optional extra: pip install 'adlib[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is an optional extra: pip install 'adlib[onnx]'")

IDENTITY = """<ir_version: 9, opset_import: ["" : 18]>
scoring (float[1, 3, rows, columns] image) => (float[1, 3, rows, columns] same) { same = Identity (image) }"""
WAYS = [
    Preprocess(64),
    Preprocess(64, 47),
    Preprocess(None),
    Preprocess(None, 33),
    Preprocess(64, aspect="square"),
    Preprocess(70, 48, interpolation="bicubic", multiple=14),
]
SIZES = [(100, 100), (37, 200), (301, 64), (64, 65), (20, 999)]  # (height, width): larger and smaller, odd gaps


@pytest.mark.parametrize("how", WAYS, ids=str)
def test_a_graph_sees_what_preprocess_sees(how):
    """Up to the last bit of a resampled pixel, twice where both axes were resampled."""
    model = with_resize(onnx.parser.parse_model(IDENTITY), how, 18)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for size in SIZES:
        image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        expected, frame = how(Image.fromarray(image))
        assert frame == how.frame(*size)
        (found,) = session.run(None, {PICTURE: image})
        apart = np.abs(found[0] - expected.numpy()) * 255
        assert found.shape[2:] == frame.seen and apart.max() < 2.01 and (apart > 0.5).mean() < 0.02
