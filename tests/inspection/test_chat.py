"""Questions for a chat model: what the folder tells, which answers are refused, and answerers of known quality."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adlib.cli import main
from adlib.data import load_dataset
from adlib.detectors import PatchCore
from adlib.errors import InputError
from adlib.inspection.chat import key_of, mark, read_answers, write_questions


@pytest.fixture(scope="module")
def nuts(toy_root):
    return load_dataset(toy_root, "nut")


@pytest.fixture(scope="module")
def asked(nuts, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("chat") / "questions"
    assert write_questions(nuts, folder, "a hexagonal nut", shots=2, seed=1) == len(nuts.test)
    return folder


def key(folder: Path) -> list[dict[str, str]]:
    with open(key_of(folder), encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def answer(path: Path, answers: dict) -> Path:
    path.write_text("image,answer\n" + "".join(f"{name},{text}\n" for name, text in answers.items()))
    return path


def test_the_folder_says_nothing_of_the_labels(asked, nuts):
    rows = key(asked)
    labels = [int(row["label"]) for row in rows]
    assert sorted(labels) == sorted(s.label for s in nuts.test) and labels not in (sorted(labels), sorted(labels)[::-1])
    numbered = [f"{number:04d}.png" for number in range(1, len(rows) + 1)]
    expected = {*numbered, "good_1.png", "good_2.png", "prompt.txt", "answers.csv"}
    assert {path.name for path in asked.iterdir()} == expected and [row["image"] for row in rows] == numbered
    for row in rows:
        shown, source = Image.open(asked / row["image"]), Image.open(nuts.root / row["source"]).convert("RGB")
        assert np.array_equal(np.asarray(shown), np.asarray(source)) and not shown.info
    told = (asked / "prompt.txt").read_text() + (asked / "answers.csv").read_text(encoding="utf-8")
    assert "a hexagonal nut" in told and "good_1.png, good_2.png" in told
    assert not any(kind in told for kind in {s.defect for s in nuts.test} - {"good"})


def test_the_shots_are_no_questions(asked, nuts):
    shown = {Image.open(asked / f"good_{number}.png").tobytes() for number in (1, 2)}
    test = {Image.open(s.path).convert("RGB").tobytes() for s in nuts.test}
    assert len(shown) == 2 and not shown & test


def test_a_sample_has_as_many_of_each_label(nuts, tmp_path):
    assert write_questions(nuts, tmp_path / "few", "nut", each=4) == 8
    labels = "".join(row["label"] for row in key(tmp_path / "few"))
    assert sorted(labels) == [*"00001111"] and labels not in ("00001111", "11110000")
    with pytest.raises(InputError, match="holds files already"):
        write_questions(nuts, tmp_path / "few", "nut")


def test_a_constant_answerer_is_worth_a_coin(asked, tmp_path):
    found = mark(asked, answer(tmp_path / "a.csv", {row["image"]: "no" for row in key(asked)}))
    assert found["image_auroc"] == 0.5 and found["values"] == 1
    assert found["recall"] == 0 and found["false_alarm_rate"] == 0 and found["precision"] is None


def test_random_answerers_are_worth_a_coin_on_average(asked, tmp_path):
    rng, rows, aurocs = np.random.default_rng(0), key(asked), []
    for _ in range(60):
        said = {row["image"]: int(value) for row, value in zip(rows, rng.integers(0, 101, len(rows)), strict=True)}
        aurocs.append(mark(asked, answer(tmp_path / "a.csv", said))["image_auroc"])
    assert abs(np.mean(aurocs) - 0.5) < 0.05 and np.std(aurocs) > 0.05


def test_one_who_knows_and_one_who_turns_it_round(asked, tmp_path):
    right = {row["image"]: ("yes" if row["label"] == "1" else " No ") for row in key(asked)}
    found = mark(asked, answer(tmp_path / "a.csv", right))
    assert found["image_auroc"] == found["accuracy"] == 1.0
    wrong = {name: 100 - 100 * (text == "yes") for name, text in right.items()}
    assert mark(asked, answer(tmp_path / "a.csv", wrong))["image_auroc"] == 0.0


def test_patchcore_answers_like_patchcore(asked, nuts, tmp_path):
    """The harness neither mixes up images nor changes their pixels."""
    detector = PatchCore(resize=96, coreset=0.25).fit([s.path for s in nuts.train_good])
    names = [row["image"] for row in key(asked)]
    scores = detector.predict([asked / name for name in names]).scores
    percent = 100 * (scores - scores.min()) / (scores.max() - scores.min())
    found = mark(asked, answer(tmp_path / "a.csv", dict(zip(names, percent, strict=True))))
    again = detector.predict([s.path for s in nuts.test]).scores
    direct = {nuts.relative(s): score for s, score in zip(nuts.test, again, strict=True)}
    assert np.allclose(scores, [direct[row["source"]] for row in key(asked)], rtol=1e-5)
    good, bad = ([s for s, row in zip(scores, key(asked), strict=True) if row["label"] == label] for label in "01")
    assert found["image_auroc"] == pytest.approx(np.mean([b > g for b in bad for g in good])) and found["values"] > 5


NAMES = ["0001.png", "0002.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,answer\n0001.png,5\n", r"has no answer for 0002\.png; add a line for each"),
        ("image,answer\n", r"has no answer for 0001\.png and 1 others"),
        ("image,answer\n0001.png,5\n0003.png,5\n", r"line 3: no image '0003\.png' was asked about"),
        ("image,answer\n0001.png,5\n0001.png,5\n", r"line 3: 0001\.png has an answer already"),
        ("image,answer\n0001.png,perhaps\n", r"line 2, 0001\.png: the answer is 'perhaps'; give yes, no or a number"),
        ("image,answer\n0001.png,101\n", "the answer is '101'"),
        ("image,answer\n0001.png,nan\n", "the answer is 'nan'"),
        ("image,answer\n0001.png,\n", "the answer is ''"),
        ("image,answer\n0001.png\n", "the answer is ''"),
        ("picture,answer\n0001.png,5\n", "has no column 'image'; its first line must name image and answer"),
        ("", "has no column 'image'"),
    ],
)
def test_bad_lines_get_one_sentence(text, message, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_answers(tmp_path / "a.csv", NAMES)
    assert "\n" not in str(caught.value)


def test_answers_of_a_spreadsheet(tmp_path):
    """A mark at the beginning, other columns, another order, blank lines."""
    (tmp_path / "a.csv").write_bytes("\ufeffNote,Image,Answer\r\nsharp,0002.png,YES\r\n\r\n,0001.png,12.5\r\n".encode())
    assert read_answers(tmp_path / "a.csv", NAMES).tolist() == [12.5, 100.0]


def test_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"image,answer\n\xff\xfe")
    for name in ("a.csv", "missing.csv"):
        with pytest.raises(InputError, match="Cannot read .* as a CSV file in UTF-8"):
            read_answers(tmp_path / name, NAMES)


def test_the_command(toy_root, tmp_path, capsys):
    out = tmp_path / "asked"
    assert main(["chat", "ask", "--data", str(toy_root), "--category", "weld", "--each", "2", "--out", str(out)]) == 0
    assert "4 images" in capsys.readouterr().out and "weld" in (out / "prompt.txt").read_text()
    answer(out / "answers.csv", {row["image"]: row["label"] for row in key(out)})
    assert main(["chat", "mark", str(out)]) == 0
    assert "image_auroc: 1\n" in capsys.readouterr().out
    answer(out / "answers.csv", {"0001.png": "maybe"})
    assert main(["chat", "mark", str(out)]) == 2 and "'maybe'" in capsys.readouterr().err
