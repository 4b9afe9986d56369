"""What a user chose becomes a protocol."""

import pytest

from adlib.detectors.registry import DETECTORS, make_detector
from adlib.experiments.choices import Choices
from adlib.experiments.planning import plan


@pytest.mark.parametrize("method", sorted(DETECTORS))
def test_without_a_backbone_a_method_takes_its_own(weld, method):
    own = make_detector(method).backbone
    assert plan(weld, method).backbone == own == Choices().protocol(weld, method, shots=4).backbone


def test_choices_shape_the_protocol(weld):
    choices = Choices(backbone="pixels", resolution=96, settings={"width": 8}, split_seed=3, map_frame="network")
    protocol = choices.protocol(weld, "reverse_distillation", shots=None, seed=2)
    assert (protocol.backbone, protocol.split_seed, protocol.map_frame, protocol.seed) == ("pixels", 3, "network", 2)
    assert (protocol.options["resize"], protocol.options["width"]) == (96, 8)
