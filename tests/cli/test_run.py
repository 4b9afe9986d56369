"""`adlib run` and `adlib report` on damaged pictures and bad arguments: one sentence, and nothing is stored."""

import shlex
from pathlib import Path

import pytest

from adlib.cli import main
from adlib.detectors.anomalydino import OFFICIAL
from adlib.errors import InputError
from adlib.experiments.store import ResultStore
from helpers.bad_files import CANNOT_BE_READ, SMALL, in_short, name_of, one_sentence, place, refused


@pytest.mark.parametrize("case", CANNOT_BE_READ, ids=name_of)
def test_a_picture_among_the_references(call, data, case):
    for path in sorted((data / "weld/train/good").iterdir())[1:]:
        path.unlink()
    place(data / "weld/train/good", case)
    code, _, err = call("run", "--data", data, "--category", "weld", *SMALL)
    sentence = one_sentence(code, err)
    assert case[0] in sentence and case[2] in sentence
    assert not list(Path("runs").rglob("*.json"))


RUN = ("run", "--data", "TOY", "--category", "weld", "--resolution", "48")
ARGUMENTS = [
    ((*RUN, "--shots", "0"), "0 shots"),
    ((*RUN, "--shots", "-1"), "at least 0"),
    ((*RUN, "--shots", "13"), "12 good training images"),
    ((*RUN, "--seed", "-1", "--shots", "1"), "seed must be a whole number"),
    ((*RUN, "--split-seed", "-1", "--shots", "1"), "split_seed must be a whole number"),
    ((*RUN, "--split-seed", "3", "--shots", "1"), "has a split of its own"),
    (
        ("run", "--data", "elpv", "--category", "mono", "--split-seed", "3", "--shots", "1"),
        "elpv has a split of its own",
    ),
    ((*RUN, "--shots", "5", "--seed", "2"), "need 15"),
    (("run", "--data", "TOY", "--category", "Weld"), "no category 'Weld'"),
    (("run", "--data", "TOY"), "choose one"),
    (("run", "--data", "missing"), "no folder"),
    (("run", "--data", "MODEL"), "is a file"),
    (("run", "--data", "TOY", "--layout", "imagenet"), "'imagenet'"),
    ((*RUN, "--method", "patchcor"), "invalid choice: 'patchcor' (choose from"),
    ((*RUN, "--backbone", "dino"), "'dino'"),
    ((*RUN, "--weights", "MISSING.pth"), "MISSING.pth"),
    ((*RUN, "--weights", "TEXT"), "text.txt"),
    ((*RUN, "--device", "toaster"), "toaster"),
    ((*RUN, "--false-alarms", "0"), "between 0 and 1"),
    ((*RUN, "--false-alarms", "5"), "between 0 and 1"),
    ((*RUN, "--false-alarms", "nan"), "between 0 and 1"),
    ((*RUN, "--resolution", "8"), "at least 16"),
    ((*RUN, "--preprocess", "some"), "'some'"),
    ((*RUN, "--selection", "some"), "'some'"),
    ((*RUN, "--map-frame", "screen"), "'screen'"),
    ((*RUN, "--official", "--method", "padim"), "patchcore or anomalydino, and padim has none"),
    ((*RUN, "--set", "coresett=1"), "'coresett'"),
    ((*RUN, "--set", "coreset"), "NAME=VALUE"),
    ((*RUN, "--set", "=1"), "NAME=VALUE"),
    ((*RUN, "--set", "coreset=1", "--set", "coreset=2"), "coreset twice"),
    ((*RUN, "--set", "seed=1"), "seed is no option of a method"),
    ((*RUN, "--set", "backbone=resnet18"), "--backbone"),
    ((*RUN, "--set", "window=[9,1]", "--shots", "1"), "low < high"),
    ((*RUN, "--set", 'layers=["blocks9"]', "--shots", "1"), "'blocks9'"),
    ((*RUN, "--set", "coreset=many"), "coreset of patchcore must be a number, not 'many'"),
    ((*RUN, "--set", "coreset=true"), "must be a number, not True"),
    ((*RUN, "--set", "sigma=NaN"), "must be a number, not nan"),
    ((*RUN, "--set", "crop=big"), "must be a whole number or null, not 'big'"),
    ((*RUN, "--set", "window=5"), "must be [a number, a number] or null, not 5"),
    ((*RUN, "--set", "window=[1,2,3]"), "must be [a number, a number] or null"),
    ((*RUN, "--set", "layers=blocks3"), "must be [text, ...] or null, not 'blocks3'"),
    ((*RUN, "--set", "rotate=1", "--method", "anomalydino"), "must be true or false, not 1"),
    ((*RUN, "--set", "neighbourhood=2", "--shots", "1"), "odd"),
    ((*RUN, "--set", "coreset=0", "--shots", "1"), "at least one patch"),
    ((*RUN, "--shots", "1", "--results", "TEXT"), "text.txt"),
    (("report", "missing"), "no folder"),
    (("report", "EMPTY"), "no results"),
    (("report", "TOY/weld/test"), "no folder"),
    (("report", "EMPTY", "--out", "x.html"), "only with --paper"),
]


@pytest.mark.parametrize(("arguments", "words"), ARGUMENTS, ids=in_short)
def test_arguments(call, places, arguments, words):
    refused(call, places, arguments, words)


def test_unknown_options_are_refused(call):
    code, _, err = call("run", "--data", "toy", "--shotz", "1")
    assert code == 2 and "--shotz" in err


def test_the_traceback_is_there_for_who_asks(call):
    with pytest.raises(InputError):
        main(["--debug", "run", "--data", "missing"])


def test_good_images_alone_can_be_learned_from(call, data, tmp_path):
    """A folder without a defect: nothing can be measured, but a detector can be fitted, saved and used."""
    good = data / "weld/train/good"
    code, out, _ = call("check", good)
    assert code == 1 and "not evaluated: good has no good or defective test images" in out
    command = shlex.split(out.splitlines()[-1])
    assert command == ["adlib", "run", "--data", str(good), "--category", "good", "--save", "good.safetensors"]
    less = ("--resolution", "48", "--shots", "3", "--false-alarms", "0.2", "--set", "coreset=20")
    code, _, err = call(*command[1:-2], *less)
    assert "no test images" in one_sentence(code, err)
    code, out, err = call(*command[1:], *less)
    assert code == 0 and "without metrics" in out and "Threshold" in out and "accuracy" not in out, err
    assert not list(Path("runs").rglob("*.json"))
    code, out, _ = call("predict", "good.safetensors", data / "weld/test", "--out", "scored")
    assert code == 0 and "18 images scored" in out and "called defective" in out
    code, _, err = call(*command[1:], *less[:2], "--shots", "0")
    assert "at least 1" in one_sentence(code, err)


def test_anomalydino_runs_with_the_switches_of_its_official_code(call, toy_root):
    code, _, err = call(
        *RUN[:2],
        toy_root,
        *RUN[3:],
        "--method",
        "anomalydino",
        "--official",
        "--shots",
        "1",
        "--set",
        "stretch_maps=false",
    )
    assert code == 0, err
    (result,) = ResultStore("runs").results()
    options = result.protocol.options
    assert {name: options[name] for name in OFFICIAL} == OFFICIAL | {"stretch_maps": False}
