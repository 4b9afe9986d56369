"""The data scripts from download to verified folder, against a server on this computer and made-up archives."""

import csv
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from adlib import download as download_module
from adlib.data import load_dataset
from adlib.data.fetch import archives, mtd, mvtec, script, staging, visa
from adlib.data.fetch.source import Source
from helpers.places import ROOT
from helpers.server import Server

SCRIPTS = sorted((ROOT / "data_scripts").glob("*.py"))
Files = Mapping[str, bytes]  # names of an archive's members and what is in them


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download_module, "_PAUSES", (0.0, 0.0, 0.0))
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


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
    """As MVTec's archive lies: the categories at the top, readme and licence beside them."""
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
    """As VisA's archive lies: <category>/Data beside split_csv, whose rows are shuffled over splits."""
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
    """As GitHub packs the repository: one folder around everything."""
    around = "Magnetic-tile-defect-datasets.-master"
    files = {f"{around}/README.md": b"read", f"{around}/dataset.jpg": b"figure"}
    for folder, counts in mtd.PUBLISHED.items():
        for i in range(counts["images"]):
            files[f"{around}/{folder}/Imgs/exp1_num_{i}.jpg"] = b"image"
            files[f"{around}/{folder}/Imgs/exp1_num_{i}.png"] = b"mask"
    return files


@pytest.fixture(scope="module")
def mtd_zip() -> bytes:
    return zip_bytes(mtd_files())


@pytest.fixture(scope="module")
def two_categories(tmp_path_factory) -> Path:
    """An archive that holds `bottle` and `toothbrush` as published."""
    path = tmp_path_factory.mktemp("archive") / "mvtec.tar.xz"
    path.write_bytes(tar_bytes(mvtec_files("bottle", "toothbrush"), "w:xz"))
    return path


def served(source: Source, server: Server, content: bytes) -> Source:
    server.content = content
    return replace(source, url=server.url)


def left_behind(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


def test_the_published_tables_add_up():
    def total(counts, what):
        return sum(c[what] for c in counts.values())

    what = ("good training images", "good test images", "defective test images")
    assert len(mvtec.PUBLISHED) == 15 and [total(mvtec.PUBLISHED, w) for w in what] == [3629, 467, 1258]
    assert len(visa.PUBLISHED) == 12 and [total(visa.PUBLISHED, w) for w in what] == [8659, 962, 1200]
    assert total(visa.PUBLISHED, "normal images") == 9621
    assert total(mtd.PUBLISHED, "images") - mtd.PUBLISHED["MT_Free"]["images"] == 392


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


def test_a_download_that_breaks_off_is_resumed(server, mtd_zip, tmp_path, capsys):
    source = replace(served(mtd.SOURCE, server, mtd_zip), sha256=hashlib.sha256(mtd_zip).hexdigest())
    command = ["--to", str(tmp_path / "mtd"), "--accept-licence"]
    server.break_after, server.breaks = 50_000, 4
    assert script.main(source, command) == 2
    assert "give it with --from" in capsys.readouterr().err
    assert left_behind(tmp_path) == ["magnetic_tile_defects.zip.part"]
    assert script.main(source, command) == 0
    assert server.requests == [None, *(f"bytes={50_000 * i}-" for i in range(1, 5))]


def test_wrong_bytes_are_refused(server, mtd_zip, tmp_path, capsys):
    source = replace(served(mtd.SOURCE, server, mtd_zip), sha256="0" * 64)
    assert script.main(source, ["--to", str(tmp_path / "mtd"), "--accept-licence"]) == 2
    assert "wrong bytes" in capsys.readouterr().err and left_behind(tmp_path) == []


def test_a_page_that_is_gone_names_the_official_one(server, tmp_path, capsys):
    server.status = 404
    source = served(mvtec.SOURCE, server, b"")
    assert script.main(source, ["--to", str(tmp_path / "m"), "--accept-licence"]) == 2
    said = capsys.readouterr().err
    assert "404" in said and mvtec.SOURCE.page in said and said.count("\n") == 1 and left_behind(tmp_path) == []


def test_an_error_page_instead_of_an_archive_is_refused(server, tmp_path, capsys):
    source = served(mtd.SOURCE, server, b"<html>please log in</html>")
    assert script.main(source, ["--to", str(tmp_path / "mtd"), "--accept-licence"]) == 2
    assert "neither a tar nor a zip" in capsys.readouterr().err
    assert left_behind(tmp_path) == ["magnetic_tile_defects.zip"]


def test_another_address_can_be_given(server, mtd_zip, tmp_path):
    server.content = mtd_zip
    assert script.main(mtd.SOURCE, ["--to", str(tmp_path / "m"), "--accept-licence", "--url", server.url]) == 0


def test_a_download_that_lacks_categories_is_no_data_set(server, two_categories, tmp_path, capsys):
    source = replace(served(mvtec.SOURCE, server, two_categories.read_bytes()), sha256=None)
    assert script.main(source, ["--to", str(tmp_path / "m"), "--accept-licence"]) == 2
    assert "screw is missing." in capsys.readouterr().err and not (tmp_path / "m").exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer,code", [("yes\n", 0), ("Y\n", 0), ("no\n", 2), ("\n", 2), ("", 2)])
def test_a_person_is_asked_for_the_licence(server, mtd_zip, tmp_path, capsys, monkeypatch, answer, code):
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert script.main(served(mtd.SOURCE, server, mtd_zip), ["--to", str(tmp_path / "mtd")]) == code
    assert len(server.requests) == (code == 0) and (tmp_path / "mtd").exists() == (code == 0)
    assert "Huang et al." in capsys.readouterr().out


def test_without_a_terminal_the_licence_must_be_accepted_by_flag(server, mtd_zip, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert script.main(served(mtd.SOURCE, server, mtd_zip), ["--to", str(tmp_path / "mtd")]) == 2
    said = capsys.readouterr().err
    assert "--accept-licence" in said and said.count("\n") == 1 and server.requests == []


def test_mvtec_from_an_archive(two_categories, tmp_path, capsys):
    assert script.main(mvtec.SOURCE, ["--from", str(two_categories), "--to", str(tmp_path / "m")]) == 0
    said = capsys.readouterr().out
    assert "verified: bottle, toothbrush" in said and "not there: cable," in said and "zipper" in said
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
        f"bottle: 208 good training images, published are 209 ({mvtec.PAPER}).",
        f"bottle: 62 masks, published are 63 ({mvtec.PAPER}).",
        f"toothbrush: 13 good test images, published are 12 ({mvtec.PAPER}).",
    ]


def test_an_archive_with_wrong_counts_makes_no_data_set(tmp_path, capsys):
    files = mtd_files()
    files.pop("Magnetic-tile-defect-datasets.-master/MT_Fray/Imgs/exp1_num_3.png")
    (tmp_path / "a.zip").write_bytes(zip_bytes(files))
    assert script.main(mtd.SOURCE, ["--from", str(tmp_path / "a.zip"), "--to", str(tmp_path / "mtd")]) == 2
    said = capsys.readouterr().err
    assert (
        "MT_Fray: 31 masks, published are 32" in said and "was not made" in said and left_behind(tmp_path) == ["a.zip"]
    )


def test_visa_with_its_split(tmp_path, capsys):
    (tmp_path / "VisA.tar").write_bytes(tar_bytes(visa_files("cashew", "capsules"), "w"))
    to = tmp_path / "visa"
    assert script.main(visa.SOURCE, ["--from", str(tmp_path / "VisA.tar"), "--to", str(to)]) == 0
    assert "verified: capsules, cashew" in capsys.readouterr().out
    dataset = load_dataset(to)
    assert dataset.layout == "visa" and len(dataset.category("capsules").train_good) == 542
    (to / "cashew" / "Data" / "Images" / "Normal" / "unlisted.JPG").write_bytes(b"")
    assert script.main(visa.SOURCE, ["--check", str(to)]) == 1
    assert "cashew: 501 normal images, published are 500" in capsys.readouterr().err
    (to / "cashew" / "Data" / "Masks" / "Anomaly" / "003.png").unlink()
    assert script.main(visa.SOURCE, ["--check", str(to)]) == 2


@pytest.mark.parametrize("source", [mvtec.SOURCE, visa.SOURCE, mtd.SOURCE], ids=lambda s: s.name)
def test_what_is_not_the_data_set_is_refused_in_one_sentence(source, tmp_path, capsys):
    (tmp_path / "other" / "cats").mkdir(parents=True)
    for arguments in (
        ["--from", str(tmp_path / "other"), "--to", str(tmp_path / "to")],
        ["--from", str(tmp_path / "nowhere"), "--to", str(tmp_path / "to")],
        ["--check", str(tmp_path / "other")],
        ["--check", str(tmp_path / "nowhere")],
        [],
    ):
        assert script.main(source, arguments) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert left_behind(tmp_path) == ["other"]


def test_what_is_there_is_never_replaced(two_categories, server, tmp_path, capsys):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "mine.txt").write_text("mine")
    source = served(mvtec.SOURCE, server, two_categories.read_bytes())
    for given in (["--from", str(two_categories)], ["--accept-licence"]):
        assert script.main(source, [*given, "--to", str(tmp_path / "m")]) == 2
        assert "exists already" in capsys.readouterr().err
    assert left_behind(tmp_path / "m") == ["mine.txt"] and server.requests == []
    (tmp_path / "empty").mkdir()
    assert script.main(source, ["--from", str(two_categories), "--to", str(tmp_path / "empty")]) == 0


def test_a_malicious_archive_leaves_nothing(tmp_path, capsys):
    files = {**mvtec_files("toothbrush"), "../../evil": b"evil"}
    (tmp_path / "a.tar").write_bytes(tar_bytes(files, "w"))
    assert script.main(mvtec.SOURCE, ["--from", str(tmp_path / "a.tar"), "--to", str(tmp_path / "deep" / "m")]) == 2
    assert "a path outside" in capsys.readouterr().err
    assert left_behind(tmp_path) == ["a.tar", "deep"] and left_behind(tmp_path / "deep") == []


@pytest.mark.parametrize("step", ["unpacking", "copying"])
def test_a_full_disk_leaves_nothing(mtd_zip, tmp_path, capsys, monkeypatch, step):
    calls = []

    def full(*arguments):
        calls.append(arguments)
        if len(calls) > 20:
            raise OSError(28, "No space left on device")

    given = tmp_path / "a.zip"
    given.write_bytes(mtd_zip)
    if step == "copying":
        given = tmp_path / "given"
        archives.unpack(tmp_path / "a.zip", given)
        monkeypatch.setattr(staging.shutil, "copyfile", full)
    else:
        monkeypatch.setattr(archives.shutil, "copyfileobj", full)
    there = left_behind(tmp_path)
    assert script.main(mtd.SOURCE, ["--from", str(given), "--to", str(tmp_path / "mtd")]) == 2
    assert "The disk is full" in capsys.readouterr().err and len(calls) == 21 and left_behind(tmp_path) == there


def test_a_kill_half_way_leaves_no_data_set_and_the_next_run_makes_it(mtd_zip, tmp_path):
    (tmp_path / "a.zip").write_bytes(mtd_zip)
    arguments = ["--from", str(tmp_path / "a.zip"), "--to", str(tmp_path / "mtd")]
    code = f"""
import os, signal
from adlib.data.fetch import archives, mtd, script
copy, calls = archives.shutil.copyfileobj, []
def dies(*arguments):
    calls.append(1)
    if len(calls) > 500:
        os.kill(os.getpid(), signal.SIGKILL)
    copy(*arguments)
archives.shutil.copyfileobj = dies
script.main(mtd.SOURCE, {arguments!r})
"""
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert left_behind(tmp_path) == [".mtd.part", "a.zip"]
    assert script.main(mtd.SOURCE, arguments) == 0
    assert left_behind(tmp_path) == ["a.zip", "mtd"]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_each_script_runs_and_explains_itself(path, tmp_path):
    answer = subprocess.run(
        [sys.executable, path, "--help"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert answer.returncode == 0 and all(option in answer.stdout for option in ("--to", "--from", "--check", "--url"))


def test_there_are_five_scripts():
    assert [p.stem for p in SCRIPTS] == ["gdxray_welds", "mstc", "mtd", "mvtec", "visa"]


def test_the_real_magnetic_tiles(shared, tmp_path, capsys):
    given = shared / "data" / "mtd"
    if not given.is_dir():
        pytest.skip("the Magnetic Tile Defects are not in the optional data folder")
    assert script.main(mtd.SOURCE, ["--from", str(given), "--to", str(tmp_path / "mtd")]) == 0
    assert "MT_Uneven" in capsys.readouterr().out and len(load_dataset(tmp_path / "mtd").samples) == 1344


def test_the_real_bottle(shared, capsys):
    given = shared / "data" / "mvtec"
    if not (given / "bottle").is_dir():
        pytest.skip("MVTec's bottle is not in the optional data folder")
    assert script.main(mvtec.SOURCE, ["--check", str(given)]) == 0
    said = capsys.readouterr().out
    assert "verified: bottle" in said and "not there: cable" in said
