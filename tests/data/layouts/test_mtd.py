"""The layout of the Magnetic Tile Defects."""

from collections import Counter

from adlib.data import load_dataset
from helpers.empty_files import refused, touch


def test_mtd(tmp_path):
    good = [f"MT_Free/Imgs/{i}.{ending}" for i in range(10) for ending in ("jpg", "png")]
    root = touch(
        tmp_path / "tiles", *good, "MT_Crack/Imgs/a.jpg", "MT_Crack/Imgs/a.png", "MT_Fray/Imgs/b.JPG", "README.md"
    )
    dataset = load_dataset(root)
    assert (dataset.name, dataset.layout, dataset.categories) == ("tiles", "mtd", ("mtd",))
    assert len(dataset.train_good) == 8
    assert Counter(s.defect for s in dataset.test) == Counter(good=2, crack=1, fray=1)
    assert all(s.mask is None for s in dataset.samples if s.defect != "crack") and not dataset.has_masks
    assert load_dataset(root, "mtd") == dataset
    assert len({tuple(load_dataset(root, split_seed=seed).train_good) for seed in range(5)}) > 1
    assert "'tile'" in refused(root, "tile")
    for path in (root / "MT_Free/Imgs").iterdir():
        path.unlink()
    assert "MT_Free" in refused(root)


def test_real_mtd(shared):
    dataset = load_dataset(shared / "data/mtd")
    assert len(dataset.train_good) == 761 and dataset.has_masks
    assert Counter(s.defect for s in dataset.test) == Counter(
        good=191, blowhole=115, **{"break": 85}, crack=57, fray=32, uneven=103
    )
    good = {s.path for s in dataset.samples if s.label == 0}
    other = load_dataset(shared / "data/mtd", split_seed=1)
    assert good == {s.path for s in other.samples if s.label == 0} and other.train_good != dataset.train_good
