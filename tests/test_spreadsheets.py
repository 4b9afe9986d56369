"""What a spreadsheet opens: names in any script, no formula, and the same text when it is read back."""

import pandas as pd
import pytest

from adlib.spreadsheets import csv_line, csv_rows, csv_text, escaped, has_mark, unescaped

FORMULAS = ["=1+2.png", "+cmd|'/c calc'!A0", "-2+3", "@SUM(A1)", "\tx", "\rx"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_text(text):
    assert escaped(text) == f"'{text}"


@pytest.mark.parametrize("text", [*FORMULAS, "'=1", "''", "'", "plain", "", "-1.5", "焊缝/a.png", "'5"])
def test_text_is_read_back_as_it_was(text):
    assert unescaped(escaped(text)) == text


@pytest.mark.parametrize("value", ["-1.5", "+2", "-3e-05", 7, -0.5, None])
def test_numbers_stay_numbers(value):
    assert escaped(value) == value


def test_a_file_has_the_mark_and_gives_its_text_back(tmp_path):
    frame = pd.DataFrame({"image": ["=1+2.png", "焊缝, 1.png"], "score": [-1.25, 0.5]})
    path = tmp_path / "x.csv"
    path.write_text(csv_text(frame, "%.8g"), encoding="utf-8", newline="")
    assert path.read_bytes().startswith(b"\xef\xbb\xbfimage,score\n'=1+2.png,-1.25\n") and has_mark(path)
    with open(path, encoding="utf-8", newline="") as file:
        assert list(csv_rows(file)) == [["image", "score"], ["=1+2.png", "-1.25"], ["焊缝, 1.png", "0.5"]]


def test_a_file_without_the_mark_is_read_as_it_is():
    lines = ["image,score\n", "'=1.png,1\n", csv_line(["a,b", 2])]
    assert list(csv_rows(lines)) == [["image", "score"], ["'=1.png", "1"], ["a,b", "2"]]
    assert list(csv_rows([])) == [[]]
