"""The layout of VisA."""

import os
from pathlib import Path

import pytest

from adlib.data import load_dataset
from helpers.empty_files import names, refused, touch


def visa(root: Path, rows: list[str], start: str = "object,split,label,image,mask\n") -> Path:
    touch(root, "split_csv/1cls.csv")
    (root / "split_csv/1cls.csv").write_text(start + "\n".join(rows) + "\n", encoding="utf-8")
    return root


VISA = [
    "candle,train,normal,candle/Data/Images/Normal/0.JPG,",
    "candle,test,normal,candle/Data/Images/Normal/1.JPG,",
    "candle,test,anomaly,candle/Data/Images/Anomaly/0.JPG,candle/Data/Masks/Anomaly/0.png",
    "pcb1,train,normal,pcb1/Data/Images/Normal/0.JPG,",
]


def test_visa(tmp_path):
    root = visa(tmp_path / "VisA", VISA)
    touch(
        root, *(name for row in VISA for name in row.split(",")[3:] if name), "candle/Data/Images/Normal/unlisted.JPG"
    )
    dataset = load_dataset(root)
    assert (dataset.layout, dataset.categories, dataset.name) == ("visa", ("candle", "pcb1"), "VisA")
    candle = load_dataset(root / "candle")
    assert candle == dataset.category("candle") == load_dataset(root, "candle")
    assert names(candle, candle.train_good) == ["candle/Data/Images/Normal/0.JPG"]
    assert [(s.label, s.defect) for s in candle.test] == [(1, "anomaly"), (0, "good")]
    assert candle.test[0].mask == root / "candle/Data/Masks/Anomaly/0.png" and candle.has_masks
    visa(root, VISA, start="\ufeffobject,split,label,image,mask\n")  # as spreadsheets save it
    assert load_dataset(root) == dataset


@pytest.mark.parametrize(
    "table",
    [
        [row.replace("/", "\\") for row in VISA],  # backslashes
        [row.replace(",", ";") for row in VISA],  # a spreadsheet in German
        [row.replace(",", "\t") for row in VISA],
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_split_file_saved_by_other_programs(tmp_path, table, mark):
    root = visa(tmp_path / "VisA", VISA)
    touch(root, *(name for row in VISA for name in row.split(",")[3:] if name))
    dataset = load_dataset(root)
    sign = next(sign for sign in ",;\t" if sign in table[0])
    visa(root, table, start=mark + "object,split,label,image,mask\n".replace(",", sign))
    assert load_dataset(root) == dataset and dataset.has_masks
    visa(root, [table[0].replace("0.JPG", "gone.JPG")], start="object,split,label,image,mask\n".replace(",", sign))
    assert "row 2" in refused(root) and "gone.JPG" in refused(root)


def test_visa_refuses(tmp_path):
    root = visa(tmp_path / "VisA", VISA)
    assert "row 2" in refused(root) and "candle/Data/Images/Normal/0.JPG" in refused(root)
    touch(root, *(name for row in VISA for name in row.split(",")[3:] if name))
    assert "candle, pcb1" in refused(root, "nut")
    for row in (
        "candle,train,normal,../secret.png,",
        f"candle,train,normal,{root}/../x.png,",
        "candle,train,normal,,",
        "candle,train",
    ):
        touch(tmp_path, "secret.png", "x.png")
        assert "row 6" in refused(visa(root, [*VISA, row]))
    assert "'odd'" in refused(visa(root, [*VISA, "candle,odd,normal,candle/Data/Images/Normal/0.JPG,"]))
    assert "pcb2" in refused(visa(root, [*VISA, "pcb2,test,normal,candle/Data/Images/Normal/0.JPG,"]))
    assert "'mask'" in refused(visa(root, [], start="object,split,label,image\n"))
    assert "'object'" in refused(visa(root, [], start=""))
    assert "no images" in refused(visa(root, []))
    (root / "split_csv/1cls.csv").write_bytes(b"\xff\xfe\x00")
    assert "1cls.csv" in refused(root)
    os.unlink(root / "split_csv/1cls.csv")
    assert "split_csv" in refused(root, layout="visa")
    assert "split_csv" in refused(root / "candle")
