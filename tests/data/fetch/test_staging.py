"""A data set is whole or not there: what exists already, full disks, kills half way."""

import signal
import subprocess
import sys

import pytest

from adlib.data.fetch import archives, mtd, mvtec, script, staging
from helpers.made_up_archives import left_behind, served
from helpers.places import ROOT


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
