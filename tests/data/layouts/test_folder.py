"""One's own folder as a data set."""

from collections import Counter

from adlib.data import load_dataset
from helpers.empty_files import names, touch


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
