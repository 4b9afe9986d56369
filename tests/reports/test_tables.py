"""Tables and curves of stored runs, and the page that holds them."""

import math
from dataclasses import replace

import pytest

from adlib.data import load_dataset
from adlib.errors import InputError
from adlib.experiments.execution import run
from adlib.experiments.planning import plan
from adlib.experiments.store import ResultStore, as_frame
from adlib.reports.page import write_report
from adlib.reports.tables import GROUP, learning_curves, summary, table
from helpers.made_up_results import result

SMALL = {"resize": 96}


@pytest.fixture(scope="module")
def weld(toy_root):
    return load_dataset(str(toy_root), "weld")


@pytest.fixture(scope="module")
def protocol(weld):
    return plan(weld, "patchcore", shots=4, options=SMALL | {"coreset": 100})


@pytest.fixture(scope="module")
def three_draws(weld, protocol, tmp_path_factory):
    store = ResultStore(tmp_path_factory.mktemp("draws"))
    for shots in (1, 4):
        for seed in range(3):
            run(replace(protocol, shots=shots, seed=seed), weld, store)
    return store


def curve(frame):
    """The values of the one curve."""
    (line,) = [line for line in learning_curves(frame).axes[0].lines if len(line.get_ydata()) == 2][:1]
    return list(line.get_ydata())


def test_table_is_mean_and_sample_deviation(three_draws):
    frame = as_frame(three_draws.results())
    values = frame[frame.shots == 4]["image_auroc"].tolist()
    mean = sum(values) / 3
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / 2)
    shown = table(frame)
    assert shown[shown.shots == 4]["image AUROC"].item() == f"{100 * mean:.1f} ± {100 * deviation:.1f}"
    assert shown["draws"].tolist() == [3, 3] and "AUPRO" in shown


def test_protocols_are_not_mixed(three_draws, weld, protocol):
    mixed = [*three_draws.results(), run(replace(protocol, options=protocol.options | {"resize": 64}), weld)]
    with pytest.raises(InputError, match=r"option\.resize"):
        summary(as_frame(mixed))


def test_a_copied_result_is_no_second_draw(three_draws):
    frame = as_frame([*three_draws.results(), *three_draws.results()])
    assert table(frame).equals(table(as_frame(three_draws.results())))


def test_one_seed_on_two_states_of_the_data_is_refused(three_draws, weld, protocol):
    grown = run(replace(protocol, seed=0, data_digest="0123456789"), weld)
    frame = as_frame([*three_draws.results(), grown])
    with pytest.raises(InputError, match="toy0? ?weld was run with seed 0 on 2 states of its data.*0123456789"):
        table(frame)
    assert table(frame, (*GROUP, "data_digest"))["draws"].tolist() == [3, 1, 3]


def other_content(result, content, row=None):
    """A made-up run on other contents: every image metric is 0."""
    metrics = dict.fromkeys(result.metrics, 0.0)
    return replace(
        result,
        protocol=replace(result.protocol, content_digest=content),
        row=result.row | {"metrics": metrics} | (row or {}),
    )


def test_a_row_of_unknown_content_gives_way_to_the_same_run_of_known_content(three_draws):
    newer = list(three_draws.results())
    older = [other_content(result, "") for result in newer]
    for mixed in ([*older, *newer], [*newer, *older], [*newer, *older[:2]]):
        assert table(as_frame(mixed)).equals(table(as_frame(newer)))
        assert curve(as_frame(mixed)) == curve(as_frame(newer))
    assert (summary(as_frame([*newer[3:], *older[:3]]))["image_auroc"]["mean"] == 0).any()  # nothing newer there


def test_a_row_that_names_its_content_beside_its_protocol_is_the_same_run(three_draws):
    newer = list(three_draws.results())
    packed = [other_content(result, "", {"content_digest": result.content_digest}) for result in newer]
    assert table(as_frame([*newer, *packed]))["draws"].tolist() == [3, 3]
    assert table(as_frame([*packed, *newer]))["draws"].tolist() == [3, 3]


def test_one_seed_on_two_contents_is_refused(three_draws):
    newer = list(three_draws.results())
    mixed = [*newer, other_content(newer[0], "0123456789"), other_content(newer[0], "")]
    contents = f"{newer[0].content_digest}, 0123456789"
    for shown in (table, learning_curves):
        with pytest.raises(InputError, match=rf"with seed 0 on 2 states of its data \(content_digest {contents}\)"):
            shown(as_frame(mixed))
    assert sorted(table(as_frame(mixed), (*GROUP, "content_digest"))["draws"]) == [1, 3, 3]


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="no results"):
        table(as_frame(ResultStore(tmp_path).results()))


def test_curve_shows_the_means(three_draws):
    frame = as_frame(three_draws.results())
    assert curve(frame) == pytest.approx(frame.groupby("shots")["image_auroc"].mean().tolist())


def test_report_is_one_self_contained_page(three_draws, weld, tmp_path):
    page = write_report(list(three_draws.results()), three_draws, tmp_path / "report.html", {"weld": weld})
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/") == 4  # the curve; histogram, worst mistakes and extremes of the one method
    assert 'src="http' not in text and 'href="http' not in text and str(tmp_path) not in text
    assert table(as_frame(three_draws.results()))["image AUROC"][0] in text


def test_metrics_that_no_run_has_are_not_available():
    """As with test images of one class: the table says so, also next to a category that has them."""
    missing = [result(category="b", value=None, shots=1, seed=seed) for seed in (0, 1)]
    shown = table(as_frame(missing))
    assert shown[["image AUROC", "pixel AUROC", "AUPRO"]].values.tolist() == [["n/a"] * 3]
    assert shown["draws"].tolist() == [2] and learning_curves(as_frame(missing)) is None
    frame = as_frame([*missing, result(category="a", value=0.9, shots=1)])
    shown = table(frame)
    assert "AUPRO" not in shown and shown["image AUROC"].tolist() == ["90.0", "n/a"]
    assert shown["draws"].tolist() == [1, 2]
    assert len(learning_curves(frame, ["image_auroc", "aupro"]).axes) == 1
