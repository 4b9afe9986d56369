"""What a run will cost, said before it begins."""

import pytest

from adlib.detectors.registry import make_detector
from adlib.experiments.forecast import forecast, mask_figure
from adlib.experiments.planning import build, plan
from helpers.small_runs import DINO, SMALL, paths


@pytest.mark.parametrize("rotate", [False, True])
def test_the_bank_is_predicted_to_the_byte(weld, rotate):
    protocol = plan(weld, "anomalydino", shots=3, options=DINO | {"rotate": rotate})
    cost = forecast([(protocol, weld)])
    detector = make_detector("anomalydino", **DINO | {"rotate": rotate}).fit(paths(weld.few_shot(3)))
    assert cost.bank_bytes == detector.bank_.numel() * 4
    assert cost.seconds > 0 and "3 shots" in cost.line and ("8 rotations" in cost.line) == rotate


def test_the_whole_bank_of_patchcore_is_predicted(weld):
    protocol = plan(weld, "patchcore", shots=3, options=SMALL)
    detector = make_detector("patchcore", **SMALL | {"coreset": 1.0}).fit(paths(weld.few_shot(3)))
    assert forecast([(protocol, weld)]).bank_bytes == detector.bank_.numel() * 4
    assert forecast([]) is None


def test_every_neighbourhood_of_musc_has_a_bank(weld):
    options = SMALL | {"layers": ("blocks4",), "neighbourhoods": (1, 3)}
    detector = make_detector("musc", **options).fit(paths(weld.test))
    assert len(detector.offsets_) == 2 and detector.bank0_.shape == detector.bank1_.shape
    cost = forecast([(plan(weld, "musc", shots=0, options=options), weld)])
    assert cost.bank_bytes == 2 * detector.bank0_.numel() * 4


def test_npad_keeps_every_patch(weld):
    options = SMALL | {"radius": 1}
    detector = make_detector("npad", **options).fit(paths(weld.few_shot(3)))
    cost = forecast([(plan(weld, "npad", shots=3, options=options), weld)])
    assert cost.bank_bytes == detector.bank_.numel() * 4


def test_the_object_mask_is_shown_where_one_is_used(weld):
    assert mask_figure(plan(weld, "anomalydino", shots=2, options=DINO), weld) is None
    assert mask_figure(plan(weld, "patchcore", shots=2, options=SMALL), weld) is None
    figure = mask_figure(plan(weld, "anomalydino", shots=2, options=DINO | {"mask": "always"}), weld)
    assert len([ax for ax in figure.axes if ax.images]) == 2


def test_the_mask_shown_is_the_mask_that_the_run_takes(weld):
    options = DINO | {"mask": "always", "layers": ("blocks2",), "resize": 128, "mask_threshold": 4.0}
    titles = []
    for growth in ("grid", "column"):
        protocol = plan(weld, "anomalydino", shots=2, options=options | {"mask_growth": growth})
        detector = build(protocol)
        (features,) = detector._features(paths(weld.few_shot(2))[:1])
        background = 1 - detector.object_mask(features).mean()
        titles.append(mask_figure(protocol, weld).axes[1].get_title())
        assert f"blue, {background:.0%}: background" in titles[-1]
    assert titles[0] != titles[1]


def test_of_a_method_that_trains_nothing_is_forecast(weld):
    assert forecast([(plan(weld, "stfpm", options={"resize": 64, "steps": 1}), weld)]) is None
