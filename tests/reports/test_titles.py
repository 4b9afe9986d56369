"""A method's name in a table says how the run differs from the method's defaults."""

import pytest

from adlib.detectors import DETECTORS, anomalydino
from adlib.detectors.patchcore import OFFICIAL
from adlib.experiments.presets import method_options
from adlib.experiments.protocol import Protocol
from adlib.reports.titles import method_sentence, method_title


def protocol(method: str, **options) -> Protocol:
    """A run on nothing."""
    return Protocol("toy", "weld", "0", method, "efficientnet_lite0", "0", options=options)


SWEEP = method_options("patchcore", "toy", "weld", "efficientnet_lite0", shots=4)
DINO = method_options("anomalydino", "toy", "weld", "efficientnet_lite0", preprocess="informed", shots=4)
TITLES = [
    ("patchcore", {}, "patchcore"),
    ("patchcore", SWEEP, "patchcore (1,000 patches, top 1%)"),
    ("patchcore", {"coreset": 0.1}, "patchcore (10% of the patches)"),
    ("patchcore", {"coreset": 1.0, "resize": 96, "sigma": 2.0}, "patchcore (sigma 2.0, all patches)"),
    ("patchcore", OFFICIAL, "patchcore (official code)"),
    ("patchcore", {**OFFICIAL, "coreset": 0.25}, "patchcore (official code, 25% of the patches)"),
    ("anomalydino", {}, "anomalydino"),
    ("anomalydino", DINO, "anomalydino (not rotated, no mask)"),
    ("anomalydino", {"top_share": 0.0}, "anomalydino (maximum)"),
    ("anomalydino", anomalydino.OFFICIAL, "anomalydino (official code)"),
    ("anomalydino", DINO | anomalydino.OFFICIAL, "anomalydino (official code, not rotated, no mask)"),
    ("anomalydino", {"rotation": "official"}, "anomalydino (official rotation)"),
    ("anomalydino", {"mask_growth": "column"}, "anomalydino (mask grows along the column)"),
    ("anomalydino", {"batch_share": 0.001}, "anomalydino (closest 0.1% of the batch)"),
    ("anomalydino", {"stretch_maps": True}, "anomalydino (maps stretched)"),
    ("padim", {"layers": ["blocks2"], "dims": 50}, "padim (dims 50)"),
]


@pytest.mark.parametrize(("method", "options", "title"), TITLES, ids=[title for *_, title in TITLES])
def test_titles(method, options, title):
    assert method_title(protocol(method, **options)) == title


def test_sentences_give_the_default_beside_each_difference():
    assert method_sentence(protocol("patchcore", **SWEEP)) == (
        "patchcore here: at most 1,000 patches in the bank, image score = mean of the highest 1% of patch scores "
        "(by default: 1% of the patches in the bank, image score = the highest patch score)."
    )
    assert "layers blocks3+blocks4+blocks5, shorter side 256 pixels, references not rotated" in method_sentence(
        protocol("anomalydino", **DINO)
    )
    assert "official code." in method_sentence(protocol("patchcore", **OFFICIAL))
    assert method_sentence(protocol("anomalydino", rotation="official", batch_share=0.001)) == (
        "anomalydino here: official rotation, closest 0.1% of the batch "
        "(by default: centred rotation, nearest of the batch)."
    )


@pytest.mark.parametrize("method", [name for name, method in DETECTORS.items() if not method.needs_defects])
def test_at_its_defaults_a_method_is_called_by_its_name(method):
    assert method_title(protocol(method)) == method
    assert method_sentence(protocol(method)) == f"{method} here: all parameters at their defaults."
