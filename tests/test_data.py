"""Indexing data sets: layouts, splits, and what is refused."""

import csv
import hashlib
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from adlib.data import Dataset, load_dataset, read_image, read_mask
from adlib.data.elpv import SPLIT_FILE, derive_split, package_data
from adlib.errors import InputError

MVTEC = (
    "bottle/train/good/000.png",
    "bottle/train/good/001.PNG",
    "bottle/validation/good/000.png",
    "bottle/test/good/000.png",
    "bottle/test/crack/000.png",
    "bottle/test/crack/001.png",
    "bottle/test/hole/000.png",
    "bottle/ground_truth/crack/000_mask.png",
    "bottle/ground_truth/crack/001.png",
    "bottle/ground_truth/hole/000_mask.png",
    "cable/train/good/000.png",
    "cable/test/good/000.png",
    "cable/test/bent/000.png",
)


def touch(root: Path, *names: str) -> Path:
    """Files without content: an index must open none of them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names(dataset: Dataset, samples) -> list[str]:
    return [dataset.relative(s) for s in samples]


def refused(*arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        load_dataset(*arguments, **options)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    return str(caught.value)


# MVTec


def test_mvtec(tmp_path):
    root = touch(tmp_path / "mv", *MVTEC, "bottle/readme.txt", "bottle/test/crack/._000.png", "bottle/test/Thumbs.db")
    dataset = load_dataset(root)
    assert (dataset.name, dataset.layout, dataset.categories) == ("mv", "mvtec", ("bottle", "cable"))
    bottle = dataset.category("bottle")
    assert names(bottle, bottle.train_good) == list(MVTEC[:2])
    assert names(bottle, bottle.validation) == [MVTEC[2]]
    assert names(bottle, bottle.test) == sorted(MVTEC[3:7])
    found = {(s.defect, s.path.stem, s.label): s.mask for s in bottle.test}
    assert found == {
        ("good", "000", 0): None,
        ("crack", "000", 1): root / MVTEC[7],
        ("crack", "001", 1): root / MVTEC[8],
        ("hole", "000", 1): root / MVTEC[9],
    }
    assert bottle.has_masks and not dataset.has_masks and not dataset.category("cable").has_masks
    assert load_dataset(root, "bottle") == bottle
    assert load_dataset(root / "bottle") == bottle  # results name the same paths whichever folder was given
    with pytest.raises(InputError, match="bottle, cable"):
        dataset.category("nut")


def test_working_folder_as_category(tmp_path, monkeypatch):
    root = touch(tmp_path / "mv", *MVTEC)
    monkeypatch.chdir(root / "cable")
    assert load_dataset(".").categories == ("cable",)
    monkeypatch.setenv("HOME", str(root))
    assert load_dataset("~").categories == ("bottle", "cable")


def test_mvtec_refuses(tmp_path):
    root = touch(tmp_path / "mv", *MVTEC)
    assert "bottle, cable" in refused(root, "nut")
    assert "'cable'" in refused(root / "bottle", "cable")
    (root / "nut/train").mkdir(parents=True)
    assert "nut" in refused(root) and "train/good" in refused(root)
    assert load_dataset(root, "bottle").categories == ("bottle",)  # a broken neighbour does not matter


def test_real_mvtec_bottle(shared):
    dataset = load_dataset(shared / "data/mvtec", "bottle")
    assert dataset.categories == ("bottle",) and dataset.has_masks and not dataset.validation
    assert len(dataset.train_good) == 209
    assert Counter(s.defect for s in dataset.test) == Counter(
        good=20, broken_large=20, broken_small=22, contamination=21
    )
    sample = next(s for s in dataset.test if s.label)
    assert read_mask(sample.mask, read_image(sample.path).size).any()


# VisA


def visa(root: Path, rows: list[str], start: str = "object,split,label,image,mask\n") -> Path:
    touch(root, "split_csv/1cls.csv")
    (root / "split_csv/1cls.csv").write_text(start + "\n".join(rows) + "\n", encoding="utf-8")
    return root


VISA = [
    "candle,train,normal,candle/Data/Images/Normal/0.JPG,",
    "candle,test,normal,candle/Data/Images/Normal/1.JPG,",
    "candle,test,anomaly,candle/Data/Images/Anomaly/0.JPG,candle/Data/Masks/Anomaly/0.png",
    "pcb1,train,normal,pcb1/Data/Images/Normal/0.JPG,",
]


def test_visa(tmp_path):
    root = visa(tmp_path / "VisA", VISA)
    touch(
        root, *(name for row in VISA for name in row.split(",")[3:] if name), "candle/Data/Images/Normal/unlisted.JPG"
    )
    dataset = load_dataset(root)
    assert (dataset.layout, dataset.categories, dataset.name) == ("visa", ("candle", "pcb1"), "VisA")
    candle = load_dataset(root / "candle")
    assert candle == dataset.category("candle") == load_dataset(root, "candle")
    assert names(candle, candle.train_good) == ["candle/Data/Images/Normal/0.JPG"]
    assert [(s.label, s.defect) for s in candle.test] == [(1, "anomaly"), (0, "good")]
    assert candle.test[0].mask == root / "candle/Data/Masks/Anomaly/0.png" and candle.has_masks
    visa(root, VISA, start="\ufeffobject,split,label,image,mask\n")  # as spreadsheets save it
    assert load_dataset(root) == dataset


def test_visa_refuses(tmp_path):
    root = visa(tmp_path / "VisA", VISA)
    assert "row 2" in refused(root) and "candle/Data/Images/Normal/0.JPG" in refused(root)
    touch(root, *(name for row in VISA for name in row.split(",")[3:] if name))
    assert "candle, pcb1" in refused(root, "nut")
    for row in (
        "candle,train,normal,../secret.png,",
        f"candle,train,normal,{root}/../x.png,",
        "candle,train,normal,,",
        "candle,train",
    ):
        touch(tmp_path, "secret.png", "x.png")
        assert "row 6" in refused(visa(root, [*VISA, row]))
    assert "'odd'" in refused(visa(root, [*VISA, "candle,odd,normal,candle/Data/Images/Normal/0.JPG,"]))
    assert "pcb2" in refused(visa(root, [*VISA, "pcb2,test,normal,candle/Data/Images/Normal/0.JPG,"]))
    assert "'mask'" in refused(visa(root, [], start="object,split,label,image\n"))
    assert "'object'" in refused(visa(root, [], start=""))
    assert "no images" in refused(visa(root, []))
    (root / "split_csv/1cls.csv").write_bytes(b"\xff\xfe\x00")
    assert "1cls.csv" in refused(root)
    os.unlink(root / "split_csv/1cls.csv")
    assert "split_csv" in refused(root, layout="visa")
    assert "split_csv" in refused(root / "candle")


# MTD


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


# One's own folder


def test_folder_with_chinese_names(tmp_path):
    defects = ("单个气孔/图 1.png", "咬边1/图.png", "咬边1/更多/图.png")
    root = touch(tmp_path / "焊缝", *(f"好{i}.png" for i in range(6)), *(f"good/{i}.jpg" for i in range(4)), *defects)
    touch(
        root,
        "ground_truth/单个气孔/图 1_mask.png",
        ".hidden/x.png",
        "__MACOSX/y.png",
        "Thumbs.db",
        "._x.png",
        "空/a.txt",
    )
    dataset = load_dataset(root)
    assert (dataset.name, dataset.layout, dataset.categories) == ("焊缝", "folder", ("焊缝",))
    assert len(dataset.train_good) == 8
    assert Counter(s.defect for s in dataset.test) == Counter(good=2, 单个气孔=1, 咬边1=2)
    assert [s.mask is not None for s in dataset.test if s.label] == [True, False, False]
    found = names(dataset, dataset.test)
    assert found == sorted(found) and set(defects) < set(found)
    assert not set(dataset.train_good) & set(dataset.test)
    assert load_dataset(root, split_seed=0) == dataset
    assert dataset.category("焊缝").few_shot(4)


def test_folder_of_good_images_only_trains_on_all(tmp_path):
    dataset = load_dataset(touch(tmp_path / "own", "a.png", "A.png", "b.tif"))
    assert names(dataset, dataset.train_good) == ["A.png", "a.png", "b.tif"] and not dataset.test
    in_folder = load_dataset(touch(tmp_path / "two", "GOOD/a.bmp"))
    assert names(in_folder, in_folder.train_good) == ["GOOD/a.bmp"]


def test_folder_with_one_good_image_trains_on_it(tmp_path):
    dataset = load_dataset(touch(tmp_path / "own", "a.png", "pore/b.png"))
    assert names(dataset, dataset.train_good) == ["a.png"] and names(dataset, dataset.test) == ["pore/b.png"]


def test_folder_links(tmp_path):
    root = touch(tmp_path / "own", "good/a.png", "pore/b.png")
    (root / "good/again").symlink_to(root / "good")
    (root / "good/up").symlink_to(root)
    (root / "self").symlink_to("self")
    (root / "linked").symlink_to(touch(tmp_path / "elsewhere", "c.png"))
    (root / "pore/gone.png").symlink_to("nowhere.png")
    (root / "pore/folder.png").mkdir()
    dataset = load_dataset(root)
    assert "linked/c.png" in names(dataset, dataset.test) and "pore/gone.png" in names(dataset, dataset.test)
    assert names(dataset, dataset.train_good) == ["good/a.png"]  # good/up would make defective images good ones


def test_no_permission_to_list(tmp_path, monkeypatch):
    touch(tmp_path, "good/a.png")

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert "Permission denied" in refused(tmp_path)


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


# Data sets that come with the package


def test_elpv_split_file_is_what_its_rule_gives():
    with open(SPLIT_FILE, encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == derive_split(package_data())


def test_elpv():
    dataset = load_dataset("elpv")
    assert dataset.categories == ("mono", "poly") and not dataset.has_masks
    assert load_dataset("elpv", "mono") == dataset.category("mono")
    assert "mono, poly" in refused("elpv", "multi")
    labels = {}
    for line in (package_data() / "labels.csv").read_text().splitlines():
        path, probability, kind = line.split()
        labels[path] = (float(probability), kind)
    assert len(labels) == 2624
    for name, train in (("mono", 378), ("poly", 710)):
        part = dataset.category(name)
        assert (len(part.train_good), len(part.validation)) == (train, 60)
        assert Counter(s.defect for s in part.test) == Counter(good=150, defective=150)
    assert len({s.path for s in dataset.samples}) == len(dataset.samples)
    assert all(labels[dataset.relative(s)] == (s.label, s.category) for s in dataset.samples)
    test = {s.path.name for s in dataset.test if s.label == 0 and s.category == "mono"}
    others = {s.path.name for s in dataset.samples if s.label == 0 and s.category == "mono"} - test

    def order(name: str) -> str:
        return hashlib.sha256(name.encode()).hexdigest()

    assert max(map(order, test)) < min(map(order, others))
    assert read_image(dataset.samples[0].path).size == (300, 300)


def test_elpv_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "elpv_dataset", None)
    with pytest.raises(InputError, match="pip install elpv-dataset"):
        load_dataset("elpv")
    monkeypatch.setattr("adlib.data.elpv.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install elpv-dataset"):
        load_dataset("elpv")


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


def test_index_opens_no_image(tmp_path):
    root = touch(tmp_path, *MVTEC)
    assert load_dataset(root).samples  # all those files are empty
    with pytest.raises(InputError, match="0 bytes"):
        read_image(load_dataset(root).samples[0].path)
    Image.new("L", (3, 3)).save(root / MVTEC[0])
    assert read_image(root / MVTEC[0]).size == (3, 3)
