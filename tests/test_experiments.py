"""Protocol, store, run, parameters of notebooks: one row in, the same row out, nothing unknown let through."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from adlib.data import load_dataset
from adlib.detectors.patchcore import OFFICIAL
from adlib.detectors.registry import DETECTORS, make_detector
from adlib.errors import InputError
from adlib.evaluation import image_metrics, pixel_metrics
from adlib.experiments.choices import Choices
from adlib.experiments.execution import run
from adlib.experiments.notebook import check_parameters, declared_names
from adlib.experiments.planning import build, data_digest, plan
from adlib.experiments.presets import method_options
from adlib.experiments.protocol import Protocol
from adlib.experiments.settings import check_settings
from adlib.experiments.store import ResultStore, as_frame, with_same_seeds
from adlib.reports.page import write_report
from adlib.reports.tables import learning_curves, summary, table

SMALL = {"resize": 96}


@pytest.fixture(scope="module")
def weld(toy_root):
    return load_dataset(str(toy_root), "weld")


@pytest.fixture(scope="module")
def protocol(weld):
    return plan(weld, "patchcore", shots=4, options=SMALL | {"coreset": 100})


# --- protocol ----------------------------------------------------------------------------------------------------


def test_a_protocol_holds_every_option_and_survives_json(protocol):
    assert protocol.options["neighbourhood"] == 3 and protocol.options["coreset"] == 100
    again = Protocol.from_dict(json.loads(json.dumps(protocol.as_dict())))
    assert again == protocol and again.hash == protocol.hash


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"shots": 5}, {"selection": "random"}, {"map_frame": "network"}, {"options": {"resize": 64}}],
)
def test_every_value_changes_the_hash(protocol, change):
    assert replace(protocol, **change).hash != protocol.hash


def test_other_pictures_are_other_data(weld):
    assert data_digest(weld) != data_digest(replace(weld, samples=weld.samples[1:]))


@pytest.mark.parametrize("method", sorted(DETECTORS))
def test_without_a_backbone_a_method_takes_its_own(weld, method):
    own = make_detector(method).backbone
    assert plan(weld, method).backbone == own == Choices().protocol(weld, method, shots=4).backbone


def test_choices_shape_the_protocol(weld):
    choices = Choices(backbone="pixels", resolution=96, settings={"width": 8}, split_seed=3, map_frame="network")
    protocol = choices.protocol(weld, "reverse_distillation", shots=None, seed=2)
    assert (protocol.backbone, protocol.split_seed, protocol.map_frame, protocol.seed) == ("pixels", 3, "network", 2)
    assert (protocol.options["resize"], protocol.options["width"]) == (96, 8)


def test_unknown_and_impossible_values_are_named(weld, protocol):
    with pytest.raises(InputError, match="'coresett'"):
        plan(weld, "patchcore", options={"coresett": 0.1})
    with pytest.raises(InputError, match="patchcor"):
        plan(weld, "patchcor")
    with pytest.raises(InputError, match="map_frame"):
        replace(protocol, map_frame="screen")
    with pytest.raises(InputError, match="shots"):
        replace(protocol, shots=-1)
    with pytest.raises(InputError, match="'colour'"):
        Protocol.from_dict(protocol.as_dict() | {"colour": 1})


def test_several_categories_are_refused(toy_root):
    with pytest.raises(InputError, match="choose one"):
        plan(load_dataset(str(toy_root)), "patchcore")


# --- methods -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "category", "rotate", "mask"),
    [
        ("agnostic", "bottle", True, "test"),
        ("informed", "bottle", False, "test"),
        ("informed", "screw", True, "test"),
        ("none", "screw", False, "never"),
    ],
)
def test_preprocess_modes(mode, category, rotate, mask):
    options = method_options("anomalydino", "mvtec", category, "dinov2_vits14", preprocess=mode)
    assert options["rotate"] is rotate and options["mask"] == mask


def test_only_dinov2_is_masked():
    options = method_options("anomalydino", "mvtec", "screw", "resnet18", preprocess="agnostic")
    assert options["mask"] == "never" and options["rotate"] is True


def test_few_shots_have_a_small_bank_unless_the_code_is_official():
    assert method_options("patchcore", "elpv", "mono", "resnet18", shots=4) == {"coreset": 1000, "top_share": 0.01}
    assert method_options("patchcore", "elpv", "mono", "resnet18") == {}
    assert method_options("patchcore", "elpv", "mono", "resnet18", shots=4, official=True) == OFFICIAL


def test_an_unknown_preprocess_mode_is_refused():
    with pytest.raises(InputError, match="'clever'"):
        method_options("anomalydino", "mvtec", "screw", "resnet18", preprocess="clever")
    with pytest.raises(InputError, match="official"):
        method_options("anomalydino", "mvtec", "screw", "resnet18", official=True)


@pytest.mark.parametrize("method", DETECTORS)
def test_every_default_fits_its_own_parameter(method):
    defaults = DETECTORS[method].parameter_defaults()
    check_settings(method, {k: v for k, v in defaults.items() if k not in ("backbone", "weights", "device", "seed")})
    with pytest.raises(InputError, match=f"sigma of {method} must be a number, not 'wide'"):
        check_settings(method, {"sigma": "wide"})
    for name in ("backbone", "seed"):
        with pytest.raises(InputError, match=f"{name} is no option"):
            check_settings(method, {name: defaults[name]})


# --- run and store -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def done(weld, protocol, tmp_path_factory):
    store = ResultStore(tmp_path_factory.mktemp("results"))
    return run(protocol, weld, store), store


def test_a_run_measures_what_it_stores(weld, protocol, done):
    result, _ = done
    detector = build(protocol).fit([s.path for s in weld.few_shot(4)])
    predictions = detector.predict([s.path for s in weld.test])
    assert np.allclose(predictions.scores, result.scores["score"], rtol=1e-4)
    assert list(result.scores["image"]) == [weld.relative(s) for s in weld.test]
    expected = image_metrics(result.scores["label"], result.scores["score"])
    assert {k: result.metrics[k] for k in expected} == pytest.approx(expected)
    from PIL import Image

    masks = [np.asarray(Image.open(s.mask)) > 127 if s.mask else np.zeros((128, 128), dtype=bool) for s in weld.test]
    pixels = pixel_metrics([predictions.anomaly_map(i) for i in range(len(masks))], masks)
    assert {k: result.metrics[k] for k in pixels} == pytest.approx(pixels, abs=1e-4)
    assert result.row["references"] == [weld.relative(s) for s in weld.few_shot(4)]


def test_what_is_stored_comes_back(protocol, done):
    result, store = done
    again = store.get(protocol)
    assert again.metrics == result.metrics and again.row == json.loads(json.dumps(result.row))
    pd.testing.assert_frame_equal(again.scores, result.scores, rtol=1e-6)
    assert len(store.grids(protocol)) == len(result.scores)


def test_a_stored_run_is_not_done_again(weld, protocol, done):
    _, store = done
    empty = replace(weld, samples=tuple(replace(s, path=s.path / "gone") for s in weld.samples))
    assert run(protocol, empty, store).metrics == store.get(protocol).metrics


@pytest.mark.parametrize("ending", ["json", "csv"])
@pytest.mark.parametrize("damage", ["", "{", "\0\0\0"])
def test_a_damaged_result_is_done_again_and_named_in_a_report(done, tmp_path, protocol, ending, damage):
    result, _ = done
    store = ResultStore(tmp_path)
    store.put(result)
    (tmp_path / f"{protocol.title}.{ending}").write_text(damage)
    assert store.get(protocol) is None and protocol not in store
    with pytest.raises(InputError, match="damaged"):
        list(store.results())


def test_a_result_without_its_table_is_done_again(done, tmp_path, protocol):
    result, _ = done
    store = ResultStore(tmp_path)
    store.put(result)
    (tmp_path / f"{protocol.title}.csv").unlink()
    assert protocol not in store


def test_the_network_frame_is_another_measurement(weld, protocol, done):
    other = run(replace(protocol, map_frame="network"), weld)
    assert other.metrics["image_auroc"] == done[0].metrics["image_auroc"]
    assert other.metrics["pixel_auroc"] != done[0].metrics["pixel_auroc"]


def test_zero_shots_are_batched_zero_shot(weld):
    zero = plan(weld, "anomalydino", shots=0, options=SMALL | {"rotate": False, "mask": "never"})
    result = run(zero, weld)
    assert result.row["references"] == [] and result.row["threshold"] is None
    with pytest.raises(InputError, match="0 shots"):
        run(plan(weld, "patchcore", shots=0, options=SMALL), weld)


def test_too_many_shots_are_refused(weld):
    with pytest.raises(InputError, match="12 good"):
        run(plan(weld, "patchcore", shots=13, options=SMALL), weld)


def test_methods_are_compared_over_the_same_seeds(done):
    result, _ = done
    cells = [("a", "patchcore", 0), ("a", "patchcore", 1), ("a", "spade", 0), ("a", "spade", 1), ("a", "vae", 1)]
    cells += [("b", "patchcore", 1), ("b", "patchcore", 0), ("b", "spade", 0)]
    cells += [("c", "patchcore", 1), ("c", "vae", 1), ("c", "patchcore", 0), ("c", "spade", 0)]  # as many, not the same
    results = [
        replace(result, protocol=replace(result.protocol, category=category, method=method, seed=seed, options={}))
        for category, method, seed in cells
    ]
    kept = [(r.protocol.category, r.protocol.method, r.protocol.seed) for r in with_same_seeds(results)]
    assert kept[:3] == [("a", "patchcore", 1), ("a", "spade", 1), ("a", "vae", 1)]
    assert kept[3:] == [(part, method, 0) for part in "bc" for method in ("patchcore", "spade")]
    assert with_same_seeds(results[3:4])[0] is results[3] and with_same_seeds([]) == []


# --- report ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def three_draws(weld, protocol, tmp_path_factory):
    store = ResultStore(tmp_path_factory.mktemp("draws"))
    for shots in (1, 4):
        for seed in range(3):
            run(replace(protocol, shots=shots, seed=seed), weld, store)
    return store


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


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="no results"):
        table(as_frame(ResultStore(tmp_path).results()))


def test_curve_shows_the_means(three_draws):
    frame = as_frame(three_draws.results())
    (line,) = [line for line in learning_curves(frame).axes[0].lines if len(line.get_ydata()) == 2][:1]
    assert list(line.get_ydata()) == pytest.approx(frame.groupby("shots")["image_auroc"].mean().tolist())


def test_report_is_one_self_contained_page(three_draws, weld, tmp_path):
    page = write_report(list(three_draws.results()), three_draws, tmp_path / "report.html", {"weld": weld})
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/") == 4  # the curve; histogram, worst mistakes and extremes of the one method
    assert 'src="http' not in text and 'href="http' not in text and str(tmp_path) not in text
    assert table(as_frame(three_draws.results()))["image AUROC"][0] in text


# --- parameters of a notebook -------------------------------------------------------------------------------------

CELL = 'data = "elpv"  # which\nshots = 4\nseeds = [0, 1]\n'


def test_declared_names():
    assert declared_names(CELL) == ["data", "shots", "seeds"]


def test_without_a_history_nothing_was_injected():
    assert check_parameters({"shots": 4}, ["", "check_parameters(...)"]) == {}


def test_good_parameters_pass():
    values = {"data": "toy", "shots": 8, "seeds": [3]}
    history = ["", CELL, "data = 'toy'\nshots = 8\nseeds = [3]", "check_parameters(...)"]
    assert check_parameters(values, history) == values
