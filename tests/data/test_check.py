"""What `adlib check` says of good, broken and incomplete data sets."""

import pytest
from PIL import Image

from adlib.data import load_dataset
from adlib.data.check import check_folder, describe
from helpers.small_data_sets import picture, whole


def test_a_whole_data_set(tmp_path):
    report = check_folder(whole(tmp_path / "parts"))
    text = str(report)
    assert report.ok and report.dataset == load_dataset(tmp_path / "parts")
    for words in (
        "layout mvtec, 1 category, 12 images",
        "6 good",
        "3 good, 3 crack",
        "20 x 16 (12)",
        "L (12)",
        "1 to 6",
    ):
        assert words in text
    assert text.endswith("Next: a sweep can start.") and "not available" not in text and "Cannot be used" not in text


def test_broken_files_are_named_with_their_reason(tmp_path):
    root = whole(tmp_path / "parts")
    (root / "nut/train/good/0.png").write_bytes(b"")
    path = root / "nut/train/good/1.png"
    path.write_bytes(path.read_bytes()[:-100])
    (root / "nut/test/good/0.png").write_text("text", encoding="utf-8")
    picture(root / "nut/ground_truth/crack/1_mask.png", (16, 20))
    (root / "nut/test/good/gone\n.png").symlink_to("nowhere")
    report = check_folder(root)
    assert not report.ok
    section = report.lines[report.lines.index("Cannot be used (5)") + 1 :]
    for name, reason in (
        ("nut/train/good/0.png", "0 bytes"),
        ("nut/train/good/1.png", "cut off"),
        ("nut/test/good/0.png", "not an image"),
        ("nut/test/crack/1.png", "16 x 20"),
        ("nut/test/good/gone\\n.png", "no image"),
    ):
        assert any(line.startswith(f"  {name}: ") and reason in line for line in section)
    assert "5 images above" in report.lines[-1]


def test_many_broken_files_are_counted(tmp_path):
    root = whole(tmp_path / "parts")
    for i in range(13):
        (root / f"nut/train/good/x{i}.png").write_bytes(b"")
    lines = check_folder(root).lines
    assert "Cannot be used (13)" in lines and "  ... and 3 more" in lines


def test_missing_and_empty_masks(tmp_path):
    root = whole(tmp_path / "parts")
    Image.new("L", (20, 16)).save(root / "nut/ground_truth/crack/1_mask.png")
    report = check_folder(root)
    assert report.ok and "  nut/test/crack/1.png" in report.lines
    (root / "nut/ground_truth/crack/0_mask.png").unlink()
    report = check_folder(root)
    assert report.ok and "2 of 3 defective test images have a mask" in str(report)


def test_the_same_image_twice(tmp_path):
    root = whole(tmp_path / "parts")
    same = root / "nut/train/good/0.png"
    (root / "nut/train/good/copy.png").write_bytes(same.read_bytes())
    text = str(check_folder(root))
    assert "  nut/train/good/0.png = nut/train/good/copy.png\n" in text and "inflates" not in text
    (root / "nut/test/crack/9.png").write_bytes(same.read_bytes())
    report = check_folder(root)
    assert report.ok and "IN TEST AND TRAIN" in str(report) and "BOTH GOOD AND DEFECTIVE" in str(report)
    assert "duplicate images" in report.lines[-1]


def test_nothing_to_measure_on(tmp_path):
    for i in range(4):
        picture(tmp_path / f"own/{i}.png")
    report = check_folder(tmp_path / "own")
    assert not report.ok and "4 good" in str(report) and "cannot" not in report.lines[-1].lower()
    assert "no good or defective test images" in report.lines[-1]
    picture(tmp_path / "own/pore/1.png")
    assert check_folder(tmp_path / "own").ok
    for i in range(1, 4):
        (tmp_path / f"own/{i}.png").unlink()
    assert "no good test images" in check_folder(tmp_path / "own").lines[-1]


def test_a_folder_that_is_no_data_set(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        report = check_folder(path)
        assert not report.ok and report.dataset is None and str(path) in report.lines[0] and len(report.lines) == 2
    assert not check_folder(whole(tmp_path), category="bolt").ok


def test_names_that_differ_in_case_only(tmp_path):
    root = whole(tmp_path / "parts")
    picture(root / "nut/test/good/a.png")
    assert "case only" not in str(check_folder(root))
    picture(root / "nut/test/good/A.PNG")
    if len(list((root / "nut/test/good").iterdir())) == 4:
        pytest.skip("this file system knows no case")
    report = check_folder(root)
    assert report.ok and "  nut/test/good/A.PNG = nut/test/good/a.png" in report.lines


def test_masks_that_no_image_claims(tmp_path):
    root = whole(tmp_path / "parts")
    picture(root / "nut/ground_truth/good/0_mask.png")  # black masks of good images are a habit, and harmless
    assert "Masks without an image" not in str(check_folder(root))
    (root / "nut/ground_truth/crack/1_mask.png").rename(root / "nut/ground_truth/crack/1_drawn.png")
    report = check_folder(root)
    assert report.ok and "  nut/ground_truth/crack/1_drawn.png" in report.lines
    own = tmp_path / "own"
    for name in ("a.png", "b.png", "pore/c.png", "ground_truth/pore/c.png", "ground_truth/pore/d.png"):
        picture(own / name)
    assert "Masks without an image (1)\n  ground_truth/pore/d.png" in str(check_folder(own))


@pytest.mark.parametrize(
    ("good", "arguments"),
    [(48, ""), (47, " --shots 1 2 4 8"), (6, " --shots 1 2"), (3, " --shots 1"), (2, " --shots 1 2 --seeds 0")],
)
def test_the_sweep_that_is_proposed_can_be_drawn(tmp_path, good, arguments):
    root = whole(tmp_path / "my parts")
    for path in (root / "nut/train/good").iterdir():
        path.unlink()
    for i in range(good):
        picture(root / f"nut/train/good/{i}.png")
    report = check_folder(root, layout="mvtec")
    assert report.ok and report.command == f"adlib sweep --data '{root}' --layout mvtec{arguments}"


def test_describe_opens_nothing(tmp_path):
    root = whole(tmp_path / "parts")
    before = describe(load_dataset(root))
    for path in root.rglob("*.png"):
        path.write_bytes(b"")
    assert describe(load_dataset(root)) == before


def test_layouts_can_be_named(tmp_path):
    root = whole(tmp_path / "parts")
    assert "layout folder" in str(check_folder(root / "nut/test", layout="folder"))
    assert not check_folder(root, layout="visa").ok


@pytest.mark.slow
def test_real_bottle(shared):
    report = check_folder(shared / "data/mvtec/bottle")
    assert report.ok and "448 x 448 (292)" in str(report) and "RGB (292)" in str(report)
    assert "more than once" not in str(report)
