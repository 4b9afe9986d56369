"""Arguments that several commands take, and how `--set` is read."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from adlib.cli.parser import FRAMES, LAYOUTS, PREPROCESS, SELECTIONS, choice
from adlib.errors import InputError


def data_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pictures."""
    parser.add_argument("--data", required=True, help="elpv, toy, or a folder")
    layout_argument(parser)


def layout_argument(parser: argparse.ArgumentParser) -> None:
    """How a folder of pictures is laid out."""
    choice(parser, "--layout", LAYOUTS, "how a folder is laid out", default="auto")


def machine_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it runs."""
    parser.add_argument("--weights", help="file of the backbone's weights (default: sought, then downloaded)")
    parser.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")


def protocol_arguments(parser: argparse.ArgumentParser) -> None:
    """What is computed, beyond data, method, shots and seeds: the same for one run and for a sweep of many."""
    parser.add_argument("--backbone", help="the frozen network (default: the method's)")
    parser.add_argument("--resolution", type=int, help="shorter side in pixels (default: the method's)")
    choice(parser, "--preprocess", PREPROCESS, "AnomalyDINO: what is rotated and masked", default="agnostic")
    choice(parser, "--selection", SELECTIONS, "how shots are drawn", default="slice")
    parser.add_argument("--split-seed", type=int, default=0, help="seed of the split, where the data set has none")
    choice(parser, "--map-frame", FRAMES, "where maps meet masks", default="original")
    parser.add_argument("--official", action="store_true", help="PatchCore with the switches of its official code")
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="more parameters of the method, such as coreset=500 or window=[0,4095]",
    )
    parser.add_argument(
        "--false-alarms", type=float, default=0.05, metavar="RATE", help="share of good images a threshold may exceed"
    )


def chosen(options: argparse.Namespace) -> dict[str, Any]:
    """What `protocol_arguments` and `machine_arguments` read, as arguments of `Choices`."""
    names = ("selection", "backbone", "weights", "device", "resolution", "preprocess", "split_seed", "map_frame")
    return {name: getattr(options, name) for name in (*names, "official")} | {"settings": settings(options.set)}


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """NAME=VALUE pairs as a dictionary; values are JSON where they parse as such, else text.

    Raises InputError on anything else, and on a name that is given twice.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"--set takes NAME=VALUE pairs, not {pair!r}.")
        if name in found:
            raise InputError(f"--set gives {name} twice; give it once.")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
