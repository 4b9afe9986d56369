"""A protocol holds everything that a number hangs on."""

import json
from dataclasses import replace

import numpy as np
import pytest

from adlib.data import plant_defects
from adlib.errors import InputError
from adlib.experiments.planning import plan
from adlib.experiments.protocol import Protocol


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


def test_planted_defects_and_their_convention_are_part_of_the_hash(weld):
    """Draws by other seeds are repetitions of one experiment, conventions are not."""
    clean = plan(weld, "patchcore")
    removed, other, overlap = (
        plan(plant_defects(weld, 0.1, seed, convention), "patchcore")
        for seed, convention in ((0, "removed"), (1, "removed"), (0, "overlap"))
    )
    assert clean.noise == "" and overlap.noise == "1 planted, overlap"
    assert len({p.hash for p in (clean, removed, other, overlap)}) == 4
    assert removed.group() == other.group() and removed.group() != overlap.group() != clean.group()


@pytest.mark.parametrize(
    ("by_numpy", "plain"),
    [
        ({"shots": np.int64(2)}, {"shots": 2}),
        ({"seed": np.arange(2)[1], "split_seed": np.int64(0)}, {"seed": 1, "split_seed": 0}),
        ({"options": {"coreset": np.int64(50)}}, {"options": {"coreset": 50}}),
        (
            {"options": {"sigma": np.float64(2), "window": np.array([0, 200])}},
            {"options": {"sigma": 2.0, "window": [0, 200]}},
        ),
    ],
)
def test_numbers_of_numpy_are_numbers(weld, by_numpy, plain):
    given, expected = plan(weld, "patchcore", **by_numpy), plan(weld, "patchcore", **plain)
    assert given == expected and given.hash == expected.hash
    assert Protocol.from_dict(json.loads(json.dumps(given.as_dict()))) == given


def test_shots_of_a_table_with_gaps_are_named(weld):
    with pytest.raises(InputError, match="shots must be a whole number of at least 0, not 2.0"):
        plan(weld, "patchcore", shots=2.0)


@pytest.mark.parametrize("names", [("焊" * 80, "缝" * 80), ("d" * 255, "c"), ("d", "c" * 255), ("数据", "焊缝 1")])
def test_a_title_is_a_file_name_whatever_the_folders_are_called(protocol, names, tmp_path):
    long = replace(protocol, dataset=names[0], category=names[1])
    (tmp_path / f"{long.title}.safetensors").touch()
    fixed = f"patchcore-efficientnet_lite0-4shot-s0-{long.hash}"
    assert long.title.endswith(f"-{fixed}") and long.title.startswith(names[0][:25])
    if len("".join(names)) < 20:  # names that fit are whole
        assert long.title == f"数据-焊缝_1-{fixed}"
    else:
        assert len(long.title.encode()) > 230 and f"-{names[1][:20]}" in long.title
