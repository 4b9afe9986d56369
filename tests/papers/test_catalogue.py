"""The published numbers: complete, with source and reading, their settings read right."""

from importlib.resources import files

import pytest

from adlib.detectors.anomalydino import OFFICIAL
from adlib.errors import InputError
from adlib.papers.catalogue import ENSEMBLE, published, setting


def test_the_packaged_numbers_are_all_there_are(shared):
    packaged = files("adlib.papers").joinpath("published.csv").read_bytes()
    assert packaged == (shared / "published/published.csv").read_bytes()


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
    assert len(table) == 1000 and not table[["source", "how_read"]].eq("").any().any()
    assert published(method="PatchCore", dataset="mtd", variant="10%")["value"].item() == 97.9
    with pytest.raises(InputError, match="'colour'"):
        published(colour="red")
