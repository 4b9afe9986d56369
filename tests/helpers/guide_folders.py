"""The folders that the data guide speaks of, under the names it uses, filled with rendered parts."""

from pathlib import Path
from shutil import copy, copytree

import numpy as np
from PIL import Image

from adlib.data.toy import make_toy, render


def make_guide_folders(work: Path) -> None:
    """Make them below `work`, which becomes the working directory of the guide's commands."""
    toy = make_toy(work / "source", ["weld"], train=12, test_good=4, test_defective=2, size=64, progress=False)
    weld = toy / "weld"
    good, pores = sorted((weld / "train/good").iterdir()), sorted((weld / "test/pore").iterdir())
    masks = sorted((weld / "ground_truth/pore").iterdir())
    copytree(weld, work / "films/my_xray")
    for path in good:
        _put(path, work / "good_only" / path.name)
        _put(path, work / "sorted/good" / path.name)
        _put(path, work / "beside/good" / path.with_suffix(".jpg").name)
        _put(path, work / "by_film/train/good" / f"film{int(path.stem) % 4}_crop{path.stem}.png")
        _put(path, work / "mixed" / f"ok_{path.name}")
    for path, mask in zip(pores, masks, strict=True):
        _put(path, work / "sorted/pore" / path.name)
        _put(path, work / "mixed" / f"pore_{path.name}")
        _put(path, work / "by_film/test/pore" / path.name)
        _put(path, work / "beside/pore" / f"pore{path.stem}.jpg")
        _put(mask, work / "beside/pore" / f"pore{path.stem}.png")
    copytree(weld, work / "with_rejects/weld")
    for path in pores:
        _put(path, work / "with_rejects/weld/train/pore" / f"reject{path.name}")
    _put(masks[0], work / "with_rejects/weld/ground_truth/pore/reject000_mask.png")
    _put(weld / "test/good/000.png", work / "by_film/test/good/film9_crop000.png")
    copytree(weld, work / "labels_elsewhere/weld")
    (work / "labels_elsewhere/weld/ground_truth").rename(work / "labels_elsewhere/weld/test/annotations")
    copytree(weld, work / "twelve_bits/weld")
    for path in (work / "twelve_bits/weld").glob("t*/*/*.png"):
        Image.fromarray(np.asarray(Image.open(path).convert("L")).astype(np.uint16) * 16).save(path)
    copytree(weld, work / "stacks/weld")
    for path in (work / "stacks/weld/train/good").iterdir():
        pages = [Image.open(path).convert("L"), Image.fromarray(render("weld", seed=7, size=64)[0]).convert("L")]
        pages[0].save(path.with_suffix(".tif"), save_all=True, append_images=pages[1:])
        path.unlink()
    _break(weld, work / "broken/weld")


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.open(source).save(target)


def _break(weld: Path, broken: Path) -> None:
    """One fault of every kind that the guide explains."""
    copytree(weld, broken)
    cut = broken / "test/crack/000.png"
    cut.write_bytes(cut.read_bytes()[:2000])
    (broken / "test/crack/001.png").write_bytes(b"")
    small = broken / "ground_truth/pore/000_mask.png"
    Image.open(small).resize((50, 50)).save(small)
    inverted = broken / "ground_truth/pore/001_mask.png"
    Image.fromarray(255 - np.asarray(Image.open(inverted))).save(inverted)
    empty = broken / "ground_truth/undercut/000_mask.png"
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(empty)
    jpeg = broken / "ground_truth/undercut/001_mask.png"
    Image.open(jpeg).save(jpeg.with_suffix(".jpg"))
    jpeg.unlink()
    copy(broken / "test/good/000.png", broken / "train/good/extra.png")
    lost = broken / "ground_truth/lack_of_fusion/000_mask.png"
    lost.rename(lost.with_name("009_mask.png"))
    (broken / "train/good/scan.dcm").write_bytes(b"a format that is not read")
    _put(broken / "test/good/001.png", broken / "train/001.png")
