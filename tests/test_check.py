"""What `adlib check` says of good, broken and incomplete data sets."""

from pathlib import Path

import numpy as np
from PIL import Image

from adlib.data import load_dataset
from adlib.data.check import check_folder, describe

RANDOM = np.random.default_rng(0)


def picture(path: Path, size: tuple[int, int] = (20, 16), high: int = 256, kind=np.uint8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RANDOM.integers(0, high, size[::-1], dtype=kind)).save(path)
    return path


def whole(root: Path) -> Path:
    """A small data set that has everything."""
    for i in range(6):
        picture(root / f"nut/train/good/{i}.png")
    for i in range(3):
        picture(root / f"nut/test/good/{i}.png")
        picture(root / f"nut/test/crack/{i}.png")
        picture(root / f"nut/ground_truth/crack/{i}_mask.png")
    return root


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
    assert "  nut/train/good/0.png = nut/train/good/copy.png\n" in text and "flattered" not in text
    (root / "nut/test/crack/9.png").write_bytes(same.read_bytes())
    report = check_folder(root)
    assert report.ok and "IN TEST AND TRAIN" in str(report) and "BOTH GOOD AND DEFECTIVE" in str(report)
    assert "more than once" in report.lines[-1]


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


def test_16_bit_images_that_use_few_bits_get_a_hint(tmp_path):
    picture(tmp_path / "own/a.png", high=4096, kind=np.uint16)
    text = str(check_folder(tmp_path / "own"))
    assert "window=(0, 4" in text and ("I;16 (1)" in text or "I (1)" in text)
    picture(tmp_path / "own/b.png", (300, 300), high=65536, kind=np.uint16)
    assert "window" not in str(check_folder(tmp_path / "own"))


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


def test_real_bottle(shared):
    report = check_folder(shared / "data/mvtec/bottle")
    assert report.ok and "448 x 448 (292)" in str(report) and "RGB (292)" in str(report)
    assert "more than once" not in str(report)
