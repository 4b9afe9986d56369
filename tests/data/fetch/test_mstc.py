"""Mini ShanghaiTech Campus from a made-up archive of the official inner layout."""

import csv
import io
import os
import re
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from adlib.data import load_dataset, read_mask
from adlib.data.fetch import mstc, script

FRAMES = 7  # of the made-up videos of some scenes: 0 and 5 are kept; videos of the others have one frame
LONG = ("02", "03", "05", "13")
TRAIN = [f"{scene}_{i:03d}" for scene in mstc.SCENES for i in range(1, 26)] + [f"01_{i:03d}" for i in range(26, 31)]
TEST = [f"{scene}_{i:04d}" for scene in mstc.SCENES[:-1] for i in range(8)] + [f"01_{i:04d}" for i in range(8, 19)]


def length(video: str) -> int:
    return FRAMES if video[:2] in LONG else 1


def frame(video: str, number: int) -> bytes:
    return f"{video} {number}".encode()  # never decoded


def array(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def labels(video: str) -> np.ndarray:
    """The last two frames of every other long test video are anomalous."""
    values = np.zeros(length(video), dtype=np.int8)
    values[5:] = int(video[-1]) % 2
    return values


def masks(video: str) -> np.ndarray:
    values = np.zeros((length(video), 4, 6), dtype=np.uint8)
    values[labels(video) == 1, 1:3, 2] = 1
    return values


def campus(videos_as_files: bool = False) -> dict[str, bytes]:
    files = {}
    for video in TRAIN:
        if videos_as_files:
            files[f"shanghaitech/training/videos/{video}.avi"] = video.encode()
        else:
            for i in range(length(video)):
                files[f"shanghaitech/training/frames/{video}/{i:03d}.jpg"] = frame(video, i)
    for video in TEST:
        for i in range(length(video)):
            # numbers without zeros in front: sorted as words, 10 would come before 9
            files[f"shanghaitech/testing/frames/{video}/{i + 8}.jpg"] = frame(video, i)
        files[f"shanghaitech/testing/test_frame_mask/{video}.npy"] = array(labels(video))
        files[f"shanghaitech/testing/test_pixel_mask/{video}.npy"] = array(masks(video))
    return files


def write(files: dict[str, bytes], path: Path) -> Path:
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def put(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("campus")
    archive = write(campus(), folder / "shanghaitech.tar.gz")
    assert script.main(mstc.SOURCE, ["--from", str(archive), "--to", str(folder / "mstc")]) == 0
    return folder / "mstc"


def test_every_fifth_frame_by_scene(made):
    dataset = load_dataset(made)
    assert dataset.layout == "mvtec" and dataset.categories == mstc.SCENES
    assert len(dataset.train_good) == 330 + 4 * 25 and len(dataset.test) == 107 + 3 * 8
    scene = dataset.category("02")
    assert [p.path.name for p in scene.train_good[:3]] == [
        "02_001_000000.jpg",
        "02_001_000005.jpg",
        "02_002_000000.jpg",
    ]
    assert scene.train_good[1].path.read_bytes() == frame("02_001", 5)
    anomalous = [s for s in scene.test if s.label]
    assert {s.path.name for s in anomalous} == {f"02_{i:04d}_000005.jpg" for i in (1, 3, 5, 7)}
    assert anomalous[0].path.read_bytes() == frame("02_0001", 5) and scene.has_masks
    assert np.array_equal(read_mask(anomalous[0].mask, (6, 4)), masks("02_0001")[5] == 1)
    assert not dataset.category("13").test


def test_the_index_holds_what_every_video_had(made):
    with open(made / mstc.INDEX, newline="") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == mstc.COLUMNS and len(rows) == 1 + 437
    assert ["02_0001", "test", "7", "2", "1"] in rows and ["13_025", "train", "7", "2", "0"] in rows


def test_check_verifies_and_finds_what_is_wrong(made, capsys):
    assert script.main(mstc.SOURCE, ["--check", str(made)]) == 0
    assert "verified: 01, 02, 03, 04, 05, 06, 07, 08, 09, 10, 11, 12, 13" in capsys.readouterr().out
    moved = [
        (made / "03" / "train" / "good" / "03_004_000005.jpg", "missing"),
        (made / "05" / "ground_truth" / "anomaly" / "05_0001_000005_mask.png", "no partner"),
    ]
    for path, _ in moved:
        path.rename(path.with_suffix(".away"))
    assert script.main(mstc.SOURCE, ["--check", str(made)]) == 1
    said = capsys.readouterr()
    assert "verified: 01, 02, 04, 06," in said.out
    assert said.err.splitlines() == [
        "03: 1 train frames of videos.csv are missing, 0 are not in it.",
        "05: 1 anomalous frames and masks have no partner.",
    ]
    for path, _ in moved:
        path.with_suffix(".away").rename(path)


def test_too_few_videos_are_reported(made, capsys):
    index = (made / mstc.INDEX).read_text()
    (made / mstc.INDEX).write_text(index.replace("13_007,train,7,2,0\n", ""))
    assert script.main(mstc.SOURCE, ["--check", str(made)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"329 train videos, but 330 were published ({mstc.PAPER}).",
        "13: 0 train frames of videos.csv are missing, 2 are not in it.",
    ]
    (made / mstc.INDEX).write_text("video\n")
    assert script.main(mstc.SOURCE, ["--check", str(made)]) == 2
    (made / mstc.INDEX).write_text(index)


@pytest.mark.parametrize(
    "name,content,sentence",
    [
        ("testing/test_frame_mask/02_0001.npy", array(np.zeros(6)), "02_0001 has 7 frames, labels of shape"),
        ("testing/test_pixel_mask/02_0001.npy", b"no array", "Cannot read .*02_0001.npy"),
        ("testing/test_pixel_mask/02_0001.npy", array(np.array([{}])), "Cannot read .*02_0001.npy"),  # a pickle
        ("testing/frames/02_0001/ten.jpg", b"", "not named by numbers"),
        ("training/frames/14_001/000.jpg", b"", "none of the scenes 01 to 13"),
    ],
)
def test_broken_parts_are_named(tmp_path, capsys, name, content, sentence):
    files = {k: v for k, v in campus().items() if "/02_" in k}
    put({**files, f"shanghaitech/{name}": content}, tmp_path / "in")
    assert script.main(mstc.SOURCE, ["--from", str(tmp_path / "in"), "--to", str(tmp_path / "to")]) == 2
    said = capsys.readouterr().err
    assert re.search(sentence, said) and said.count("\n") == 1
    assert not (tmp_path / "to").exists()


def fake_ffmpeg(folder: Path) -> None:
    """A program of that name that 'decodes' a video into FRAMES pictures, and fails where there is nothing in it."""
    folder.mkdir()
    program = folder / "ffmpeg"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsource = open(sys.argv[sys.argv.index('-i') + 1]).read()\n"
        "if not source: sys.exit('no video in it')\n"
        f"for i in range({FRAMES}):\n    open(sys.argv[-1] % (i + 1), 'w').write(f'{{source}} {{i}}')\n"
    )
    program.chmod(0o755)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for ffmpeg is a script with a #! line")
def test_training_videos_are_decoded_by_ffmpeg(tmp_path, capsys, monkeypatch):
    files = {
        k: v
        for k, v in campus(videos_as_files=True).items()
        if "/training/" not in k or "/13_00" in k and k < "shanghaitech/training/videos/13_003.avi"
    }
    put(files, tmp_path / "in")
    command = ["--from", str(tmp_path / "in"), "--to", str(tmp_path / "to")]
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert script.main(mstc.SOURCE, command) == 2
    assert "install ffmpeg" in capsys.readouterr().err
    fake_ffmpeg(tmp_path / "bin")
    monkeypatch.setattr(mstc, "VIDEOS", {"train": 2, "test": 107})
    monkeypatch.setattr(mstc, "_scene_mismatches", lambda folder, rows: ())  # the other scenes have no training video
    assert script.main(mstc.SOURCE, command) == 0
    kept = sorted((tmp_path / "to" / "13" / "train" / "good").iterdir())
    assert len(kept) == 4 and kept[1].read_bytes() == frame("13_001", 5)
    assert sorted(p.name for p in (tmp_path / "to").iterdir()) == [*mstc.SCENES, mstc.INDEX]
    (tmp_path / "in" / "shanghaitech" / "training" / "videos" / "13_002.avi").write_bytes(b"")
    assert script.main(mstc.SOURCE, [*command[:3], str(tmp_path / "again")]) == 2
    assert "ffmpeg cannot read" in capsys.readouterr().err
