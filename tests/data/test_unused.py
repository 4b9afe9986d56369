"""Every file of a folder is read, or is named with the reason why it is not."""

import pytest
from PIL import Image, features

from adlib.data import load_dataset
from adlib.data.check import check_folder
from adlib.data.unused import DOCUMENTS, ELSEWHERE, LOST_MASKS, OWN, UNREADABLE, notes, unused_files
from adlib.outputs import mark_output, outputs_in, write_output
from helpers.empty_files import names, touch
from helpers.small_data_sets import picture, whole


@pytest.mark.parametrize(
    "kind", ["JPEG .jfif", "JPEG .jpe", "JPEG2000 .jp2", "AVIF .avif", "PPM .pnm", "TGA .tga", "PNG "]
)
def test_endings_of_formats_that_are_decoded(tmp_path, kind):
    name, ending = kind.split(" ")
    if name == "AVIF" and not features.check("avif") or name == "JPEG2000" and not features.check("jpg_2000"):
        pytest.skip(f"this Pillow cannot write {name}")
    root = tmp_path / "own"
    picture(root / "good/a.png")
    with Image.open(root / "good/a.png") as image:
        image.convert("RGB").save(root / f"good/b{ending}", name)
    dataset = load_dataset(root)
    assert names(dataset, dataset.train_good) == ["good/a.png", f"good/b{ending}"]
    assert check_folder(root).dataset == dataset and not unused_files(dataset)


def test_folders_below_those_of_the_layout_are_read(tmp_path):
    files = ("train/Good/a.png", "train/Good/day2/a.png", "test/pore/day2/b.png", "test/OK/c.png", "val/good/d.png")
    dataset = load_dataset(touch(tmp_path / "parts/nut", *files, "Ground_Truth/pore/day2/b.png"))
    assert names(dataset, dataset.train_good) == ["nut/train/Good/a.png", "nut/train/Good/day2/a.png"]
    assert {(s.path.name, s.label, s.mask is not None) for s in dataset.test} == {
        ("b.png", 1, True),
        ("c.png", 0, False),
    }
    assert names(dataset, dataset.validation) == ["nut/val/good/d.png"]


def test_what_is_not_read_is_named_by_reason(tmp_path):
    root = whole(tmp_path / "parts")
    for name in ("val/bad/x.png", "test/loose.png", "ground_truth/crack/9_mask.png", "ground_truth/good/0_mask.png"):
        picture(root / "nut" / name)
    touch(
        root / "nut",
        "test/crack/y.heic",
        "train/good/z.dcm",
        "train/good/0.heic",
        "license.txt",
        ".hidden/a.png",
        "train/good/none",
    )
    dataset = load_dataset(root)
    found = {
        why: [p.relative_to(root / "nut").as_posix() for p in paths] for why, paths in unused_files(dataset).items()
    }
    assert found == {
        ELSEWHERE: ["test/loose.png", "val/bad/x.png"],
        LOST_MASKS: ["ground_truth/crack/9_mask.png"],
        UNREADABLE: ["test/crack/y.heic", "train/good/0.heic", "train/good/none", "train/good/z.dcm"],
        DOCUMENTS: ["license.txt"],
    }
    text = str(check_folder(root))
    assert f"{ELSEWHERE} (2)\n  nut/test/loose.png\n  nut/val/bad/x.png" in text and f"{UNREADABLE} (4)" in text
    lines = notes(unused_files(dataset), root)
    assert len(lines) == 3 and f"{ELSEWHERE}, not used: 2 (nut/test/loose.png, nut/val/bad/x.png)" in lines


def test_what_adlib_wrote_is_no_image(tmp_path):
    root = tmp_path / "own"
    for name in ("good/a.png", "good/b.png", "pore/c.png", "figures/mine.png"):
        picture(root / name)
    write_output(root / "figures/curve.png", (root / "good/a.png").read_bytes())
    mark_output(root / "runs/predict", "maps", "scale.png")
    mark_output(root / "runs/predict", "maps", "overlays")
    for name in ("runs/predict/maps/x.tiff", "runs/predict/overlays/x.png", "runs/predict/scale.png"):
        picture(root / name)
    picture(root / "old/maps/x.tiff")  # of a version that did not mark its output
    touch(root / "old", "predict.json", "scores.csv")
    dataset = load_dataset(root)
    assert {(s.defect, s.path.name) for s in dataset.samples if s.label} == {("pore", "c.png"), ("figures", "mine.png")}
    assert len(unused_files(dataset)[OWN]) == 5 and f"{OWN}: 5 files, not read" in check_folder(root).lines
    assert outputs_in(root / "runs/predict") == {"maps", "overlays", "scale.png"}
