"""MVTec 3D-AD from made-up archives to a verified folder, and its layout."""

from dataclasses import replace

import pytest

from adlib.data import load_dataset
from adlib.data.fetch import mvtec_3d, script
from adlib.errors import InputError
from helpers.made_up_archives import left_behind, served, tar_bytes


def files(category: str) -> dict[str, bytes]:
    """The layout of MVTec's archive, with the numbers of one category."""
    counts, made = mvtec_3d.PUBLISHED[category], {"readme.txt": b"read", "license.txt": b"licence"}
    numbers = {
        "train/good": counts["good training images"],
        "validation/good": 3,
        "test/good": counts["good test images"],
        "test/hole": 40,
        "test/cut": counts["defective test images"] - 40,
    }
    for folder, number in numbers.items():
        for i in range(number):
            for part, ending in (("rgb", "png"), ("xyz", "tiff"), ("gt", "png")):
                if part != "gt" or folder.startswith("test"):
                    made[f"{category}/{folder}/{part}/{i:03d}.{ending}"] = b"content"
    return made


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "mvtec_3d_anomaly_detection.tar.xz"
    path.write_bytes(tar_bytes(files("rope"), "w:xz"))
    return path


def test_from_an_archive(archive, tmp_path, capsys):
    to = tmp_path / "m"
    assert script.main(mvtec_3d.SOURCE, ["--from", str(archive), "--to", str(to)]) == 0
    said = capsys.readouterr().out
    assert "verified: rope" in said and "missing: bagel," in said
    assert left_behind(to) == ["license.txt", "readme.txt", "rope"]
    dataset = load_dataset(to)
    assert dataset.layout == "mvtec_3d" and list(dataset.categories) == ["rope"]
    assert len(dataset.train_good) == 298 and len(dataset.test) == 101 and dataset.has_masks
    assert {s.path.parent.name for s in dataset.samples} == {"rgb"} and {s.defect for s in dataset.test} == {
        "good",
        "hole",
        "cut",
    }
    assert sum(s.split == "validation" for s in dataset.samples) == 3
    assert len(load_dataset(to / "rope").samples) == len(dataset.samples)


def test_a_download_that_lacks_categories_is_no_data_set(server, archive, tmp_path, capsys):
    source = served(mvtec_3d.SOURCE, server, archive.read_bytes())
    assert script.main(source, ["--to", str(tmp_path / "m"), "--accept-licence"]) == 2
    assert "tire is missing." in capsys.readouterr().err and not (tmp_path / "m").exists()


def test_another_archive_is_refused_by_its_sha256(server, archive, tmp_path, capsys):
    source = replace(served(mvtec_3d.SOURCE, server, archive.read_bytes()), sha256="0" * 64)
    assert script.main(source, ["--to", str(tmp_path / "m"), "--accept-licence"]) == 2
    assert "sha256" in capsys.readouterr().err


def test_check_says_one_sentence_for_each_difference(archive, tmp_path, capsys):
    to = tmp_path / "m"
    script.main(mvtec_3d.SOURCE, ["--from", str(archive), "--to", str(to)])
    (to / "rope" / "train" / "good" / "xyz" / "007.tiff").unlink()
    (to / "rope" / "test" / "hole" / "gt" / "003.png").unlink()
    capsys.readouterr()
    assert script.main(mvtec_3d.SOURCE, ["--check", str(to)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"rope: 68 masks, but 69 were published ({mvtec_3d.PAPER}).",
        "rope: 1 images have no points in xyz/.",
    ]


def test_a_category_without_training_images(archive, tmp_path):
    script.main(mvtec_3d.SOURCE, ["--from", str(archive), "--to", str(tmp_path / "m")])
    for image in (tmp_path / "m" / "rope" / "train" / "good" / "rgb").iterdir():
        image.unlink()
    with pytest.raises(InputError, match="rope has no images"):
        load_dataset(tmp_path / "m")


def test_the_published_numbers_add_up():
    """2,656 training scans, and 1,197 of the test set."""
    totals = {what: sum(counts[what] for counts in mvtec_3d.PUBLISHED.values()) for what in mvtec_3d.PUBLISHED["tire"]}
    assert totals["good training images"] == 2656
    assert totals["good test images"] + totals["defective test images"] == 1197
