"""MVTec AD from made-up archives to a verified folder."""

from dataclasses import replace

import pytest

from adlib.data import load_dataset
from adlib.data.fetch import archives, mvtec, script
from helpers.made_up_archives import left_behind, served


def test_a_download_that_lacks_categories_is_no_data_set(server, two_categories, tmp_path, capsys):
    source = replace(served(mvtec.SOURCE, server, two_categories.read_bytes()), sha256=None)
    assert script.main(source, ["--to", str(tmp_path / "m"), "--accept-licence"]) == 2
    assert "screw is missing." in capsys.readouterr().err and not (tmp_path / "m").exists()


def test_mvtec_from_an_archive(two_categories, tmp_path, capsys):
    assert script.main(mvtec.SOURCE, ["--from", str(two_categories), "--to", str(tmp_path / "m")]) == 0
    said = capsys.readouterr().out
    assert "verified: bottle, toothbrush" in said and "missing: cable," in said and "zipper" in said
    dataset = load_dataset(tmp_path / "m")
    assert dataset.layout == "mvtec" and len(dataset.category("bottle").train_good) == 209 and dataset.has_masks
    assert left_behind(tmp_path / "m") == ["bottle", "license.txt", "readme.txt", "toothbrush"]


def test_mvtec_from_a_folder_leaves_it_as_it_was(two_categories, tmp_path):
    given = tmp_path / "given" / "mvtec_anomaly_detection"
    given.mkdir(parents=True)
    archives.unpack(two_categories, given)
    before = sorted(given.rglob("*"))
    assert script.main(mvtec.SOURCE, ["--from", str(given.parent), "--to", str(tmp_path / "m")]) == 0
    assert sorted(given.rglob("*")) == before and script.main(mvtec.SOURCE, ["--check", str(tmp_path / "m")]) == 0


def test_check_says_one_sentence_for_each_difference(two_categories, tmp_path, capsys):
    to = tmp_path / "m"
    script.main(mvtec.SOURCE, ["--from", str(two_categories), "--to", str(to)])
    (to / "bottle" / "train" / "good" / "007.png").unlink()
    (to / "toothbrush" / "test" / "good" / "more.png").write_bytes(b"")
    (to / "bottle" / "ground_truth" / "cut" / "000_mask.png").unlink()
    capsys.readouterr()
    assert script.main(mvtec.SOURCE, ["--check", str(to)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"bottle: 208 good training images, but 209 were published ({mvtec.PAPER}).",
        f"bottle: 62 masks, but 63 were published ({mvtec.PAPER}).",
        f"toothbrush: 13 good test images, but 12 were published ({mvtec.PAPER}).",
    ]


def test_the_real_bottle(shared, tmp_path, capsys):
    bottle = shared / "data" / "mvtec" / "bottle"
    if not bottle.is_dir():
        pytest.skip("MVTec's bottle is not in the optional data folder")
    given = tmp_path / "mvtec"  # alone: its neighbours there are copies of another form
    given.mkdir()
    (given / "bottle").symlink_to(bottle.resolve(), target_is_directory=True)
    assert script.main(mvtec.SOURCE, ["--check", str(given)]) == 0
    said = capsys.readouterr().out
    assert "verified: bottle" in said and "missing: cable" in said
