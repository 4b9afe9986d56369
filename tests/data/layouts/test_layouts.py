"""Data sets of any layout: what is refused, and the toy data set by its name."""

import pytest

from adlib.data import load_dataset, read_image, read_mask
from helpers.empty_files import refused, touch


def test_what_is_refused(tmp_path):
    assert "no folder" in refused(tmp_path / "missing").lower()
    assert "no folder" in refused("a\nb").lower()
    assert "is a file" in refused(touch(tmp_path, "x.txt") / "x.txt")
    text = refused(tmp_path)
    assert all(word in text for word in ("visa", "mtd", "mvtec", "folder", "train/good"))
    assert "no images" in refused(tmp_path, layout="folder")
    assert "train/good" in refused(tmp_path, layout="mvtec")
    assert "MT_Free" in refused(tmp_path, layout="mtd")
    assert "Unknown layout 'mvtek'" in refused(tmp_path, layout="mvtek")
    touch(tmp_path / "own", "pore/a.png")
    assert "Cannot recognise" in refused(tmp_path / "own")
    assert "own has only defective images (1)" in refused(tmp_path / "own", layout="folder")
    touch(tmp_path / "own", "good/a.png")
    assert "'nut'" in refused(tmp_path / "own", "nut")
    for seed in (-1, 0.5, None):
        assert "split_seed" in refused(tmp_path / "own", split_seed=seed)
    assert "root" in refused(tmp_path / "own", root=tmp_path)
    assert "layout" in refused("toy", layout="mvtec")
    assert "elpv" in refused("elpv", root=tmp_path)


def test_toy_that_is_there_is_read(toy_root):
    dataset = load_dataset("toy", "weld", root=toy_root)
    assert (dataset.name, dataset.layout, dataset.categories) == ("toy", "mvtec", ("weld",))
    assert len(dataset.train_good) == 12 and dataset.has_masks
    sample = next(s for s in dataset.test if s.label)
    assert read_mask(sample.mask, read_image(sample.path).size).any()


@pytest.mark.slow
def test_toy_is_made_where_it_is_absent(tmp_path, monkeypatch):
    monkeypatch.setenv("ADLIB_CACHE", str(tmp_path))
    dataset = load_dataset("toy", "tile")
    assert dataset.train_good and dataset.root == tmp_path / "toy"
    assert load_dataset("toy", "tile") == dataset
    assert "nut" in refused("toy", "teapot")
