"""Made-up archives with the layout of the official ones, and the files that they leave in a folder."""

import csv
import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from adlib.data.fetch import mtd, mvtec, visa
from adlib.data.fetch.source import Source
from helpers.server import Server

Files = Mapping[str, bytes]  # name -> content of an archive's members


def tar_bytes(files: Files, mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o444
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_bytes(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


def mvtec_files(*categories: str) -> dict[str, bytes]:
    """The layout of MVTec's archive: categories, readme and licence at the top."""
    files = {"readme.txt": b"read", "license.txt": b"licence"}
    for name in categories:
        counts = mvtec.PUBLISHED[name]
        for i in range(counts["good training images"]):
            files[f"{name}/train/good/{i:03d}.png"] = b"train"
        for i in range(counts["good test images"]):
            files[f"{name}/test/good/{i:03d}.png"] = b"good"
        for i in range(counts["defective test images"]):
            kind = ("cut", "hole")[i % 2]
            files[f"{name}/test/{kind}/{i:03d}.png"] = b"defect"
            files[f"{name}/ground_truth/{kind}/{i:03d}_mask.png"] = b"mask"
    return files


def visa_files(*categories: str) -> dict[str, bytes]:
    """The layout of VisA's archive: <category>/Data, and split_csv with rows in mixed order of splits."""
    files, rows = {"LICENSE-DATASET": b"licence"}, [("object", "split", "label", "image", "mask")]
    for name in categories:
        counts, data = visa.PUBLISHED[name], f"{name}/Data"
        for i in range(counts["normal images"]):
            split = "train" if i < counts["good training images"] else "test"
            files[f"{data}/Images/Normal/{i:04d}.JPG"] = b"normal"
            rows.append((name, split, "normal", f"{data}/Images/Normal/{i:04d}.JPG", ""))
        for i in range(counts["anomalous images"]):
            files[f"{data}/Images/Anomaly/{i:03d}.JPG"] = b"anomaly"
            files[f"{data}/Masks/Anomaly/{i:03d}.png"] = b"mask"
            rows.append(
                (name, "test", "anomaly", f"{data}/Images/Anomaly/{i:03d}.JPG", f"{data}/Masks/Anomaly/{i:03d}.png")
            )
    table = io.StringIO()
    csv.writer(table).writerows(rows)
    files["split_csv/1cls.csv"] = table.getvalue().encode()
    return files


def mtd_files() -> dict[str, bytes]:
    """The layout of GitHub's archive of the repository: everything in one folder."""
    around = "Magnetic-tile-defect-datasets.-master"
    files = {f"{around}/README.md": b"read", f"{around}/dataset.jpg": b"figure"}
    for folder, counts in mtd.PUBLISHED.items():
        for i in range(counts["images"]):
            files[f"{around}/{folder}/Imgs/exp1_num_{i}.jpg"] = b"image"
            files[f"{around}/{folder}/Imgs/exp1_num_{i}.png"] = b"mask"
    return files


def served(source: Source, server: Server, content: bytes) -> Source:
    server.content = content
    return replace(source, url=server.url)


def left_behind(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))
