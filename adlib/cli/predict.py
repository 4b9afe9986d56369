"""`adlib predict`: score any number of images with a saved detector."""

import argparse
import sys
from pathlib import Path

from adlib.cli.arguments import machine_arguments, pages_argument
from adlib.cli.parser import expanded, place


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = commands.add_parser("predict", help="score images with a saved detector")
    parser.add_argument("model", type=place, help="file that `adlib run --save` or `adlib export` wrote")
    parser.add_argument("images", type=expanded, nargs="+", help="image files or folders")
    machine_arguments(parser)
    parser.add_argument(
        "--out", type=place, default=Path("runs/predict"), help="folder for scores.csv, maps and overlays"
    )
    parser.add_argument(
        "--tile", type=int, metavar="PIXELS", help="tile images larger than this (default: as at fit; 0: never)"
    )
    parser.add_argument(
        "--false-alarms",
        type=float,
        metavar="RATE",
        help="fraction of good images that may exceed the threshold (default: as at fit)",
    )
    pages_argument(parser)
    parser.add_argument(
        "--group", metavar="REGEX", help="finds the part, film or camera in an image's path: decisions by group"
    )
    parser.set_defaults(command=_predict)


def _predict(options: argparse.Namespace) -> int:
    from adlib.inspection.predict import predict_files

    counts = predict_files(
        options.model,
        options.images,
        options.out,
        options.weights,
        options.device,
        tile=options.tile,
        false_alarms=options.false_alarms,
        pages=options.pages,
        group=options.group,
    )
    before = f", {counts.skipped} scored before" if counts.skipped else ""
    verdict = "" if counts.defective is None else f"; {counts.defective} in the table are called defective"
    print(f"{counts.scored} images scored{before}{verdict}.")
    print("\n".join((*counts.notes, f"Table, maps and overlays: {options.out}")))
    if counts.problems:
        print(f"adlib: {counts.problems} images could not be scored; scores.csv says why.", file=sys.stderr)
    return 1 if counts.problems else 0
