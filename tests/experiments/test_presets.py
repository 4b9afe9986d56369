"""Options that a method takes for a data set, a category and a number of shots."""

import pytest

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


def test_few_shots_have_a_small_bank_unless_the_code_is_official():
    assert method_options("patchcore", "elpv", "mono", "resnet18", shots=4) == {"coreset": 1000, "top_share": 0.01}
    assert method_options("patchcore", "elpv", "mono", "resnet18") == {}
    assert method_options("patchcore", "elpv", "mono", "resnet18", shots=4, official=True) == OFFICIAL


def test_an_unknown_preprocess_mode_is_refused():
    with pytest.raises(InputError, match="'clever'"):
        method_options("anomalydino", "mvtec", "screw", "resnet18", preprocess="clever")
    with pytest.raises(InputError, match="official"):
        method_options("anomalydino", "mvtec", "screw", "resnet18", official=True)
