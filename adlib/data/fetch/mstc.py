"""Mini ShanghaiTech Campus: every fifth frame of 437 surveillance videos, one category per scene.

The videos are those of Liu et al. (CVPR 2018): 330 of ordinary days for training, 107 for testing, 13 scenes, of which
the last has no test video. Every fifth frame is PatchCore's subset (Roth et al. 2022, supplement); their
list of frames is not published, so frames 0, 5, 10, ... of each video are used here. Labels and masks of test frames
are the authors'.
"""

import shutil
import subprocess
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from adlib.data.fetch.index import read_index, write_index
from adlib.data.fetch.source import Source, Verdict, root_below
from adlib.data.layouts.listing import images, subfolders
from adlib.data.names import printable
from adlib.errors import InputError
from adlib.progress import progress

STEP = 5
VIDEOS = {"train": 330, "test": 107}
SCENES = tuple(f"{number:02d}" for number in range(1, 14))
WITHOUT_TEST = "13"
INDEX = "videos.csv"
COLUMNS = ("video", "split", "frames", "kept", "anomalous")
NUMBERS = COLUMNS[2:]
PAPER = "Liu et al., CVPR 2018"


def arrange(found: Path, made: Path, place: Callable[[Path, Path], None], options: Namespace) -> list[str]:
    """Write <scene>/train/good, test/good, test/anomaly and ground_truth/anomaly, and the index of videos.

    A frame is named <scene>_<video>_<number>. Training videos are read from training/frames/<video>/ where there are
    frames, and from training/videos/<video>.avi otherwise, which requires ffmpeg.
    """
    root = root_below(found, lambda p: (p / "testing" / "frames").is_dir(), "folder testing/frames")
    rows, disagreeing = [], 0
    for video in progress(_training_videos(root), label="training videos", unit="video"):
        name = video.name.removesuffix(".avi")
        with _frames_of(video, made) as frames:
            for number in range(0, len(frames), STEP):
                _put(frames[number], made / _scene(name) / "train" / "good" / f"{name}_{number:06d}.jpg")
        rows.append((name, "train", len(frames), -(-len(frames) // STEP), 0))
    for folder in progress(subfolders(root / "testing" / "frames"), label="test videos", unit="video"):
        row, wrong = _test_video(folder, root / "testing", made)
        rows.append(row)
        disagreeing += wrong
    write_index(made / INDEX, COLUMNS, rows)
    total = Counter()
    for _, split, frames, kept, _ in rows:
        total[split, "frames"] += frames
        total[split, "kept"] += kept
    lines = [f"{split}: {total[split, 'kept']} of {total[split, 'frames']} frames kept" for split in VIDEOS]
    if disagreeing:
        lines.append(f"{disagreeing} kept frames whose label and mask disagree; the label decides")
    return lines


def _training_videos(root: Path) -> list[Path]:
    folders = subfolders(root / "training" / "frames")
    if folders:
        return folders
    videos = sorted((root / "training" / "videos").glob("*.avi"))
    if videos and shutil.which("ffmpeg") is None:
        raise InputError("The training videos are AVI files: install ffmpeg, or extract them to training/frames.")
    return videos


@contextmanager
def _frames_of(video: Path, made: Path) -> Iterator[list[Path]]:
    """The frames of a training video as files, in order; those made from an AVI file are removed afterwards."""
    if video.is_dir():
        yield _in_order(video)
        return
    folder = made.parent / "frames"
    folder.mkdir()
    # All frames: the option that keeps ffmpeg from filling gaps in a selection with copies was renamed.
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(video), "-q:v", "2", str(folder / "%06d.jpg")]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise InputError(f"ffmpeg cannot read {printable(video)}: {done.stderr.strip() or done.returncode}.")
    try:
        yield _in_order(folder)
    finally:
        shutil.rmtree(folder)


def _test_video(folder: Path, testing: Path, made: Path) -> tuple[tuple[str, str, int, int, int], int]:
    """Copy every fifth frame of a test video with its mask; its index row, and how many labels and masks disagree."""
    name, frames = folder.name, _in_order(folder)
    labels = _array(testing / "test_frame_mask" / f"{name}.npy")
    masks = _array(testing / "test_pixel_mask" / f"{name}.npy")
    if not len(frames) == len(labels) == len(masks) or labels.ndim != 1 or masks.ndim != 3:
        raise InputError(
            f"The test video {name} has {len(frames)} frames, labels of shape {labels.shape} and masks of shape"
            f" {masks.shape}; unpack it again."
        )
    anomalous = disagreeing = 0
    category = made / _scene(name)
    for number in range(0, len(frames), STEP):
        stem, mask = f"{name}_{number:06d}", np.asarray(masks[number]) != 0
        label = bool(labels[number])
        disagreeing += label != mask.any()
        anomalous += label
        _put(frames[number], category / "test" / ("anomaly" if label else "good") / f"{stem}.jpg")
        if label:
            target = category / "ground_truth" / "anomaly" / f"{stem}_mask.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask.astype(np.uint8) * 255).save(target)
    return (name, "test", len(frames), -(-len(frames) // STEP), anomalous), disagreeing


def _in_order(folder: Path) -> list[Path]:
    """Frames by their number: 99.jpg before 100.jpg."""
    try:
        return sorted(images(folder), key=lambda p: int(p.stem))
    except ValueError:
        raise InputError(f"The frames in {printable(folder)} are not named by numbers; unpack them again.") from None


def _array(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"Cannot read {printable(path)}: {error}; unpack the data set again.") from error


def _scene(video: str) -> str:
    scene = video.split("_")[0]
    if scene not in SCENES:
        raise InputError(f"The video {video} belongs to none of the scenes {SCENES[0]} to {SCENES[-1]}; rename it.")
    return scene


def _put(frame: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(frame, target)


def check(folder: Path) -> Verdict:
    """Compare videos with the published numbers, and the frames and masks of each video with the index."""
    verdict, rows = Verdict(), read_index(folder / INDEX, COLUMNS, NUMBERS)
    for split, published in VIDEOS.items():
        number = sum(row["split"] == split for row in rows)
        if number != published:
            verdict.mismatches.append(f"{number} {split} videos, but {published} were published ({PAPER}).")
    for scene in SCENES:
        own = [row for row in rows if row["video"].startswith(f"{scene}_")]
        wrong = list(_scene_mismatches(folder / scene, own))
        verdict.mismatches += wrong
        if not own:
            verdict.missing.append(scene)
        elif not wrong:
            verdict.verified.append(scene)
    return verdict


def _scene_mismatches(folder: Path, rows: list[dict[str, str]]) -> Iterator[str]:
    names = {split: {p.stem for p in images(folder / split)} for split in ("train/good", "test/good", "test/anomaly")}
    masks = {p.stem.removesuffix("_mask") for p in images(folder / "ground_truth" / "anomaly")}
    found = {"train": names["train/good"], "test": names["test/good"] | names["test/anomaly"]}
    splits = {row["split"] for row in rows}
    if rows and splits != {"train"} | ({"test"} if folder.name != WITHOUT_TEST else set()):
        yield f"{folder.name}: it has {' and '.join(sorted(splits))} videos only, or unpublished ones."
    for split, files in found.items():
        own = [row for row in rows if row["split"] == split]
        expected = {f"{row['video']}_{n:06d}" for row in own for n in range(0, int(row["frames"]), STEP)}
        if files != expected:
            missing, more = len(expected - files), len(files - expected)
            yield f"{folder.name}: {missing} {split} frames of {INDEX} are missing, {more} are not in it."
    anomalous = sum(int(row["anomalous"]) for row in rows)
    if len(names["test/anomaly"]) != anomalous:
        yield f"{folder.name}: {len(names['test/anomaly'])} anomalous frames, {INDEX} says {anomalous}."
    if masks != names["test/anomaly"]:
        yield f"{folder.name}: {len(names['test/anomaly'] ^ masks)} anomalous frames and masks have no partner."


SOURCE = Source(
    name="Mini ShanghaiTech Campus",
    page="https://svip-lab.github.io/dataset/campus_dataset.html",
    licence="For research; the terms are on the authors' page, and third parties list it under BSD 2-Clause: read the"
    " page.\nCite: Liu et al., Future Frame Prediction for Anomaly Detection - A New Baseline, CVPR 2018.",
    archive="shanghaitech.tar.gz",
    # The authors' page links to share sites that need a browser. Address and sha256 are those of anomalib's data module
    # ShanghaiTech; unverified: the archive was never fetched for this module.
    url="http://101.32.75.151:8181/dataset/shanghaitech.tar.gz",
    sha256="c13a827043b259ccf8493c9d9130486872992153a9d714fe229e523cd4c94116",
    arrange=arrange,
    check=check,
)
