"""The README says what the committed results say, and its links lead somewhere."""

import re
from collections import Counter

import pytest

from helpers.places import ROOT
from tools.refresh import BLOCK, TABLES, refreshed_readme

README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")


def test_every_table_is_what_the_results_give():
    assert refreshed_readme(README, ROOT / "results") == README, "run `make readme`"
    assert refreshed_readme(CHINESE, ROOT / "results", "zh_CN") == CHINESE, "run `make readme`"


@pytest.mark.parametrize(
    "pattern",
    [
        r"\]\((?!README)([^)]+)\)",  # links
        r"(?m)^ *(?:\.venv|adlib|python|make)[^#\n]*",  # commands
        r"(?<!`)`([^`\n]+)`(?!`)",  # names
        r"(?m)^(#+) ",  # sections
        r"(?<![\w.])\d+(?:[.,]\d+)*",  # numbers
    ],
)
def test_the_chinese_readme_says_as_much(pattern):
    """What needs no Chinese to be changed in both."""
    here, there = (Counter(re.findall(pattern, BLOCK.sub("", text))) for text in (README, CHINESE))
    assert here == there


@pytest.mark.parametrize("name", TABLES)
def test_a_number_typed_by_hand_does_not_survive(name):
    begin = README.index(f"<!-- table: {name} -->")
    number = re.compile(r"(?<=\| )\d[\d.]*(?= )").search(README, begin)
    forged = README[: number.start()] + "12.3" + README[number.end() :]
    assert refreshed_readme(forged, ROOT / "results") == README


def test_the_first_lines_of_python_run(capsys):
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in program.splitlines() if line]) <= 7
    names: dict = {}
    exec(program, names)
    shown = capsys.readouterr().out
    assert names["predictions"].scores.shape == (2,) and (names["predictions"].scores > 0).all()
    assert shown.startswith("[") and shown.strip().endswith("(300, 300)")


def test_the_guide_to_the_results_reads_them(monkeypatch):
    monkeypatch.chdir(ROOT)
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "results/README.md").read_text("utf-8"), re.DOTALL)
    names: dict = {}
    exec(program, names)
    joined = names["images"].join(names["scores"])
    assert list(names["rows"]["hash"]) == list(names["scores"].columns) and len(joined) == len(names["images"]) > 0


def test_links_and_pictures_exist():
    targets = re.findall(r"\]\(([^)#]+)\)", README + CHINESE)
    assert targets and all((ROOT / t).exists() for t in targets if not t.startswith("http"))
