"""Ours beside theirs: what is set against what, and that no difference of protocol goes unsaid."""

import re

import pandas as pd
import pytest

from adlib.data.fetch import mvtec
from adlib.detectors import anomalydino
from adlib.detectors.patchcore import OFFICIAL
from adlib.experiments.store import ResultStore
from adlib.papers.catalogue import CATEGORIES, published, setting
from adlib.papers.compare import NAMES, PAPERS, comparison, own_rows
from adlib.papers.page import as_markdown
from adlib.papers.setups import setups
from adlib.papers.wording import differences
from helpers.made_up_results import EXACT, result
from helpers.places import ROOT

RESULTS = ROOT / "results"
ALL = tuple(mvtec.PUBLISHED)
DINO = {"rotate": True, "mask": "test", "resize": 448, **anomalydino.OFFICIAL}


def row_of(frame: pd.DataFrame, **where) -> pd.Series:
    """The only row of a frame with these values."""
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


MEAN = {"variant": "wide_resnet50_2 224px 25%", "category": "mean", "metric": "image_auroc"}


def test_every_published_number_has_a_row_and_its_reading():
    for paper, method in PAPERS.items():
        frame = comparison(paper, [])
        numbers = pd.concat([published(method=name) for name in NAMES.get(paper, [method])]).sort_index()
        assert list(frame["published"]) == list(numbers["value"]) and (frame["status"] == "not run").all()
        text = as_markdown(paper, [])
        assert text.count("not run") == len(numbers) + 1  # the introduction says the word as well
        assert all(how in text for how in numbers["how_read"].unique())
        assert "No run of this method is stored here." in text


def test_fifteen_categories_under_the_papers_protocol_stand_like_for_like():
    runs = [result(name, value=0.9 + i / 1000, **EXACT) for i, name in enumerate(ALL)]
    row = row_of(comparison("patchcore", runs), **MEAN)
    assert row["like_for_like"] and row["differs"] == "" and row["status"] == "run"
    assert row["ours"] == pytest.approx(90.7) and row["difference"] == pytest.approx(90.7 - 99.1)
    assert CATEGORIES == {"mvtec": len(ALL), "visa": 12, "mvtec_3d": 10}
    text = as_markdown("patchcore", runs)
    assert "| -8.4 " in text and "(a) WideResNet-50-2, 256 px, crop 224, official pooling" in text
    assert "score from the highest patch: the same\n" in text


@pytest.mark.parametrize("count", [1, 14])
def test_a_part_of_the_categories_is_never_set_against_the_mean_without_a_word(count):
    runs = [result(name, **EXACT) for name in ALL[:count]]
    frame = comparison("patchcore", runs)
    row = row_of(frame, **MEAN)
    start = "ONE category of 15 (bottle)" if count == 1 else "14 categories of 15 (bottle, cable, "
    assert row["differs"].startswith(start) and not row["like_for_like"]
    lines = [line for line in as_markdown("patchcore", runs).splitlines() if re.match(r"\| mvtec +\| mean ", line)]
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    compared = [cell[7] for cell in cells if cell[7]]
    assert compared and all(re.fullmatch(r"\([+-]\d+\.\d\)", cell) for cell in compared)
    # a category's own number is no mean: there the difference stands free
    own = row_of(frame, variant="wide_resnet50_2 224px 1%", category="bottle", metric="image_auroc")
    assert own["like_for_like"] and own["differs"] == "coreset 25% instead of 1%"


def test_each_difference_of_protocol_is_said():
    odd = {
        "resize": 320,
        "coreset": 0.01,
        "reweight": 9,
        "neighbourhood": 5,
        "neighbours": 2,
        "top_share": 0.01,
        "sigma": 2.0,
        "aspect": "square",
        "layers": ["blocks2"],
    }
    run = result(backbone="efficientnet_lite0", ending="jpg", options=odd)
    (setup,) = setups([run], "patchcore")
    theirs = setting("PatchCore", "wide_resnet50_2 224px 25%")
    assert set(differences(setup, theirs, "pixel_auroc")) == {
        "EfficientNet-Lite0 instead of WideResNet-50-2",
        "layers blocks2",
        "both sides resized instead of the shorter side",
        "resized to 320 px instead of 256",
        "no crop instead of crop 224",
        "plain mean of a window instead of the code's two adaptive poolings",
        "Euclidean distances instead of squared distances",
        "eq. 7 with b = 9 instead of off",
        "coreset 1% instead of 25%",
        "exact greedy coreset instead of approximate greedy",
        "window 5 x 5 instead of 3 x 3",
        "2 nearest neighbours instead of 1",
        "image score from the highest 1% of patches instead of the highest patch",
        "sigma 2 instead of 4",
        "maps compared in original pixels instead of in the network's crop",
        "JPEG copies instead of the distributed PNG files",
    }
    assert not any("maps" in word for word in differences(setup, theirs, "image_auroc"))
    (full,) = setups(
        [result(**EXACT | {"options": {**OFFICIAL, "coreset": 1.0, "coreset_method": "greedy"}})], "patchcore"
    )
    assert differences(full, theirs, "image_auroc") == ["coreset 100% instead of 25%"]  # all of them: no method


def test_the_nearest_protocol_stands_beside_and_the_others_are_counted():
    far = result(backbone="resnet18", value=0.99, options={})
    near = result(value=0.98, **EXACT)
    row = row_of(comparison("patchcore", [far, near]), **MEAN)
    assert row["ours"] == pytest.approx(98) and row["others"] == 1 and row["run"] == near.protocol.title
    more = [result(name, backbone="resnet18", value=0.97) for name in ALL[:2]]
    assert row_of(comparison("patchcore", [near, *more]), **MEAN)["ours"] == pytest.approx(97)  # coverage comes first
    kin, stranger = (result(backbone=name, value=0.5) for name in ("resnet18", "efficientnet_lite0"))
    assert "ResNet-18" in row_of(comparison("patchcore", [kin, stranger]), **MEAN)["differs"]


def test_our_best_stands_beside_the_nearest():
    near = [result(name, value=0.98, **EXACT) for name in ALL[:2]]
    far = [result(name, value=value, options={"resize": 320}) for name, value in zip(ALL[:2], (0.99, 1.0), strict=True)]
    row = row_of(comparison("patchcore", [*near, *far]), **MEAN)
    assert (row["ours"], row["best"]) == (pytest.approx(98), pytest.approx(99.5))
    assert row["best_difference"] == pytest.approx(99.5 - 99.1) and row["best_draws"] == 1
    assert row["best_run"] == far[0].protocol.title and row["best_protocol"].startswith(
        "WideResNet-50-2, 320 px, no crop"
    )
    assert row["best_differs"].startswith("2 categories of 15") and "320 px instead of 256" in row["best_differs"]
    assert "| (+0.4) " in as_markdown("patchcore", [*near, *far])


def test_where_the_nearest_is_the_best_it_stands_alone():
    near, equal = result(value=1.0, **EXACT), result(value=1.0, options={"resize": 320})
    row = row_of(comparison("patchcore", [near, equal]), **MEAN)
    assert row["ours"] == 100 and pd.isna(row["best"]) and pd.isna(row["best_difference"])
    assert (row["best_draws"], row["best_protocol"], row["best_differs"], row["best_run"]) == (0, "", "", "")


def test_the_best_is_of_the_same_categories():
    near = [result(name, value=0.9, **EXACT) for name in ALL[:2]]
    easier = result("bottle", value=1.0, options={"resize": 320})  # alone it is no mean of two
    row = row_of(comparison("patchcore", [*near, easier]), **MEAN)
    assert row["ours"] == pytest.approx(90) and pd.isna(row["best"])
    own = {"variant": "wide_resnet50_2 224px 1%", "category": "bottle", "metric": "image_auroc"}
    assert row_of(comparison("patchcore", [*near, easier]), **own)["best"] == 100


def test_the_best_seconds_are_the_fewest():
    near, far = (result(value=0.9, **EXACT), result(value=0.9, options={"resize": 320}))
    near.row["timings"]["predict_s_per_image"], far.row["timings"]["predict_s_per_image"] = 0.5, 0.2
    row = row_of(comparison("patchcore", [near, far]), variant="10%", metric="seconds_per_image")
    assert (row["ours"], row["best"]) == (0.5, 0.2)


def test_three_published_numbers_of_one_cell_name_their_protocols():
    """'PatchCore, 1 shot, MVTec AD' is published as 61.9, 83.4 and 84.1."""
    frame = comparison("patchcore", [])
    frame = frame[(frame["dataset"] == "mvtec") & (frame["shots"] == "1") & (frame["metric"] == "image_auroc")]
    assert dict(zip(frame["published"], frame["protocol"], strict=True)) == {
        61.9: "run by IM-IAD's authors, whose early code keeps 0.1% of the patches (of one image, one patch); "
        "the settings of this number are not stated",
        83.4: "run by WinCLIP's authors on their own draws of the references; other settings are not stated",
        84.1: "run by the method's authors, WideResNet-50-2, coreset 25%",
    }


def test_of_other_data_it_is_said_what_ours_is():
    run = result("mtd", dataset="mtd", backbone="resnet18")
    row = row_of(comparison("patchcore", [run]), variant="IM-IAD", dataset="mtd")
    assert row["differs"].endswith("not stated; ours: ResNet-18 at 256 px; another split, since none is published")
    assert row["like_for_like"]


def test_what_was_not_measured_and_not_run_is_told_apart():
    frame = comparison("patchcore", [result(**EXACT)])
    official = "official IM224_WR50_L2-3_P01_D1024-1024_PS-3_AN-1"
    assert row_of(frame, variant=official, category="bottle", metric="aupro")["status"] == "not measured"
    assert row_of(frame, variant=official, category="screw", metric="image_auroc")["status"] == "not run"
    seconds = row_of(frame, variant="10%", metric="seconds_per_image")
    assert seconds["ours"] == 0.5 and pd.isna(seconds["difference"]) and "another machine" in seconds["differs"]
    assert row_of(frame, variant="wide_resnet50_2 25%", shots="1", metric="image_auroc")["status"] == "not run"


@pytest.mark.parametrize("content", [f"{number:010x}" for number in range(8)])  # either title may come last
def test_of_a_run_that_was_done_again_the_row_that_names_its_content_counts(content):
    runs = [result(value=0.5, **EXACT), result(value=0.9, content_digest=content, **EXACT)]
    shown = row_of(comparison("patchcore", runs), **MEAN)
    assert (shown["ours"], shown["draws"]) == (90, 1)


def test_spread_is_over_draws_that_hold_every_category():
    common = {"method": "anomalydino", "backbone": "dinov2_vits14", "shots": 1, "options": DINO}
    runs = [result(name, value=0.9 + 0.01 * seed, seed=seed, **common) for name in ALL for seed in (0, 1, 2)]
    lone = result("bottle", value=0.1, seed=3, **common)  # a draw of one category is none of fifteen
    frame = comparison("anomalydino", [*runs, lone])
    where = {"variant": "dinov2_vits14 448px agnostic", "dataset": "mvtec", "shots": "1", "metric": "image_auroc"}
    row = row_of(frame, **where)
    assert (row["ours"], row["ours_spread"], row["draws"]) == (pytest.approx(91), pytest.approx(1), 3)
    assert row["differs"] == "" and row["spread"] == 0.4
    assert "91.0 ± 1.0 (3 draws)" in as_markdown("anomalydino", runs)
    drawn = [result(shots=1, method="anomalydino", backbone="dinov2_vits14", selection="random", options=DINO)]
    assert "at random" in row_of(comparison("anomalydino", drawn), **where)["differs"]


def test_turning_only_where_parts_lie_turned_is_one_protocol():
    def run(category, rotate):
        return result(category, method="anomalydino", backbone="dinov2_vits14", options=DINO | {"rotate": rotate})

    (some,) = setups([run("bottle", False), run("screw", True), run("hazelnut", True)], "anomalydino")
    assert some.turned == "some" and some.categories == ("bottle", "hazelnut", "screw")
    assert differences(some, setting("AnomalyDINO", "dinov2_vits14 448px agnostic"), "image_auroc") == [
        "references not rotated in every category"
    ]
    (everywhere,) = setups([run("bottle", True), run("screw", True)], "anomalydino")
    assert everywhere.turned == "all"


ROTATION = "references turned about the centre instead of half a pixel beside it"
MASK = "mask grown on the patch grid instead of along its rows"
MAPS = "maps laid over what the network saw instead of the whole image"
BATCH = "the nearest patch of the batch instead of the closest 0.1% of patches"
OURS = {"rotate": True, "mask": "test", "resize": 448}


@pytest.mark.parametrize(
    ("options", "shots", "dataset", "metric", "said"),
    [
        ({}, 4, "visa", "pixel_auroc", [MASK, ROTATION, MAPS]),
        ({}, 4, "visa", "image_auroc", [MASK, ROTATION]),
        ({}, 0, "visa", "image_auroc", [MASK, ROTATION, BATCH]),
        ({}, 4, "mvtec", "pixel_auroc", [MASK, ROTATION]),  # square images of 32 x 32 patches: nothing is cut
        ({"resize": 450}, 4, "mvtec", "pixel_auroc", [MASK, ROTATION, MAPS]),
        ({"rotate": False}, 4, "visa", "image_auroc", [MASK]),
        ({"mask": "never"}, 4, "visa", "image_auroc", [ROTATION]),
        (anomalydino.OFFICIAL, 0, "visa", "pixel_auroc", []),
        ({"mask_growth": "column"}, 4, "visa", "pixel_auroc", [ROTATION, MAPS]),
    ],
)
def test_of_the_switches_those_are_said_that_affect_the_metric(options, shots, dataset, metric, said):
    given = {"method": "anomalydino", "backbone": "dinov2_vits14", "dataset": dataset, "shots": shots}
    setup = setups([result("screw", options=OURS | options, **given)], "anomalydino")[0]
    words = differences(setup, setting("AnomalyDINO", "dinov2_vits14 448px agnostic"), metric)
    switches = {ROTATION, MASK, MAPS, BATCH}
    assert sorted(word for word in words if word in switches) == sorted(said)


def test_maps_of_a_network_without_patches_are_never_cut():
    given = {"method": "anomalydino", "backbone": "resnet18", "dataset": "visa"}
    (setup,) = setups([result("candle", options=OURS, **given)], "anomalydino")
    assert MAPS not in differences(setup, setting("AnomalyDINO", "dinov2_vits14 448px agnostic"), "aupro")
    assert setup.protocol.map_frame == "original"


def test_a_rotated_run_is_nearer_than_a_run_without_rotation():
    given = {"method": "anomalydino", "backbone": "dinov2_vits14", "shots": 1}
    runs = [result(options=OURS | {"rotate": turn}, value=0.8 + 0.1 * turn, **given) for turn in (False, True)]
    more = result(options=OURS | {"rotate": False}, value=0.8, seed=1, **given)  # more seeds decide only after that
    where = {"variant": "dinov2_vits14 448px agnostic", "dataset": "mvtec", "shots": "1", "metric": "image_auroc"}
    row = row_of(comparison("anomalydino", [*runs, more]), **where)
    assert row["ours"] == pytest.approx(90) and ROTATION in row["differs"]


def test_our_rows_name_the_switches_that_are_on():
    given = {"method": "anomalydino", "backbone": "dinov2_vits14"}
    (plain, switched) = (
        own_rows("anomalydino", [result(options=OURS | options, **given)])["protocol"].item()
        for options in ({}, anomalydino.OFFICIAL)
    )
    words = ["turned half a pixel beside the centre", "mask grown along rows"]
    words += ["batch: the closest 0.1% of patches", "maps over the whole image"]
    assert all(word in switched and word not in plain for word in words)


def _what(result):
    """What was run, without the name that the row got when it was stored."""
    return str(result.protocol.as_dict() | {"content_digest": ""})


WINCLIP = {"method": "winclip", "backbone": "clip_vitb16_plus_240", "selection": "random"}


def test_winclip_has_its_numbers_at_0_shots_and_at_more():
    named = {name: {"object_name": name.replace("_", " ")} for name in ALL}  # one protocol, in words of each category
    runs = [result(name, value=0.9, shots=n, options=named[name], **WINCLIP) for name in ALL for n in (0, 1)]
    frame = comparison("winclip", runs)
    zero = row_of(frame, dataset="mvtec", shots="0", metric="image_auroc")
    assert (zero["published"], zero["differs"], zero["like_for_like"]) == (91.8, "", True)
    few = row_of(frame, dataset="mvtec", shots="1", metric="aupro")
    assert (few["variant"], few["published"], few["status"]) == ("(WinCLIP+) WinCLIP protocol", 87.1, "not measured")
    text = as_markdown("winclip", runs)
    assert "(a) CLIP ViT-B/16+ (LAION-400M), 240 px, temperature 0.01, square sides: the same\n" in text
    assert "## WinCLIP (WinCLIP+) WinCLIP protocol on mvtec\n" in text
    sliced = result(shots=1, **WINCLIP | {"selection": "slice"})
    assert "references sampled at random" not in text
    assert "in slices" in row_of(comparison("winclip", [sliced]), shots="1", metric="image_auroc")["differs"]


@pytest.mark.slow
def test_the_committed_rows_all_appear():
    results = list(ResultStore(RESULTS).results())
    for method in PAPERS:
        kept = {_what(r): r for setup in setups(results, method) for r in setup.runs}
        for row in (r for r in results if r.protocol.method == method):  # a run in two folders has one set of values
            assert {n: v for n, v in kept[_what(row)].metrics.items() if v is not None} == pytest.approx(
                {n: v for n, v in row.metrics.items() if v is not None}, abs=1e-9
            )
    frame = comparison("patchcore", results)
    assert not frame.loc[(frame["category"] == "mean") & (frame["dataset"] == "mvtec"), "like_for_like"].any()
    assert len(own_rows("patchcore", results)) == len(setups(results, "patchcore"))
    tiles = row_of(frame, variant="10%", dataset="mtd")
    assert tiles["ours"] == pytest.approx(94.3, abs=0.05) and tiles["best"] == pytest.approx(97.4, abs=0.05)
    assert "coreset" not in tiles["differs"]  # the nearest run has the row's bank of 10%
