"""Options that a method takes for a data set, a category and a number of shots."""

import pytest

from adlib.detectors import anomalydino
from adlib.detectors.patchcore import OFFICIAL
from adlib.errors import InputError
from adlib.experiments.presets import method_options


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


@pytest.mark.parametrize(("mode", "category"), [("agnostic", "bottle"), ("informed", "screw"), ("none", "screw")])
def test_subspacead_takes_the_features_of_anomalydino(mode, category):
    for backbone in ("efficientnet_lite0", "resnet18", "dinov2_vits14"):
        dino, subspace = (
            method_options(method, "mvtec", category, backbone, preprocess=mode, shots=4)
            for method in ("anomalydino", "subspacead")
        )
        assert dino.pop("mask") and subspace == dino


def test_few_shots_have_a_small_bank_unless_the_code_is_official():
    assert method_options("patchcore", "elpv", "mono", "resnet18", shots=4) == {"coreset": 1000, "top_share": 0.01}
    assert method_options("patchcore", "elpv", "mono", "resnet18") == {}
    assert method_options("patchcore", "elpv", "mono", "resnet18", shots=4, official=True) == OFFICIAL


def test_rad_takes_the_layers_of_anomalydino():
    dino, rad = (method_options(name, "elpv", "mono", "efficientnet_lite0", shots=1) for name in ("anomalydino", "rad"))
    assert rad == {"layers": dino["layers"]}


def test_both_batched_methods_see_the_same_layers():
    batched = [method_options(name, "elpv", "mono", "efficientnet_lite0", shots=0) for name in ("anomalydino", "musc")]
    assert batched[0]["layers"] == batched[1]["layers"] == ("blocks3", "blocks4", "blocks5")
    assert method_options("musc", "elpv", "mono", "resnet18") == {}


def test_an_unknown_preprocess_mode_is_refused():
    with pytest.raises(InputError, match="'clever'"):
        method_options("anomalydino", "mvtec", "screw", "resnet18", preprocess="clever")


def test_official_adds_the_switches_to_the_mode():
    plain = method_options("anomalydino", "mvtec", "screw", "dinov2_vits14", shots=4, resolution=672)
    official = method_options("anomalydino", "mvtec", "screw", "dinov2_vits14", shots=4, resolution=672, official=True)
    assert official == plain | anomalydino.OFFICIAL
    assert anomalydino.OFFICIAL == {
        "mask_growth": "column",
        "rotation": "official",
        "stretch_maps": True,
        "batch_share": 0.001,
    }


@pytest.mark.parametrize("method", ["padim", "patchcore_ivfpq"])
def test_other_methods_have_no_official_switches(method):
    with pytest.raises(InputError, match=f"switches of patchcore or anomalydino, and {method} has none"):
        method_options(method, "mvtec", "screw", "resnet18", official=True)
