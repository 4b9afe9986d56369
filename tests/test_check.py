"""What `adlib check` says of good, broken and incomplete data sets."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adlib.cli import main
from adlib.data import load_dataset, read_image
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
        (np.uint16, 500, 4000, 65535, "keep few of their greys"),
        (np.int32, 500, 100_000, 2_000_000, "cannot be read"),
        (np.float32, -2, 6, 1e9, "cannot be read"),
        (np.float32, 0.4, 0.5, 1, "keep few of their greys"),
    ],
)
def test_deep_images_get_a_window_from_good_training_images(tmp_path, kind, low, high, hot, without):
    report = check_folder(deep(tmp_path / "parts", kind, low, high, hot))
    assert report.ok and without in str(report)
    window = json.loads(report.command.removesuffix("'").rpartition("window=")[2])
    assert f"--set window={window} keeps that range".replace(", ", ",") in str(report)
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
    assert report.ok and "window" not in str(report) + report.command


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
    (root / "nut/ground_truth/crack/1_mask.png").rename(root / "nut/ground_truth/crack/1_gt.png")
    report = check_folder(root)
    assert report.ok and "  nut/ground_truth/crack/1_gt.png" in report.lines
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


def test_the_command_line_says_what_to_type(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole(Path("parts"))
    assert main(["check", "parts"]) == 0
    assert capsys.readouterr().out.endswith("Next: a sweep can start.\n  adlib sweep --data parts --shots 1 2\n")
    Path("parts/nut/test/good/0.png").write_bytes(b"")
    assert main(["check", "parts"]) == 1
    assert capsys.readouterr().out.endswith("then check again.\n  adlib check parts\n")
    assert main(["check", "nowhere"]) == 1
    assert capsys.readouterr().out.endswith("\n  adlib check nowhere\n")


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
