"""Images of one group (part, film, camera) are alike: they are split, held out and left out together."""

from dataclasses import replace

import pytest

from adlib.data import load_dataset
from adlib.data.check import check_folder
from adlib.detectors.registry import make_detector
from adlib.experiments.calibrate import calibrate, explain
from adlib.experiments.execution import run
from adlib.experiments.held_out import held_out_good
from adlib.experiments.planning import plan
from helpers.empty_files import names, refused, touch
from helpers.small_data_sets import picture
from helpers.small_runs import DINO, SMALL, paths


@pytest.fixture
def films(weld):
    """Twelve good images, three of each of four films."""
    named = {s.path: f"film{number // 3}" for number, s in enumerate(weld.train_good)}
    samples = tuple(replace(s, group=named.get(s.path, "")) for s in weld.samples)
    return replace(weld, samples=samples, group=r"(film\d)")


def test_held_out_images_are_of_other_groups(films):
    references = films.few_shot(4)  # of two films
    assert {s.group for s in held_out_good(films, references)} == {"film2", "film3"}
    validation = replace(films, samples=tuple(replace(s, split="validation") for s in films.train_good))
    assert {s.group for s in held_out_good(validation, references)} == {"film2", "film3"}
    found = calibrate(
        make_detector("patchcore", **SMALL, coreset=30).fit(paths(references)), films, references, 0.2, None
    )
    assert (found["group"], found["groups"], len(found["good_scores"])) == (r"(film\d)", 2, 6)


@pytest.mark.parametrize(("method", "options"), [("anomalydino", DINO), ("patchcore", SMALL | {"coreset": 30})])
def test_leave_one_out_leaves_a_group_out(films, method, options):
    """All films teach: a film is scored by what the others taught, although its own images are nearer."""
    references = films.few_shot(None)
    detector = make_detector(method, **options).fit(paths(references))
    found = calibrate(detector, films, references, 0.2, None)
    assert (found["method"], found["groups"]) == ("leave-one-out", 4)
    for film in (0, 3):
        others = paths([s for s in references if s.group != f"film{film}"])
        own = paths(references[3 * film : 3 * film + 3])
        expected = make_detector(method, **options).fit(others).predict(own).scores
        assert found["good_scores"][3 * film : 3 * film + 3] == pytest.approx(list(expected), rel=1e-5)


def test_one_group_sets_no_threshold(films):
    one = replace(films, samples=tuple(replace(s, group="film0" if s.label == 0 else "") for s in films.samples))
    row = run(plan(one, "patchcore", options=SMALL | {"coreset": 30}), one).row
    assert row["threshold"] is None and "one group only" in explain(row)[0]


def test_the_promise_names_the_groups(films):
    row = run(plan(films, "patchcore", shots=4, options=SMALL | {"coreset": 30}), films, false_alarms=0.2).row
    assert r"Held out by whole groups ((film\d)), 2 of them: it is about images of new groups" in explain(row, 0.2)[1]


def test_groups_of_a_folder_are_split_whole(tmp_path):
    files = [f"good/film{film}_{number}.png" for film in range(5) for number in range(4)]
    dataset = load_dataset(touch(tmp_path / "own", *files, "pore/x.png"), group="film[0-9]")
    sides = {side: {s.group for s in dataset.samples if s.split == side and not s.label} for side in ("train", "test")}
    assert len(sides["train"]) == 4 and len(sides["test"]) == 1 and not sides["train"] & sides["test"]
    assert (
        len({tuple(load_dataset(tmp_path / "own", split_seed=s, group="film[0-9]").train_good) for s in range(9)}) > 1
    )
    assert names(dataset, [s for s in dataset.test if s.label]) == ["pore/x.png"]


def test_a_group_that_finds_nothing_or_is_no_expression(tmp_path):
    root = touch(tmp_path / "own", "good/film1_0.png", "good/other.png")
    assert "finds nothing in good/other.png" in refused(root, group=r"film\d")
    assert "is not a regular expression" in refused(root, group="(")
    assert "no groups" in refused("toy", group="x")


@pytest.mark.parametrize(
    ("pattern", "words", "proposal"),
    [
        ("film{0}_{1}.png", "names of 4 groups (film0: 3, film1: 3, film2: 3, film3: 3)", "'([^/]+)[_ -][^/_ -]+$'"),
        ("day{0}/{0}{1}.png", "names of 4 groups (day0: 3,", "'([^/]+)/[^/]+$'"),
        ("{0}{1}.png", "", ""),
        ("film_{0}{1}.png", "", ""),
    ],
)
def test_check_proposes_groups_where_names_show_them(tmp_path, pattern, words, proposal):
    root = tmp_path / "own"
    for number in range(12):
        picture(root / "good" / pattern.format(number // 3, number % 3))
    text = str(check_folder(root))
    assert (words in text and f"--group {proposal}" in text) if words else "--group" not in text
    if words:
        expression = proposal.strip("'")
        report = check_folder(root, group=expression)
        assert "12 good training images in 4 groups" in str(report) and f"--group {proposal}" in report.command
