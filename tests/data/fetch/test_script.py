"""From download to verified folder, against a server on this computer and made-up archives."""

import hashlib
import io
import sys
from dataclasses import replace

import pytest

from adlib.data.fetch import mtd, mvtec, script, visa
from helpers.made_up_archives import left_behind, mvtec_files, served, tar_bytes


def test_the_published_tables_add_up():
    def total(counts, what):
        return sum(c[what] for c in counts.values())

    what = ("good training images", "good test images", "defective test images")
    assert len(mvtec.PUBLISHED) == 15 and [total(mvtec.PUBLISHED, w) for w in what] == [3629, 467, 1258]
    assert len(visa.PUBLISHED) == 12 and [total(visa.PUBLISHED, w) for w in what] == [8659, 962, 1200]
    assert total(visa.PUBLISHED, "normal images") == 9621
    assert total(mtd.PUBLISHED, "images") - mtd.PUBLISHED["MT_Free"]["images"] == 392


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


def test_a_malicious_archive_leaves_nothing(tmp_path, capsys):
    files = {**mvtec_files("toothbrush"), "../../evil": b"evil"}
    (tmp_path / "a.tar").write_bytes(tar_bytes(files, "w"))
    assert script.main(mvtec.SOURCE, ["--from", str(tmp_path / "a.tar"), "--to", str(tmp_path / "deep" / "m")]) == 2
    assert "a path outside" in capsys.readouterr().err
    assert left_behind(tmp_path) == ["a.tar", "deep"] and left_behind(tmp_path / "deep") == []
