"""The Magnetic Tile Defects from made-up archives to a verified folder."""

import pytest

from adlib.data import load_dataset
from adlib.data.fetch import mtd, script
from helpers.made_up_archives import left_behind, mtd_files, served, zip_bytes


def test_a_download_becomes_a_verified_data_set(server, mtd_zip, tmp_path, capsys):
    to = tmp_path / "new" / "磁瓦"
    assert script.main(served(mtd.SOURCE, server, mtd_zip), ["--to", str(to), "--accept-licence"]) == 0
    said = capsys.readouterr().out
    assert "Huang et al." in said and "verified: MT_Free, MT_Blowhole, MT_Break, MT_Crack, MT_Fray, MT_Uneven" in said
    assert left_behind(tmp_path / "new") == sorted(["磁瓦", "magnetic_tile_defects.zip"])
    dataset = load_dataset(to)
    assert dataset.layout == "mtd" and len(dataset.samples) == 1344 and dataset.has_masks
    assert left_behind(to) == ["MT_Blowhole", "MT_Break", "MT_Crack", "MT_Fray", "MT_Free", "MT_Uneven", "README.md"]
    assert script.main(mtd.SOURCE, ["--check", str(to)]) == 0


def test_an_archive_with_wrong_counts_makes_no_data_set(tmp_path, capsys):
    files = mtd_files()
    files.pop("Magnetic-tile-defect-datasets.-master/MT_Fray/Imgs/exp1_num_3.png")
    (tmp_path / "a.zip").write_bytes(zip_bytes(files))
    assert script.main(mtd.SOURCE, ["--from", str(tmp_path / "a.zip"), "--to", str(tmp_path / "mtd")]) == 2
    said = capsys.readouterr().err
    assert (
        "MT_Fray: 31 masks, but 32 were published" in said
        and "was not made" in said
        and left_behind(tmp_path) == ["a.zip"]
    )


def test_the_real_magnetic_tiles(shared, tmp_path, capsys):
    given = shared / "data" / "mtd"
    if not given.is_dir():
        pytest.skip("the Magnetic Tile Defects are not in the optional data folder")
    assert script.main(mtd.SOURCE, ["--from", str(given), "--to", str(tmp_path / "mtd")]) == 0
    assert "MT_Uneven" in capsys.readouterr().out and len(load_dataset(tmp_path / "mtd").samples) == 1344
