"""What `adlib check` says of pictures of more than 8 bits, and the window that it proposes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adlib.data import read_image
from adlib.data.check import check_folder
from helpers.small_data_sets import picture, whole


def deep(root: Path, kind: type, low: float, high: float, hot: float) -> Path:
    """A whole data set in TIFF files of 16-bit, 32-bit or float values from low to high, one with a hot pixel."""
    whole(root)
    for number, path in enumerate(sorted((root / "nut").glob("t*/*/*.png"))):
        path.unlink()
        values = np.roll(np.linspace(low, high, 160 * 20), number).reshape(160, 20).astype(kind)
        if path == root / "nut/train/good/0.png":
            values[80, 10] = hot
        Image.fromarray(values).save(path.with_suffix(".tiff"))
    for path in root.rglob("*_mask.png"):
        picture(path, (20, 160))
    return root


@pytest.mark.parametrize(
    ("kind", "low", "high", "hot", "without"),
    [
        (np.uint16, 500, 4000, 65535, "most of their grey levels would be lost"),
        (np.int32, 500, 100_000, 2_000_000, "cannot be read"),
        (np.float32, -2, 6, 1e9, "cannot be read"),
        (np.float32, 0.4, 0.5, 1, "most of their grey levels would be lost"),
    ],
)
def test_deep_images_get_a_window_from_good_training_images(tmp_path, kind, low, high, hot, without):
    report = check_folder(deep(tmp_path / "parts", kind, low, high, hot))
    assert report.ok and without in str(report)
    window = json.loads(report.command.removesuffix("'").rpartition("window=")[2])
    assert f"--set window={window} keeps that range".replace(", ", ",") in str(report)
    assert report.window == tuple(window)
    good = [np.asarray(Image.open(s.path)) for s in report.dataset.train_good]
    ends = [min(np.percentile(v, 0.1) for v in good), max(np.percentile(v, 99.9) for v in good)]
    assert window == pytest.approx(ends, rel=1e-3, abs=1) and window[1] <= high  # and not the hot pixel
    if kind != np.float32:
        assert window == [np.floor(ends[0]), np.ceil(ends[1])]
    last = "Next: a sweep can start, with the window above." if "read" in without else "Next: a sweep can start."
    assert report.lines[-1] == last
    eight = np.asarray(read_image(report.dataset.train_good[1].path, window))
    assert eight.min() == 0 and eight.max() == 255 and len(np.unique(eight)) > 250


@pytest.mark.parametrize(("kind", "high"), [(np.uint16, 40_000), (np.float32, 0.9)])
def test_deep_images_that_use_their_range_need_no_window(tmp_path, kind, high):
    report = check_folder(deep(tmp_path / "parts", kind, 0, high, high))
    assert report.ok and "window" not in str(report) + report.command and report.window is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_a_number_and_infinity_are_found(tmp_path, value):
    root = deep(tmp_path / "parts", np.float32, 0, 1, 1)
    values = np.full((160, 20), 0.5, dtype=np.float32)
    values[80, 10] = value
    Image.fromarray(values).save(root / "nut/test/crack/1.tiff")
    report = check_folder(root)
    assert not report.ok and "nut/test/crack/1.tiff holds NaN or infinite values" in str(report)
    assert "mixed" not in str(report)  # it is of the same depth as the others


def test_depths_that_are_mixed_have_no_window(tmp_path):
    root = whole(tmp_path / "parts")
    picture(root / "nut/train/good/0.png", high=4096, kind=np.uint16)
    report = check_folder(root)
    assert report.ok and "8-bit and 16-bit images are mixed" in str(report) and "--set" not in report.command
    values = np.linspace(0, 7, 320, dtype=np.float32).reshape(16, 20)
    Image.fromarray(values).save(root / "nut/test/good/9.tiff")
    report = check_folder(root)
    assert not report.ok and "8-bit and 16-bit and float images are mixed" in str(report)
    assert "9.tiff: its values run from 0 to 7 and need a window" in str(report)
