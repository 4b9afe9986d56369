"""What a user chose becomes a protocol."""

from dataclasses import replace

import pytest

from adlib.detectors.registry import DETECTORS, make_detector
from adlib.errors import InputError
from adlib.experiments.choices import Choices
from adlib.experiments.planning import plan


@pytest.mark.parametrize("method", sorted(set(DETECTORS) - {"winclip"}))  # no package has its weights
def test_without_a_backbone_a_method_takes_its_own(weld, method):
    own, labelled = make_detector(method).backbone, int(DETECTORS[method].needs_defects)
    chosen = Choices(labelled=labelled).protocol(weld, method, shots=4)
    assert plan(weld, method, labelled=labelled).backbone == own == chosen.backbone


def test_choices_shape_the_protocol(weld):
    choices = Choices(backbone="pixels", resolution=96, settings={"width": 8}, split_seed=3, map_frame="network")
    protocol = choices.protocol(replace(weld, layout="folder"), "reverse_distillation", shots=None, seed=2)
    assert (protocol.backbone, protocol.split_seed, protocol.map_frame, protocol.seed) == ("pixels", 3, "network", 2)
    assert (protocol.options["resize"], protocol.options["width"]) == (96, 8)


@pytest.mark.parametrize("layout", ["elpv", "mvtec", "visa"])
def test_a_split_seed_is_refused_where_the_split_is_published(weld, layout):
    own = replace(weld, layout=layout)
    with pytest.raises(InputError, match=r"split_seed \(--split-seed\) is 3, but .* has a split of its own"):
        Choices(split_seed=3).protocol(own, "patchcore", shots=4)
    assert Choices(split_seed=0).protocol(own, "patchcore", shots=4).split_seed == 0


@pytest.mark.parametrize("layout", ["mtd", "folder"])
def test_a_split_seed_is_taken_where_the_split_is_made(weld, layout):
    assert Choices(split_seed=3).protocol(replace(weld, layout=layout), "patchcore", shots=4).split_seed == 3
