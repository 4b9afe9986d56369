"""The data guide: its commands and programs run as they stand, its quotations are true, its links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest

from adlib.cli import main
from adlib.download import DownloadError
from adlib.errors import InputError
from adlib.features import load_backbone
from helpers.guide_folders import make_guide_folders
from helpers.notebook_text import broken_links
from helpers.places import ROOT
from tools.chapters import CHAPTERS

PAGE = ROOT / "docs/data.md"
GUIDE = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(bash|python|text)\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
COMPLAINTS = re.findall(r"^\| `(.+?)` \|.*\|.*\|$", GUIDE.partition("## What the complaints mean")[2], re.MULTILINE)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_guide_folders(tmp_path)
    monkeypatch.chdir(tmp_path)


def _run(commands: str, capsys: pytest.CaptureFixture) -> str:
    for line in commands.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "adlib" and main(arguments) in (0, 1), line
    return capsys.readouterr().out


def test_what_the_guide_quotes_is_what_its_commands_print(folders, capsys):
    printed, quoted = "", 0
    for kind, content in BLOCKS:
        if kind == "bash":
            printed = _run(content, capsys)
        elif kind == "python":
            exec(content, {})
        elif printed:
            lines = content.splitlines()
            places = [printed.find(line) for line in lines]
            assert -1 not in places and places == sorted(places), (lines, printed)
            quoted, printed = quoted + len(lines), ""
    assert quoted > 20


def test_every_complaint_of_the_table_is_made(folders, capsys):
    printed = _run("adlib check broken", capsys)
    assert len(COMPLAINTS) == 11 and [words for words in COMPLAINTS if words not in printed] == []


def test_missing_weights_are_named_as_quoted(tmp_path, monkeypatch):
    def offline(url: str, *_, **__) -> None:
        raise DownloadError(url, "no connection", "connect")

    monkeypatch.delenv("ADLIB_WEIGHTS", raising=False)
    monkeypatch.setattr("adlib.features.weights.download", offline)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(InputError) as found:
        load_backbone("wide_resnet50_2")
    (quoted,) = re.findall(r"^> (The weights .+) \(`(.+)`", GUIDE, re.MULTILINE)
    assert all(words in str(found.value) for words in quoted)


def test_links_of_the_guide_lead_somewhere():
    assert list(broken_links(GUIDE, PAGE)) == []


def test_links_of_the_glossary_lead_to_chapters_that_are_there_or_planned():
    page = ROOT / "notebooks/glossary.md"
    planned = {chapter.number for chapter in CHAPTERS if not list(page.parent.glob(f"{chapter.number}_*.ipynb"))}
    broken = list(broken_links(page.read_text(encoding="utf-8"), page))
    assert [sentence for sentence in broken if sentence.removeprefix("links to ")[:2] not in planned] == []
