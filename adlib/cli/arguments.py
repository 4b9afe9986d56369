"""Arguments shared by several commands, and the parser of `--set`."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from adlib.cli.parser import FRAMES, LAYOUTS, PAGES, PREPROCESS, SELECTIONS, choice, expanded
from adlib.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

    from adlib.experiments.failures import Failure


def data_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which images to use."""
    parser.add_argument("--data", type=expanded, required=True, help="elpv, toy or a folder")
    reading_arguments(parser)


def reading_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how a folder of images is read."""
    choice(parser, "--layout", LAYOUTS, "layout of the folder", default="auto")
    parser.add_argument(
        "--masks",
        metavar="NAME",
        help="what holds masks, where it has no usual name: a folder, or an ending such as .png next to the images; "
        "none: nothing does",
    )
    pages_argument(parser)
    parser.add_argument(
        "--group",
        metavar="REGEX",
        help="finds the part, film or camera in an image's path: images of one group are split and held out together",
    )


def pages_argument(parser: argparse.ArgumentParser) -> None:
    """Declare what is read of files with several pages."""
    choice(parser, "--pages", PAGES, "what is read of files with several pages", default="ask")


def reading(options: argparse.Namespace) -> dict[str, Any]:
    """The values of `reading_arguments` but the layout, as arguments of `load_dataset`."""
    return {name: getattr(options, name) for name in ("masks", "pages", "group")}


def machine_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where the backbone runs, and its weights."""
    parser.add_argument(
        "--weights",
        type=expanded,
        help="file of the backbone's weights (default: searched for, then downloaded)",
    )
    parser.add_argument("--device", help="cpu, cuda, ... (default: a GPU if available)")


def cluster_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare who does the runs, if not this process."""
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="a Dask scheduler whose workers do the runs, or local:N for N processes on this machine (docs/cluster.md)",
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="with --cluster: repeat runs that failed (default: list them)"
    )


@contextmanager
def cluster_of(options: argparse.Namespace) -> "Iterator[Client | None]":
    """The client of `--cluster`, None without it. Raises InputError without Dask, and as `adlib.cluster.connect`."""
    if options.cluster is None:
        if options.retry_failed:
            raise InputError("--retry-failed goes with --cluster; without it, no failed run is skipped.")
        yield None
        return
    try:
        from adlib.cluster import connect
    except ModuleNotFoundError as error:
        raise InputError(f"--cluster needs {error.name}; pip install 'adlib[cluster]'.") from error
    with connect(options.cluster) as client:
        count = len(client.nthreads())
        found = f"{count} worker{'' if count == 1 else 's'}" if count else "no worker yet; runs start when one joins"
        print(f"Cluster: {found}. Dashboard: {client.dashboard_link}", file=sys.stderr)
        yield client


def say_failures(failures: "Sequence[Failure]") -> int:
    """Print the runs that failed; returns the exit code of the command, 1 where there is any."""
    if failures:
        count = f"{len(failures)} run{'' if len(failures) == 1 else 's'}"
        print(f"\n{count} failed; --retry-failed repeats them:", file=sys.stderr)
    for failure in failures:
        print(f"  {failure.line}", file=sys.stderr)
    return 1 if failures else 0


def protocol_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is computed, except data, method, shots and seeds: the same for a run and a sweep."""
    parser.add_argument("--backbone", help="the frozen network (default: the method's)")
    parser.add_argument("--resolution", type=int, help="shorter side in pixels (default: the method's)")
    choice(
        parser,
        "--preprocess",
        PREPROCESS,
        "rotation (AnomalyDINO, SubspaceAD) and masking (AnomalyDINO)",
        default="agnostic",
    )
    choice(parser, "--selection", SELECTIONS, "how shots are chosen", default="slice")
    parser.add_argument(
        "--labelled",
        type=int,
        default=0,
        metavar="N",
        help="labelled defects to learn from, of train/<kind> or else moved out of the test set",
    )
    parser.add_argument("--split-seed", type=int, default=0, help="seed of the split, if the data set has no split")
    choice(parser, "--map-frame", FRAMES, "pixels in which maps and masks are compared", default="original")
    parser.add_argument(
        "--official", action="store_true", help="PatchCore or AnomalyDINO with the settings of its official code"
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="other parameters of the method, such as coreset=500 or window=[0,4095]",
    )
    parser.add_argument(
        "--false-alarms",
        type=float,
        default=0.05,
        metavar="RATE",
        help="fraction of good images that may exceed the threshold",
    )


def chosen(options: argparse.Namespace) -> dict[str, Any]:
    """The values of `protocol_arguments` and `machine_arguments`, as arguments of `Choices`."""
    names = ("selection", "backbone", "weights", "device", "resolution", "preprocess", "split_seed", "map_frame")
    values = {name: getattr(options, name) for name in (*names, "labelled", "official")}
    return values | {"settings": settings(options.set)}


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """NAME=VALUE pairs as a dictionary; values are parsed as JSON where possible, else kept as text.

    Raises InputError for anything else, and for a repeated name.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"--set takes NAME=VALUE pairs, not {pair!r}.")
        if name in values:
            raise InputError(f"--set gives {name} twice; give it once.")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values
