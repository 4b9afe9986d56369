"""A protocol holds everything that a number hangs on."""

import json
from dataclasses import replace

import pytest

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
