"""The published numbers: complete, with source and reading, their settings read right."""

import csv
from importlib.resources import files
from pathlib import Path

import pytest

from adlib.detectors.anomalydino import OFFICIAL
from adlib.errors import InputError
from adlib.papers.catalogue import ENSEMBLE, published, setting

# Numbers that two files give: the one with the better reading is kept.
TWICE = [
    {"method": "MuSc", "dataset": "mvtec", "metric": "image_auroc", "value": "97.8"},
    {"method": "CutPaste 3-way", "metric": "image_auroc"},
    {"method": "SoftPatch, 10% noise"},
    *({"method": "PatchCore", "variant": f"{rate}% noisy training images, unprotected"} for rate in (5, 10, 15, 20)),
]
RENAMED = {"method": "CutPaste 3-way", "metric": "pixel_auroc"}  # now the variant 3-way of CutPaste


def gathered(folder: Path) -> list[dict[str, str]]:
    """The rows of both files of published numbers, without those that are derived."""
    rows = []
    for name in ("published.csv", "published_more.csv"):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            rows += [row for row in csv.DictReader(file) if row["how_read"] != "derived"]
    return rows


def is_one_of(row: dict[str, str], patterns: list[dict[str, str]]) -> bool:
    return any(pattern.items() <= row.items() for pattern in patterns)


def test_the_packaged_numbers_are_all_there_are(shared):
    expected = [row for row in gathered(shared / "published") if not is_one_of(row, TWICE)]
    assert len(expected) == 1000 + 111 - 8
    for row in expected:
        row["shots"] = row["shots"] or "full"
        if is_one_of(row, [RENAMED]):
            row |= {"method": "CutPaste", "variant": "3-way"}
    text = files("adlib.papers").joinpath("published.csv").read_text(encoding="utf-8")
    packaged = list(csv.DictReader(text.splitlines()))
    assert sorted(packaged, key=str) == sorted(expected, key=str)


def test_no_number_is_packaged_twice():
    table = published()
    key = ["method", "variant", "dataset", "category", "shots", "metric", "source"]
    assert not table.duplicated(key).any()
    of_noise = table[(table["method"] == "PatchCore") & table["variant"].str.contains("10% noisy")]
    assert of_noise.groupby("metric").size().to_dict() == {"aupro": 1, "image_auroc": 1, "pixel_auroc": 1}
    assert set(published(method="SoftPatch", category="mean")["value"]) == {98.65, 98.05}
    assert published(method="MuSc", dataset="mvtec", category="mean", metric="image_auroc")["value"].item() == 97.77


def test_shots_are_all_or_a_number():
    table = published()
    assert (table["shots"].eq("full") | table["shots"].str.fullmatch(r"\d+")).all()
    assert published(method="RegAD", shots="2", category="mean", variant="paper")["value"].item() == 85.7
    assert published(method="DevNet", variant="10 labelled defects")["shots"].item() == "full"


def test_runs_by_others_are_named():
    assert setting("PatchCore", "IM-IAD").run_by.startswith("run by IM-IAD's authors")
    noisy = setting("PatchCore", "IM-IAD, 5% noisy training images")
    assert noisy.note == "trained on 5% noisy training images"
    assert setting("PatchCore", "wide_resnet50_2 25%").run_by == ""


def test_the_official_names_are_read_right():
    s = setting("PatchCore", "official IM320_WR50_L2-3_P001_D1024-1024_PS-5_AN-3")
    assert (s.backbone, s.map_frame, s.note) == ("wide_resnet50_2", "network", "")
    assert {
        "resize": 366,
        "crop": 320,
        "coreset": 0.01,
        "neighbourhood": 5,
        "neighbours": 3,
    }.items() <= s.options.items()
    s = setting("PatchCore", "official IM224_WR50_L2-3_P01_D1024-1024_PS-3_AN-1")
    assert {"resize": 256, "crop": 224, "coreset": 0.1, "neighbours": 1}.items() <= s.options.items()
    assert setting("PatchCore", "official IM224_Ensemble_L2-3_P001_D1024-384_PS-3_AN-1").backbone == ENSEMBLE
    s = setting("PatchCore", "wide_resnet101_2 layers 2+3 280px 1%")
    assert s.backbone == "wide_resnet101_2" and s.options["crop"] == 280 and "resize" not in s.options
    assert setting("AnomalyDINO", "dinov2_vits14 672px agnostic").options["resize"] == 672
    for variant in published(method="AnomalyDINO")["variant"].unique():
        assert OFFICIAL.items() <= setting("AnomalyDINO", variant).options.items()
    with pytest.raises(InputError, match="PaDiM"):
        setting("PaDiM", "")


def test_published_numbers_have_source_and_reading():
    table = published()
    assert len(table) == 1103 and not table[["source", "how_read"]].eq("").any().any()
    assert published(method="PatchCore", dataset="mtd", variant="10%")["value"].item() == 97.9
    with pytest.raises(InputError, match="'colour'"):
        published(colour="red")
